import { describe, expect, it } from 'vitest';
import { findChains } from '../bench/ptx.js';

const kernel = (name: string, ...lines: readonly string[]) =>
  `.visible .entry ${name}(\n\t.param .u32 ${name}_param_0\n)\n.maxntid 128, 1, 1\n{\n${lines
    .map((line) => (line.endsWith(':') ? line : `\t${line}`))
    .join('\n')}\n}\n`;

// What nvcc 13.0 made of blur_rows<1>, the bounds alone: with distances from i, of which the H200
// lost a sign, and as it is now.
const distances = kernel(
  'distances',
  '.reg .b32 \t%r<73>;',
  'ld.param.u32 \t%r2, [%rd12];',
  'neg.s32 \t%r29, %r2;',
  'neg.s32 \t%r30, %r1;',
  'max.s32 \t%r70, %r29, %r30;',
  'not.b32 \t%r31, %r1;',
  'add.s32 \t%r32, %r31, %r22;',
  'min.s32 \t%r4, %r2, %r32;',
  'setp.gt.s32 \t%p2, %r70, %r4;',
  '@%p2 bra \t$L__BB3_8;',
  'neg.s32 \t%r34, %r25;',
  'sub.s32 \t%r37, %r34, %r24;',
  'max.s32 \t%r39, %r37, %r29;',
  'max.s32 \t%r40, %r39, %r4;',
  'add.s32 \t%r41, %r40, 1;',
  '$L__BB3_4:',
  'add.s32 \t%r70, %r70, 1;',
);
const places = kernel(
  'places',
  'ld.param.u32 \t%r37, [%rd11];',
  'sub.s32 \t%r38, %r2, %r37;',
  'max.s32 \t%r3, %r38, 0;',
  'add.s32 \t%r4, %r37, %r2;',
  'add.s32 \t%r39, %r31, -1;',
  'min.s32 \t%r5, %r4, %r39;',
  'setp.gt.s32 \t%p2, %r3, %r5;',
  '@%p2 bra \t$L__BB3_8;',
  'neg.s32 \t%r40, %r3;',
  'not.b32 \t%r41, %r4;',
  'neg.s32 \t%r42, %r31;',
  'max.s32 \t%r6, %r42, %r41;',
);

describe('chains of minima and maxima in PTX', () => {
  it('are found in what an H200 computed wrong, and not in what it computed right', () => {
    const inner = 'max.s32 %r39, %r37, %r29';
    const outer = 'max.s32 %r40, %r39, %r4';
    const found = findChains(`.version 9.0\n.target sm_80\n${places}${distances}`);
    expect(found).toEqual([{ kernel: 'distances', inner, outer }]);
  });

  it.each([
    ['a negated input of the outer one', ['neg.s32 %r9, %r1;', 'min.s32 %r3, %r2, 7;'], '%r9'],
    ['0 - x', ['sub.s32 %r9, 0, %r1;', 'min.s32 %r3, %r9, 7;'], '%r2'],
    ['0 - x, the 0 in a register', ['mov.b32 %r8, 0;', 'sub.s32 %r3, %r8, %r1;'], '%r2', true],
    ['x * -1', ['mul.lo.s32 %r9, %r1, -1;', 'min.s32 %r3, %r9, 7;'], '%r2'],
    ['~x + 1', ['not.b32 %r8, %r1;', 'add.s32 %r9, %r8, 1;', 'min.s32 %r3, %r9, 7;'], '%r2'],
    ['copies', ['neg.s32 %r8, %r1;', 'mov.u32 %r9, %r8;', 'min.s32 %r3, %r9, 7;'], '%r2'],
    ['a predicate', ['@%p1 neg.s32 %r9, %r1;', '@!%p1 min.s32 %r3, %r9, 7;'], '%r2'],
  ])('are found with %s', (_, lines, other, twice = false) => {
    const middle = twice ? ['min.s32 %r5, %r3, %r4;'] : ['mov.u32 %r5, %r3;'];
    const found = findChains(kernel('one', ...lines, ...middle, `max.s32 %r6, ${other}, %r5;`));
    expect(found.map(({ outer }) => outer)).toEqual([`max.s32 %r6, ${other}, %r5`]);
  });

  it.each(['s16', 'u16', 's32', 'u32', 's64', 'u64', 's16x2'])('are found in %s', (type) => {
    const lines = ['neg.s32 %r2, %r1;', `min.${type} %r4, %r2, %r3;`, `max.${type} %r5, %r4, 0;`];
    expect(findChains(kernel('one', ...lines))).toHaveLength(1);
  });

  it.each([
    ['nothing negated', ['min.s32 %r4, %r2, %r3;', 'max.s32 %r5, %r4, 0;']],
    ['a subtraction', ['sub.s32 %r2, %r1, %r3;', 'min.s32 %r4, %r2, 7;', 'max.s32 %r5, %r4, 0;']],
    ['one alone', ['neg.s32 %r2, %r1;', 'min.s32 %r4, %r2, %r3;', 'max.s32 %r5, %r3, 0;']],
    ['floats', ['neg.f32 %f2, %f1;', 'min.f32 %f4, %f2, %f3;', 'max.f32 %f5, %f4, %f1;']],
    [
      'a sum in between',
      [
        'neg.s32 %r2, %r1;',
        'min.s32 %r4, %r2, %r3;',
        'add.s32 %r5, %r4, 1;',
        'max.s32 %r6, %r5, 0;',
      ],
    ],
  ])('are not %s', (_, lines) => {
    expect(findChains(kernel('one', ...lines))).toEqual([]);
  });

  it('do not reach from one kernel into another', () => {
    const first = kernel('first', 'neg.s32 %r2, %r1;', 'min.s32 %r4, %r2, %r3;');
    expect(findChains(first + kernel('second', 'max.s32 %r5, %r4, 0;'))).toEqual([]);
  });
});
