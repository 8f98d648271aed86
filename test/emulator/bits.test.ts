import { describe, expect, it } from 'vitest';
import { each, needEmulator } from './each.js';

const all = 2 ** 32 - 1;

describe('bits', () => {
  needEmulator();

  it('shifts by at most the width', () => {
    const amounts: ['u32', number[]] = ['u32', [0, 31, 32, 33, 2 ** 31]];
    expect(each('shl.b32', 'u32', ['u32', [1]], amounts)).toEqual([1, 2 ** 31, 0, 0, 0]);
    expect(each('shr.u32', 'u32', ['u32', [2 ** 31]], amounts)).toEqual([2 ** 31, 1, 0, 0, 0]);
    expect(each('shr.s32', 's32', ['s32', [-(2 ** 31)]], amounts)).toEqual([
      -(2 ** 31),
      -1,
      -1,
      -1,
      -1,
    ]);
    expect(each('shl.b16', 'u16', ['u16', [3]], ['u32', [15, 16]])).toEqual([2 ** 15, 0]);
    expect(each('shr.s64', 's64', ['s64', [-8n]], ['u32', [1, 64]])).toEqual([-4n, -1n]);
    expect(each('shr.u64', 'u64', ['u64', [2n ** 63n]], ['u32', [63, 64]])).toEqual([1n, 0n]);
  });

  it('shifts two registers as one', () => {
    const low: ['u32', number[]] = ['u32', [0x89abcdef]];
    const high: ['u32', number[]] = ['u32', [0x01234567]];
    const by: ['u32', number[]] = ['u32', [0, 8, 32, 40]];
    expect(each('shf.l.wrap.b32', 'u32', low, high, by)).toEqual([
      0x01234567, 0x23456789, 0x01234567, 0x23456789,
    ]);
    expect(each('shf.l.clamp.b32', 'u32', low, high, by)).toEqual([
      0x01234567, 0x23456789, 0x89abcdef, 0x89abcdef,
    ]);
    expect(each('shf.r.wrap.b32', 'u32', low, high, by)).toEqual([
      0x89abcdef, 0x6789abcd, 0x89abcdef, 0x6789abcd,
    ]);
    expect(each('shf.r.clamp.b32', 'u32', low, high, by)).toEqual([
      0x89abcdef, 0x6789abcd, 0x01234567, 0x01234567,
    ]);
  });

  it('combines bits', () => {
    const a: ['u32', number[]] = ['u32', [0b1100]];
    const b: ['u32', number[]] = ['u32', [0b1010]];
    expect(each('and.b32', 'u32', a, b)).toEqual([0b1000]);
    expect(each('or.b32', 'u32', a, b)).toEqual([0b1110]);
    expect(each('xor.b32', 'u32', a, b)).toEqual([0b0110]);
    expect(each('not.b32', 'u32', a)).toEqual([all - 0b1100]);
    expect(each('cnot.b32', 'u32', ['u32', [0, 5]])).toEqual([1, 0]);
    expect(each('and.b64', 'u64', ['u64', [2n ** 40n + 1n]], ['u64', [2n ** 40n]])).toEqual([
      2n ** 40n,
    ]);
  });

  it('combines three registers by a table', () => {
    const values: ['u32', number[]][] = [
      ['u32', [0xf0f0f0f0]],
      ['u32', [0xcccccccc]],
      ['u32', [0xaaaaaaaa]],
    ];
    // With these operands each byte of the result is the table itself.
    for (const table of [0x00, 0x96, 0xe8, 0x1b, 0xff]) {
      const [result] = each(`lop3.b32 %0, %1, %2, %3, ${table};`, 'u32', ...values);
      expect(result).toBe(table * 0x01010101);
    }
  });

  it('counts and finds bits', () => {
    expect(each('popc.b32', 'u32', ['u32', [0, all, 0x10101]])).toEqual([0, 32, 3]);
    expect(each('popc.b64', 'u32', ['u64', [2n ** 64n - 1n]])).toEqual([64]);
    expect(each('clz.b32', 'u32', ['u32', [0, 1, all]])).toEqual([32, 31, 0]);
    expect(each('clz.b64', 'u32', ['u64', [0n, 1n]])).toEqual([64, 63]);
    expect(each('brev.b32', 'u32', ['u32', [1, 0xf0000000]])).toEqual([2 ** 31, 15]);
    expect(each('bfind.u32', 'u32', ['u32', [0, 1, all]])).toEqual([all, 0, 31]);
    expect(each('bfind.s32', 'u32', ['s32', [-1, 0, -2, 8]])).toEqual([all, all, 0, 3]);
    expect(each('bfind.shiftamt.u32', 'u32', ['u32', [1, all]])).toEqual([31, 0]);
  });

  it('takes fields out, with their sign or without', () => {
    const from: ['u32', number[]] = ['u32', [0xabcdef12]];
    const start: ['u32', number[]] = ['u32', [4, 28, 0, 40, 8, 0]];
    const length: ['u32', number[]] = ['u32', [8, 8, 0, 8, 32, 64]];
    expect(each('bfe.u32', 'u32', from, start, length)).toEqual([
      0xf1, 0xa, 0, 0, 0xabcdef, 0xabcdef12,
    ]);
    // Fields beyond the highest bit are filled with it.
    expect(each('bfe.s32', 's32', from, start, length)).toEqual([
      -15,
      -6,
      0,
      -1,
      0xabcdef12 >> 8,
      0xabcdef12 | 0,
    ]);
  });

  it('puts fields in', () => {
    expect(
      each(
        'bfi.b32',
        'u32',
        ['u32', [0xff, 0xff, 0xff, 0x12345678]],
        ['u32', [0, 0xaaaaaaaa, 1, 0]],
        ['u32', [4, 28, 40, 0]],
        ['u32', [4, 16, 8, 40]],
      ),
    ).toEqual([0xf0, 0xfaaaaaaa, 1, 0x12345678]);
  });

  it('permutes bytes, or takes their signs', () => {
    expect(
      each(
        'prmt.b32',
        'u32',
        ['u32', [0x83020100]],
        ['u32', [0x07060504]],
        ['u32', [0x0123, 0x7654, 0x3b8b, 0x0000]],
      ),
    ).toEqual([0x00010283, 0x07060504, 0x83ff00ff, 0]);
  });
});
