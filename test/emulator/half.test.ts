import { describe, expect, it } from 'vitest';
import { each, half, needEmulator } from './each.js';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const halves = (...values: number[]): ['f16', number[]] => ['f16', values.map(half)];
const pair = (low: number, high: number) => half(high) * 65536 + half(low);
const tiny = 2 ** -24; // the least subnormal number

describe('float16', () => {
  needEmulator();

  it('rounds to nearest even', () => {
    expect(each('add.f16', 'f16', halves(2048, 2050, 1), halves(1, 1, tiny))).toEqual(
      [2048, 2052, 1].map(half),
    );
    expect(each('mul.f16', 'f16', halves(60000, tiny, tiny), halves(2, 0.5, 0.75))).toEqual(
      [infinity, 0, tiny].map(half),
    );
    expect(each('sub.f16', 'f16', halves(1), halves(1))).toEqual([0]);
  });

  it('rounds a product and a sum once', () => {
    // 1 + 2^-10 squared is 1 + 2^-9 + 2^-20, less than half a step above 1 + 2^-9.
    const a = 1 + 2 ** -10;
    expect(each('fma.rn.f16', 'f16', halves(a), halves(a), halves(-1 - 2 ** -9))).toEqual([
      half(2 ** -20),
    ]);
    // A tie but for the last bit of the product.
    expect(
      each('fma.rn.f16', 'f16', halves(a, 1), halves(2 ** -11, 2 ** -11), halves(1, 1)),
    ).toEqual([a, 1].map(half));
  });

  it('keeps subnormal numbers, or flushes them', () => {
    expect(each('add.f16', 'f16', halves(tiny, -tiny), halves(tiny, 0))).toEqual(
      [2 * tiny, -tiny].map(half),
    );
    expect(each('add.ftz.f16', 'f16', halves(tiny, -tiny), halves(tiny, -0))).toEqual(
      [0, -0].map(half),
    );
  });

  it('saturates, and cuts negative results off', () => {
    expect(each('add.sat.f16', 'f16', halves(0.75, -1, nan), halves(0.5, 0, 0))).toEqual(
      [1, 0, 0].map(half),
    );
    expect(each('fma.rn.relu.f16', 'f16', halves(1, 1), halves(-2, 2), halves(0, 0))).toEqual(
      [0, 2].map(half),
    );
  });

  it('prefers numbers to NaN and knows which zero is less', () => {
    expect(each('min.f16', 'f16', halves(nan, 0, 1), halves(2, -0, nan))).toEqual(
      [2, -0, 1].map(half),
    );
    expect(each('max.f16', 'f16', halves(nan, -0, 1), halves(2, 0, 3))).toEqual(
      [2, 0, 3].map(half),
    );
  });

  it('does two at once', () => {
    const a: ['f16x2', number[]] = ['f16x2', [pair(1, -2)]];
    const b: ['f16x2', number[]] = ['f16x2', [pair(0.5, 3)]];
    expect(each('add.f16x2', 'f16x2', a, b)).toEqual([pair(1.5, 1)]);
    expect(each('mul.f16x2', 'f16x2', a, b)).toEqual([pair(0.5, -6)]);
    expect(each('fma.rn.f16x2', 'f16x2', a, b, a)).toEqual([pair(1.5, -8)]);
    expect(each('max.f16x2', 'f16x2', a, b)).toEqual([pair(1, 3)]);
    expect(each('neg.f16x2', 'f16x2', a)).toEqual([pair(-1, 2)]);
    expect(each('abs.f16x2', 'f16x2', a)).toEqual([pair(1, 2)]);
  });

  it('knows the edges of functions', () => {
    expect(each('ex2.approx.f16', 'f16', halves(-infinity, 3, 20))).toEqual(
      [0, 8, infinity].map(half),
    );
    expect(each('tanh.approx.f16', 'f16', halves(infinity, -0))).toEqual([1, -0].map(half));
    expect(each('ex2.approx.f16x2', 'f16x2', ['f16x2', [pair(1, -1)]])).toEqual([pair(2, 0.5)]);
  });
});
