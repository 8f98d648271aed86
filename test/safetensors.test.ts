// Nothing in a file of weights is trusted: each way to be wrong is an ERR_WEIGHTS that says what,
// and in which file.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InpaintError } from '../lib/errors.js';
import { Safetensors } from '../lib/safetensors.js';

/** A file with this header and data. */
function content(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

function expectError(body: () => unknown, message: RegExp): void {
  let thrown: unknown;
  try {
    body();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(InpaintError);
  expect(thrown).toMatchObject({ code: 'ERR_WEIGHTS', op: 'weights' });
  expect((thrown as Error).message).toMatch(message);
  expect((thrown as Error).message).toContain('a.safetensors');
}

describe('values', () => {
  test('float32', () => {
    const values = Float32Array.from([1.5, -2, 3e-39, 3.4e38]);
    const file = new Safetensors(
      content({ a: entry('F32', [2, 2], 0, 16) }, new Uint8Array(values.buffer)),
      'a.safetensors',
    );
    expect(file.tensor('a', [2, 2])).toEqual(values);
    expect(file.names).toEqual(['a']);
    expect(file.shape('a')).toEqual([2, 2]);
    expect(file.shape('b')).toBeUndefined();
  });

  test('float16: ones, halves, the largest, the smallest, subnormal and signed zero', () => {
    const bits = Uint16Array.from([
      0x3c00, 0x3800, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x8000, 0x3555,
    ]);
    const file = new Safetensors(
      content({ a: entry('F16', [9], 0, 18) }, new Uint8Array(bits.buffer)),
      'a.safetensors',
    );
    expect([...file.tensor('a', [9])]).toEqual([
      1,
      0.5,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -1023 * 2 ** -24,
      -0,
      1365 * 2 ** -12,
    ]);
  });

  test('bfloat16', () => {
    const bits = Uint16Array.from([0x3f80, 0xc040, 0x0000, 0x7f7f]);
    const file = new Safetensors(
      content({ a: entry('BF16', [4], 0, 8) }, new Uint8Array(bits.buffer)),
      'a.safetensors',
    );
    expect([...file.tensor('a', [4])]).toEqual([1, -3, 0, 255 * 2 ** 120]);
  });

  test('a scalar, an empty tensor, metadata, spaces behind the header, an odd place in memory', () => {
    const header = `${JSON.stringify({ __metadata__: { k: 'v' }, s: entry('F16', [], 0, 2), e: entry('F32', [0, 3], 2, 2) })}    `;
    const shifted = Buffer.concat([
      Buffer.alloc(3),
      content(header, Uint8Array.from([0, 0x3c])),
    ]).subarray(3);
    const file = new Safetensors(shifted, 'a.safetensors');
    expect([...file.tensor('s', [])]).toEqual([1]);
    expect(file.tensor('e', [0, 3]).length).toBe(0);
    expect(file.metadata.get('k')).toBe('v');
  });

  test.each([
    [
      'F16',
      Uint16Array.from([0, 0x7c00]),
      /tensor a to hold finite numbers in a.safetensors, got Infinity at 1/,
    ],
    ['F16', Uint16Array.from([0x7e01, 0]), /got NaN at 0/],
    ['BF16', Uint16Array.from([0xff80, 0]), /got -Infinity at 0/],
    ['F32', Float32Array.from([0, Number.NaN]), /got NaN at 1/],
  ])('%s that is not finite', (dtype, values, message) => {
    const file = new Safetensors(
      content({ a: entry(dtype, [2], 0, values.byteLength) }, new Uint8Array(values.buffer)),
      'a.safetensors',
    );
    expectError(() => file.tensor('a', [2]), message);
  });

  test('a missing tensor and one of another shape', () => {
    const file = new Safetensors(
      content({ a: entry('F32', [1, 2], 0, 8) }, new Uint8Array(8)),
      'a.safetensors',
    );
    expectError(
      () => file.tensor('b', [1]),
      /expected a.safetensors to hold tensor b, got none of that name/,
    );
    expectError(
      () => file.tensor('a', [2, 1]),
      /expected tensor a to have shape \[2, 1\] in a.safetensors, got \[1, 2\]/,
    );
  });
});

describe('rejects', () => {
  const eight = new Uint8Array(8);
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /to be a safetensors file, got 0 bytes/],
    ['seven bytes', new Uint8Array(7), /got 7 bytes/],
    [
      'a header longer than the file',
      content('{}').subarray(0, 9),
      /a header of at most 1 bytes, got 2/,
    ],
    [
      'a header of 2^64 - 1 bytes',
      Buffer.alloc(16, 0xff),
      /at most 8 bytes, got 18446744073709552000/,
    ],
    ['no JSON', content('{"a"'), /a header of JSON/],
    [
      'no UTF-8',
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0xc3, 0x28])]),
      /a header of JSON/,
    ],
    ['a list', content([1]), /a header that is an object, got \[1\]/],
    ['null', content('null'), /a header that is an object, got null/],
    [
      'an entry that is no object',
      content({ a: null }),
      /tensor a to have dtype F16, BF16 or F32 in a.safetensors, got none/,
    ],
    ['another dtype', content({ a: entry('I64', [1], 0, 8) }, eight), /got "I64"/],
    [
      'a dtype of every object',
      content({ a: entry('toString', [1], 0, 8) }, eight),
      /got "toString"/,
    ],
    [
      'a negative side',
      content({ a: entry('F32', [-2, -1], 0, 8) }, eight),
      /a shape of whole numbers .*got \[-2,-1\]/,
    ],
    [
      'a fractional side',
      content({ a: entry('F32', [0.5], 0, 2) }, eight),
      /a shape of whole numbers/,
    ],
    [
      'a shape that is no list',
      content({ a: entry('F32', 2, 0, 8) }, eight),
      /a shape of whole numbers/,
    ],
    [
      'a shape too large',
      content({ a: entry('F32', [2 ** 52, 2 ** 52, 2 ** 52], 0, 8) }, eight),
      /to have 3.6\d+e\+47 bytes/,
    ],
    [
      'a shape whose product is no number',
      content({ a: entry('F32', [...Array(40).fill(2 ** 52), 0], 0, 8) }, eight),
      /NaN bytes/,
    ],
    [
      'one offset',
      content({ a: { dtype: 'F32', shape: [2], data_offsets: [8] } }, eight),
      /data_offsets \[begin, end\]/,
    ],
    [
      'offsets backwards',
      content({ a: entry('F32', [2], 8, 0) }, eight),
      /to lie in 8 bytes .*got \[8, 0\]/,
    ],
    [
      'offsets behind the end',
      content({ a: entry('F32', [2], 4, 12) }, eight),
      /to lie in 8 bytes .*got \[4, 12\]/,
    ],
    [
      'offsets that are not numbers',
      content({ a: entry('F32', [2], '0', 8) }, eight),
      /data_offsets \[begin, end\]/,
    ],
    [
      'a length that does not fit the shape',
      content({ a: entry('F32', [3], 0, 8) }, eight),
      /shape \[3\] to have 12 bytes .*got 8/,
    ],
    [
      'overlapping tensors',
      content({ a: entry('F32', [2], 0, 8), b: entry('F32', [1], 4, 8) }, eight),
      /tensor b to begin at byte 8, where the one before it ends/,
    ],
    ['a gap', content({ a: entry('F32', [1], 4, 8) }, eight), /tensor a to begin at byte 0/],
    [
      'data that nothing names',
      content({ a: entry('F32', [1], 0, 4) }, eight),
      /to have 4 bytes of data, as its header says, got 8/,
    ],
    ['metadata of numbers', content({ __metadata__: { a: 1 } }), /__metadata__ to hold strings/],
    [
      'a name given twice',
      content(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        eight,
      ),
      /to name everything once, got a twice/,
    ],
    [
      'a name given twice, once written otherwise',
      content('{"a":{"dtype":"F32","dtyp\\u0065":"F32","shape":[2],"data_offsets":[0,8]}}', eight),
      /got dtype twice/,
    ],
  ])('%s', (_, bytes, message) => {
    expectError(() => new Safetensors(bytes, 'a.safetensors'), message);
  });

  test.each([
    ['alone', '', ''],
    ['in a tensor', '{"a":', '}'],
    ['as a type', '{"a":{"dtype":', '}}'],
    ['as metadata', '{"__metadata__":', '}'],
  ])('200,000 nested brackets %s', (_, before, after) => {
    for (const close of ['', ']'.repeat(200_000)]) {
      const header = Buffer.from(`${before}${'['.repeat(200_000)}${close}${after}`);
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(header.length));
      expect(() => new Safetensors(Buffer.concat([size, header]), 'deep.safetensors')).toThrow(
        InpaintError,
      );
    }
  });

  test('a number out of its range', () => {
    const data = new Uint8Array(new Float32Array([2.5]).buffer);
    const file = new Safetensors(content({ a: entry('F32', [], 0, 4) }, data), 'n.safetensors');
    expect(file.number('a', 2, 3)).toBe(2.5);
    expect(() => file.number('a', 0, 2)).toThrow(/a to be a number from 0 to 2 in n.*, got 2\.5/);
  });

  test('every truncation of a file', () => {
    const file = content(
      { __metadata__: { k: '{"v":1}' }, a: entry('F16', [3], 0, 6), b: entry('F32', [1], 6, 10) },
      new Uint8Array(10),
    );
    new Safetensors(file, 'a.safetensors');
    for (let length = 0; length < file.length; length++) {
      expect(
        () => new Safetensors(file.subarray(0, length), 'a.safetensors'),
        `${length} bytes`,
      ).toThrow(InpaintError);
    }
  });

  test('every change of a byte of the header either fails cleanly or gives tensors in bounds', () => {
    const file = content(
      { a: entry('F16', [3], 0, 6), b: entry('F32', [1], 6, 10) },
      new Uint8Array(10),
    );
    for (let at = 0; at < file.length - 10; at++) {
      for (const value of [0, 0x22, 0x2c, 0x39, 0x7b, 0x7d, 0xff]) {
        const changed = Uint8Array.from(file);
        changed[at] = value;
        try {
          const { names } = new Safetensors(changed, 'a.safetensors');
          expect(names.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(InpaintError);
        }
      }
    }
  });
});

describe('files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('opens one', async () => {
    const path = join(folder, 'a.safetensors');
    await writeFile(path, content({ a: entry('F32', [1], 0, 4) }, new Uint8Array(4)));
    expect((await Safetensors.open(path)).names).toEqual(['a']);
  });

  test.each([
    ['one that is not there', 'b.safetensors', /ENOENT/],
    ['a folder', '.', /EISDIR/],
  ])('%s', async (_, name, message) => {
    const path = join(folder, name);
    await expect(Safetensors.open(path)).rejects.toThrow(message);
    await expect(Safetensors.open(path)).rejects.toMatchObject({
      code: 'ERR_WEIGHTS',
      op: 'weights',
    });
    await expect(Safetensors.open(path)).rejects.toThrow(path);
  });
});
