import { describe, expect, it } from 'vitest';
import { each, half, needEmulator } from './each.js';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const most = 2 ** 31 - 1;
const floats = (...values: number[]): ['f32', number[]] => ['f32', values];

describe('conversions', () => {
  needEmulator();

  it('rounds float32 to integers', () => {
    const values = floats(2.5, 3.5, -2.5, -0.5, 1.25);
    expect(each('cvt.rni.s32.f32', 's32', values)).toEqual([2, 4, -2, 0, 1]);
    expect(each('cvt.rzi.s32.f32', 's32', values)).toEqual([2, 3, -2, 0, 1]);
    expect(each('cvt.rmi.s32.f32', 's32', values)).toEqual([2, 3, -3, -1, 1]);
    expect(each('cvt.rpi.s32.f32', 's32', values)).toEqual([3, 4, -2, 0, 2]);
    expect(each('cvt.rni.f32.f32', 'f32', values)).toEqual([2, 4, -2, -0, 1]);
    expect(each('cvt.rmi.f32.f32', 'f32', values)).toEqual([2, 3, -3, -1, 1]);
  });

  it('keeps integers in their range, and makes 0 of NaN', () => {
    const values = floats(3e9, -3e9, nan, infinity);
    expect(each('cvt.rzi.s32.f32', 's32', values)).toEqual([most, -most - 1, 0, most]);
    expect(each('cvt.rzi.u32.f32', 'u32', values)).toEqual([3e9, 0, 0, 2 ** 32 - 1]);
    expect(each('cvt.rni.u8.f32', 'u8', floats(255.5, -1, 254.5))).toEqual([255, 0, 254]);
    expect(each('cvt.rzi.s64.f32', 's64', floats(-(2 ** 40), nan))).toEqual([
      -(2n ** 40n),
      -(2n ** 63n),
    ]);
  });

  it('rounds integers to float32', () => {
    const odd = 2 ** 24 + 1; // between two
    expect(each('cvt.rn.f32.s32', 'f32', ['s32', [odd, odd + 2, -odd]])).toEqual([
      2 ** 24,
      2 ** 24 + 4,
      -(2 ** 24),
    ]);
    expect(each('cvt.rz.f32.u32', 'f32', ['u32', [2 ** 32 - 1]])).toEqual([2 ** 32 - 2 ** 8]);
    expect(each('cvt.rp.f32.u32', 'f32', ['u32', [odd]])).toEqual([2 ** 24 + 2]);
    expect(each('cvt.rn.f32.u32', 'f32', ['u32', [2 ** 32 - 1]])).toEqual([2 ** 32]);
    expect(each('cvt.rn.f32.u8', 'f32', ['u8', [255]])).toEqual([255]);
    // In one step: by way of float64 it would be rounded twice.
    expect(each('cvt.rn.f32.s64', 'f32', ['s64', [2n ** 60n + 2n ** 36n + 1n]])).toEqual([
      2 ** 60 + 2 ** 37,
    ]);
  });

  it('rounds float32 to float16', () => {
    const values = floats(
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65519,
      65520,
      2 ** -25,
      3 * 2 ** -26,
      nan,
    );
    expect(each('cvt.rn.f16.f32', 'f16', values).slice(0, 6)).toEqual(
      [1, 1 + 2 ** -9, 65504, infinity, 0, 2 ** -24].map(half),
    );
    expect(each('cvt.rz.f16.f32', 'f16', values).slice(0, 4)).toEqual(
      [1, 1 + 2 ** -10, 65504, 65504].map(half),
    );
    expect(each('cvt.rp.f16.f32', 'f16', floats(2 ** -30, -(2 ** -30)))).toEqual(
      [2 ** -24, -0].map(half),
    );
    expect(each('cvt.rn.sat.f16.f32', 'f16', floats(-1, 2, nan, 0.5))).toEqual(
      [0, 1, 0, 0.5].map(half),
    );
    const [bits] = each('cvt.rn.f16.f32', 'f16', floats(nan));
    expect(Number(bits) & 0x7fff).toBeGreaterThan(0x7c00);
  });

  it('takes float16 as it is', () => {
    const values = [0, -0, 2 ** -24, 65504, infinity, -1.5];
    expect(each('cvt.f32.f16', 'f32', ['f16', values.map(half)])).toEqual(values);
    expect(each('cvt.rzi.s32.f16', 's32', ['f16', [half(-1.75)]])).toEqual([-1]);
    expect(each('cvt.rn.f16.s32', 'f16', ['s32', [2049, 100000]])).toEqual(
      [2048, infinity].map(half),
    );
  });

  it('packs two', () => {
    expect(each('cvt.rn.f16x2.f32', 'f16x2', floats(1), floats(-2))).toEqual([
      half(1) * 65536 + half(-2),
    ]);
    expect(each('cvt.rn.relu.f16x2.f32', 'f16x2', floats(1), floats(-2))).toEqual([
      half(1) * 65536,
    ]);
  });

  it('extends and cuts integers', () => {
    expect(each('cvt.s32.s8', 's32', ['s8', [-1, 127]])).toEqual([-1, 127]);
    expect(each('cvt.u32.u8', 'u32', ['u8', [255]])).toEqual([255]);
    expect(each('cvt.s64.s32', 's64', ['s32', [-5]])).toEqual([-5n]);
    expect(each('cvt.u64.u32', 'u64', ['u32', [2 ** 32 - 1]])).toEqual([2n ** 32n - 1n]);
    expect(each('cvt.u32.u64', 'u32', ['u64', [2n ** 40n + 7n]])).toEqual([7]);
    expect(each('cvt.s16.s32', 's16', ['s32', [0x18000]])).toEqual([-32768]);
    expect(each('cvt.sat.s8.s32', 's8', ['s32', [200, -200, 5]])).toEqual([127, -128, 5]);
    expect(each('cvt.sat.u8.s32', 'u8', ['s32', [300, -1, 5]])).toEqual([255, 0, 5]);
    expect(each('cvt.sat.s32.u32', 's32', ['u32', [2 ** 32 - 1]])).toEqual([most]);
  });

  it('goes between float32 and float64', () => {
    expect(each('cvt.f64.f32', 'f64', floats(0.1))).toEqual([Math.fround(0.1)]);
    expect(each('cvt.rn.f32.f64', 'f32', ['f64', [0.1, 1e300]])).toEqual([
      Math.fround(0.1),
      infinity,
    ]);
    expect(each('cvt.rz.f32.f64', 'f32', ['f64', [1 + 2 ** -23 - 2 ** -40]])).toEqual([1]);
  });
});
