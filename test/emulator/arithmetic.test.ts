import { describe, expect, it } from 'vitest';
import { each, needEmulator } from './each.js';

const most = 2 ** 31 - 1;
const least = -(2 ** 31);
const most64 = 2n ** 63n - 1n;
const least64 = -(2n ** 63n);

describe('integer arithmetic', () => {
  needEmulator();

  it('wraps sums, differences and negations', () => {
    expect(each('add.s32', 's32', ['s32', [most, -1]], ['s32', [1, 1]])).toEqual([least, 0]);
    expect(each('sub.u32', 'u32', ['u32', [0, 5]], ['u32', [1, 3]])).toEqual([2 ** 32 - 1, 2]);
    expect(each('add.u16', 'u16', ['u16', [65535]], ['u16', [2]])).toEqual([1]);
    expect(each('add.s64', 's64', ['s64', [most64]], ['s64', [1n]])).toEqual([least64]);
    expect(each('neg.s32', 's32', ['s32', [least, 7]])).toEqual([least, -7]);
    expect(each('abs.s32', 's32', ['s32', [least, -7, 7]])).toEqual([least, 7, 7]);
  });

  it('saturates where asked to', () => {
    expect(each('add.sat.s32', 's32', ['s32', [most, least, 1]], ['s32', [1, -1, 2]])).toEqual([
      most,
      least,
      3,
    ]);
    expect(each('sub.sat.s32', 's32', ['s32', [least, 0]], ['s32', [1, least]])).toEqual([
      least,
      most,
    ]);
  });

  it('gives the low, the high and all bits of products', () => {
    const a: ['s32' | 'u32', number[]] = ['s32', [least, -1, 123456789]];
    const b: ['s32' | 'u32', number[]] = ['s32', [least, 1, -987654321]];
    expect(each('mul.lo.s32', 's32', a, b)).toEqual([0, -1, Math.imul(123456789, -987654321)]);
    expect(each('mul.hi.s32', 's32', a, b)).toEqual([
      2 ** 30,
      -1,
      Number((123456789n * -987654321n) >> 32n),
    ]);
    expect(each('mul.wide.s32', 's64', a, b)).toEqual([2n ** 62n, -1n, 123456789n * -987654321n]);
    expect(each('mul.hi.u32', 'u32', ['u32', [2 ** 32 - 1]], ['u32', [2 ** 32 - 1]])).toEqual([
      2 ** 32 - 2,
    ]);
    expect(each('mul.wide.u16', 'u32', ['u16', [65535]], ['u16', [65535]])).toEqual([65535 ** 2]);
    expect(each('mul.lo.u16', 'u16', ['u16', [65535]], ['u16', [65535]])).toEqual([1]);
    expect(each('mul.hi.s64', 's64', ['s64', [least64, -1n]], ['s64', [least64, 1n]])).toEqual([
      2n ** 62n,
      -1n,
    ]);
    expect(each('mul.hi.u64', 'u64', ['u64', [2n ** 64n - 1n]], ['u64', [2n ** 64n - 1n]])).toEqual(
      [2n ** 64n - 2n],
    );
  });

  it('adds to products', () => {
    expect(
      each('mad.lo.s32', 's32', ['s32', [3, most]], ['s32', [-4, 2]], ['s32', [5, 3]]),
    ).toEqual([-7, 1]);
    expect(each('mad.hi.u32', 'u32', ['u32', [2 ** 31]], ['u32', [6]], ['u32', [10]])).toEqual([
      13,
    ]);
    expect(
      each('mad.wide.s32', 's64', ['s32', [-5, most]], ['s32', [7, most]], ['s64', [1n, most64]]),
    ).toEqual([-34n, BigInt.asIntN(64, BigInt(most) ** 2n + most64)]);
    expect(each('mad.wide.u16', 'u32', ['u16', [300]], ['u16', [300]], ['u32', [1]])).toEqual([
      90001,
    ]);
  });

  it('divides towards zero, with the remainder of the dividend’s sign', () => {
    const a: ['s32', number[]] = ['s32', [7, -7, 7, -7, least]];
    const b: ['s32', number[]] = ['s32', [2, 2, -2, -2, -1]];
    expect(each('div.s32', 's32', a, b)).toEqual([3, -3, -3, 3, least]);
    expect(each('rem.s32', 's32', a, b)).toEqual([1, -1, 1, -1, 0]);
    expect(each('div.u32', 'u32', ['u32', [2 ** 32 - 1]], ['u32', [2]])).toEqual([most]);
    expect(each('rem.u64', 'u64', ['u64', [2n ** 64n - 1n]], ['u64', [10n]])).toEqual([5n]);
  });

  it('compares with the sign of the type', () => {
    expect(each('min.s32', 's32', ['s32', [-1]], ['s32', [1]])).toEqual([-1]);
    expect(each('min.u32', 'u32', ['u32', [2 ** 32 - 1]], ['u32', [1]])).toEqual([1]);
    expect(each('max.s16', 's16', ['s16', [-32768]], ['s16', [1]])).toEqual([1]);
    expect(each('max.u64', 'u64', ['u64', [2n ** 63n]], ['u64', [1n]])).toEqual([2n ** 63n]);
    expect(each('sad.s32', 's32', ['s32', [-3, 5]], ['s32', [4, 1]], ['s32', [10, 10]])).toEqual([
      17, 14,
    ]);
  });
});
