import { describe, expect, it } from 'vitest';
import { each, needEmulator } from './each.js';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const tiny = 2 ** -149; // the least subnormal number
const next = 1 + 2 ** -23; // after 1

describe('float32', () => {
  needEmulator();

  it('rounds to nearest even, or as told', () => {
    const a: ['f32', number[]] = ['f32', [1, next, -1, -next]];
    const b: ['f32', number[]] = ['f32', [2 ** -24, 2 ** -24, -(2 ** -24), -(2 ** -24)]];
    const after = 1 + 2 ** -22;
    expect(each('add.rn.f32', 'f32', a, b)).toEqual([1, after, -1, -after]);
    expect(each('add.rz.f32', 'f32', a, b)).toEqual([1, next, -1, -next]);
    expect(each('add.rp.f32', 'f32', a, b)).toEqual([next, after, -1, -next]);
    expect(each('add.rm.f32', 'f32', a, b)).toEqual([1, next, -next, -after]);
    expect(each('mul.rp.f32', 'f32', ['f32', [next]], ['f32', [next]])).toEqual([1 + 3 * 2 ** -23]);
    expect(each('mul.rn.f32', 'f32', ['f32', [next]], ['f32', [next]])).toEqual([1 + 2 ** -22]);
    expect(each('div.rm.f32', 'f32', ['f32', [1]], ['f32', [3]])).toEqual([
      Math.fround(1 / 3) - 2 ** -25,
    ]);
  });

  it('rounds a product and a sum once', () => {
    expect(
      each('fma.rn.f32', 'f32', ['f32', [next]], ['f32', [next]], ['f32', [-1 - 2 ** -22]]),
    ).toEqual([2 ** -46]);
    expect(each('fma.rz.f32', 'f32', ['f32', [1]], ['f32', [1]], ['f32', [-tiny]])).toEqual([
      1 - 2 ** -24,
    ]);
  });

  it('flushes subnormal numbers where asked to', () => {
    expect(each('add.f32', 'f32', ['f32', [tiny, -tiny]], ['f32', [0, 0]])).toEqual([tiny, -tiny]);
    expect(each('add.ftz.f32', 'f32', ['f32', [tiny, -tiny]], ['f32', [0, -0]])).toEqual([0, -0]);
    expect(each('mul.ftz.f32', 'f32', ['f32', [2 ** -126]], ['f32', [-0.5]])).toEqual([-0]);
  });

  it('saturates where asked to', () => {
    expect(
      each('add.sat.f32', 'f32', ['f32', [0.75, -1, nan, 0.25]], ['f32', [0.5, 0, 0, 0.25]]),
    ).toEqual([1, 0, 0, 0.5]);
  });

  it('prefers numbers to NaN and knows which zero is less', () => {
    const a: ['f32', number[]] = ['f32', [nan, 1, 0, -0, nan]];
    const b: ['f32', number[]] = ['f32', [2, nan, -0, 0, nan]];
    expect(each('min.f32', 'f32', a, b)).toEqual([2, 1, -0, -0, nan]);
    expect(each('max.f32', 'f32', a, b)).toEqual([2, 1, 0, 0, nan]);
    expect(each('min.NaN.f32', 'f32', a, b)).toEqual([nan, nan, -0, -0, nan]);
    expect(each('max.NaN.f32', 'f32', a, b)).toEqual([nan, nan, 0, 0, nan]);
  });

  it('changes signs only', () => {
    expect(each('neg.f32', 'f32', ['f32', [0, -3]])).toEqual([-0, 3]);
    expect(each('abs.f32', 'f32', ['f32', [-0, -3]])).toEqual([0, 3]);
    expect(each('copysign.f32', 'f32', ['f32', [-1, 0]], ['f32', [2, -3]])).toEqual([-2, 3]);
  });

  it('knows the edges of functions', () => {
    expect(each('rcp.approx.f32', 'f32', ['f32', [0, -0, infinity, 4]])).toEqual([
      infinity,
      -infinity,
      0,
      0.25,
    ]);
    expect(each('sqrt.rn.f32', 'f32', ['f32', [-1, -0, 2]])).toEqual([
      nan,
      -0,
      Math.fround(Math.SQRT2),
    ]);
    expect(each('rsqrt.approx.f32', 'f32', ['f32', [0, 4, infinity]])).toEqual([infinity, 0.5, 0]);
    expect(each('ex2.approx.f32', 'f32', ['f32', [-infinity, 3, -0, 200]])).toEqual([
      0,
      8,
      1,
      infinity,
    ]);
    expect(each('ex2.approx.ftz.f32', 'f32', ['f32', [-140]])).toEqual([0]);
    expect(each('lg2.approx.f32', 'f32', ['f32', [0, 8, -1]])).toEqual([-infinity, 3, nan]);
    expect(each('sin.approx.f32', 'f32', ['f32', [0, infinity]])).toEqual([0, nan]);
    expect(each('cos.approx.f32', 'f32', ['f32', [0]])).toEqual([1]);
    expect(each('tanh.approx.f32', 'f32', ['f32', [infinity, -infinity, 0]])).toEqual([1, -1, 0]);
  });

  it('tells kinds of numbers apart', () => {
    const values: ['f32', number[]] = ['f32', [1, tiny, infinity, nan, 0]];
    const test = (property: string) =>
      each(`{ .reg .pred p; testp.${property}.f32 p, %1; selp.u32 %0, 1, 0, p; }`, 'u32', values);
    expect(test('finite')).toEqual([1, 1, 0, 0, 1]);
    expect(test('infinite')).toEqual([0, 0, 1, 0, 0]);
    expect(test('notanumber')).toEqual([0, 0, 0, 1, 0]);
    expect(test('normal')).toEqual([1, 0, 0, 0, 0]);
    expect(test('subnormal')).toEqual([0, 1, 0, 0, 0]);
  });
});

describe('float64', () => {
  needEmulator();

  it('calculates', () => {
    expect(each('add.f64', 'f64', ['f64', [0.1]], ['f64', [0.2]])).toEqual([0.1 + 0.2]);
    expect(each('mul.f64', 'f64', ['f64', [1e300]], ['f64', [1e300]])).toEqual([infinity]);
    expect(each('div.rn.f64', 'f64', ['f64', [1]], ['f64', [3]])).toEqual([1 / 3]);
    expect(each('fma.rn.f64', 'f64', ['f64', [3]], ['f64', [4]], ['f64', [5]])).toEqual([17]);
  });
});
