import { describe, expect, it } from 'vitest';
import { each, half, needEmulator } from './each.js';

const nan = Number.NaN;

/** Whether comparisons hold, as 0 and 1. */
const compare = (
  name: string,
  type: 's32' | 'u32' | 'u64' | 'f32' | 'f16',
  a: (number | bigint)[],
  b: (number | bigint)[],
) =>
  each(
    `{ .reg .pred p; setp.${name}.${type} p, %1, %2; selp.u32 %0, 1, 0, p; }`,
    'u32',
    [type, a],
    [type, b],
  );

describe('comparisons', () => {
  needEmulator();

  it('orders integers by the sign of the type', () => {
    expect(compare('lt', 's32', [-1, 1, 2], [1, -1, 2])).toEqual([1, 0, 0]);
    expect(compare('lt', 'u32', [2 ** 32 - 1, 1], [1, 2 ** 32 - 1])).toEqual([0, 1]);
    expect(compare('hs', 'u32', [2 ** 32 - 1, 1], [1, 1])).toEqual([1, 1]);
    expect(compare('ge', 's32', [2, 1], [2, 2])).toEqual([1, 0]);
    expect(compare('ne', 'u64', [2n ** 40n, 5n], [0n, 5n])).toEqual([1, 0]);
  });

  it.each([
    // less, equal, greater, NaN
    ['eq', [0, 1, 0, 0]],
    ['ne', [1, 0, 1, 0]],
    ['lt', [1, 0, 0, 0]],
    ['le', [1, 1, 0, 0]],
    ['gt', [0, 0, 1, 0]],
    ['ge', [0, 1, 1, 0]],
    ['equ', [0, 1, 0, 1]],
    ['neu', [1, 0, 1, 1]],
    ['ltu', [1, 0, 0, 1]],
    ['leu', [1, 1, 0, 1]],
    ['gtu', [0, 0, 1, 1]],
    ['geu', [0, 1, 1, 1]],
    ['num', [1, 1, 1, 0]],
    ['nan', [0, 0, 0, 1]],
  ])('compares floats with .%s', (name, expected) => {
    const a = [1, 2, 3, nan];
    const b = [2, 2, 2, 2];
    expect(compare(name, 'f32', a, b)).toEqual(expected);
    expect(compare(name, 'f16', a.map(half), b.map(half))).toEqual(expected);
  });

  it('takes zeros for equal', () => {
    expect(compare('eq', 'f32', [0], [-0])).toEqual([1]);
  });

  it('combines with another predicate, and gives the opposite beside', () => {
    const values = ['s32', [1, 3]] as const;
    const both = (combination: string, other: string) =>
      each(
        `{ .reg .pred p, q, r; setp.ge.s32 r, %1, 3; setp.lt.${combination}.s32 p|q, %1, 2, ${other};
           selp.u32 %0, 1, 0, p; @q add.u32 %0, %0, 2; }`,
        'u32',
        values,
      );
    expect(both('and', 'r')).toEqual([0, 2]);
    expect(both('and', '!r')).toEqual([1, 0]);
    expect(both('or', 'r')).toEqual([1, 3]);
    expect(both('xor', 'r')).toEqual([1, 1]);
  });

  it('calculates with predicates', () => {
    const logic = (text: string) =>
      each(
        `{ .reg .pred p, q, r; setp.gt.s32 p, %1, 1; setp.gt.s32 q, %1, 2; ${text} selp.u32 %0, 1, 0, r; }`,
        'u32',
        ['s32', [1, 2, 3]],
      );
    expect(logic('and.pred r, p, q;')).toEqual([0, 0, 1]);
    expect(logic('or.pred r, p, !q;')).toEqual([1, 1, 1]);
    expect(logic('xor.pred r, p, q;')).toEqual([0, 1, 0]);
    expect(logic('not.pred r, p;')).toEqual([1, 0, 0]);
    expect(logic('mov.pred r, q;')).toEqual([0, 0, 1]);
  });

  it('sets values', () => {
    expect(each('set.gt.u32.f32', 'u32', ['f32', [2, nan]], ['f32', [1, 1]])).toEqual([
      2 ** 32 - 1,
      0,
    ]);
    expect(each('set.le.f32.s32', 'f32', ['s32', [2, 0]], ['s32', [1, 1]])).toEqual([0, 1]);
    const pair = half(2) * 65536 + half(0);
    const ones = half(1) * 65536 + half(1);
    expect(each('set.ge.f16x2.f16x2', 'f16x2', ['f16x2', [pair]], ['f16x2', [ones]])).toEqual([
      half(1) * 65536,
    ]);
  });

  it('selects by sign', () => {
    const a = ['u32', [1]] as const;
    const b = ['u32', [2]] as const;
    expect(each('slct.u32.s32', 'u32', a, b, ['s32', [0, -1]])).toEqual([1, 2]);
    expect(each('slct.u32.f32', 'u32', a, b, ['f32', [-0, -1, nan]])).toEqual([1, 2, 2]);
  });
});
