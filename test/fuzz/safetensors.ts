// Files of weights: valid ones with bytes, numbers and structure changed. They load, or an
// InpaintError of the code ERR_WEIGHTS says why not.
import { readFileSync } from 'node:fs';
import { InpaintError } from '../../lib/errors.js';
import { Safetensors } from '../../lib/safetensors.js';
import type { Random } from '../random.js';
import { pick } from './mutate.js';

const real = readFileSync(new URL('../fixtures/narrow.safetensors', import.meta.url));
const realHeader = 8 + Number(real.readBigUInt64LE(0));

function file(header: string, data: Uint8Array): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

/** What is changed: small, so that changes meet something. */
const corpus: readonly Buffer[] = [
  file('{}', Buffer.alloc(0)),
  file(
    JSON.stringify({ a: entry('F32', [2], 0, 8), b: entry('F16', [1, 3], 8, 14) }),
    Buffer.alloc(14, 1),
  ),
  file(
    JSON.stringify({
      __metadata__: { k: 'v' },
      s: entry('BF16', [], 0, 2),
      e: entry('F32', [0], 2, 2),
    }),
    Buffer.alloc(2),
  ),
  real.subarray(0, realHeader + 64),
];

const tokens = [
  ...'{}[]:,"\\',
  '\\u0000',
  '__metadata__',
  'dtype',
  'F16',
  'F32',
  'I64',
  'shape',
  'data_offsets',
  '-1',
  '1e999',
  '0.5',
  '9007199254740993',
  'null',
  'true',
  '[[[[',
  '\ud800',
] as const;

function change(content: Buffer, random: Random): Buffer {
  const at = Math.floor(random.next() * (content.length + 1));
  const put = (part: Uint8Array, dropped = 0) =>
    Buffer.concat([content.subarray(0, at), part, content.subarray(at + dropped)]);
  const length = Math.floor(random.next() * 8);
  return pick(random, [
    () => put(random.bytes(1), 1),
    () => put(random.bytes(length)),
    () => put(new Uint8Array(0), length),
    () => put(Buffer.from(pick(random, tokens)), pick(random, [0, 1, length])),
    () => content.subarray(0, at),
    () => put(content.subarray(at, at + 40)),
    () => {
      const copy = Buffer.from(content);
      if (copy.length >= 8)
        copy.writeBigUInt64LE(pick(random, [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, BigInt(at)]), 0);
      return copy;
    },
  ])();
}

export function fuzzSafetensors(random: Random): void {
  let content = pick(random, corpus);
  for (let n = pick(random, [0, 1, 1, 2, 4, 8]); n > 0; n--) content = change(content, random);
  // So that what is changed behind the length is read.
  if (content.length >= 8 && random.next() < 0.5) {
    content = Buffer.from(content);
    const end = content.lastIndexOf('}');
    if (end >= 8) content.writeBigUInt64LE(BigInt(end - 7), 0);
  }
  try {
    const weights = new Safetensors(content, 'weights');
    for (const name of weights.names) weights.tensor(name, weights.shape(name) ?? []);
  } catch (error) {
    if (error instanceof InpaintError && error.code === 'ERR_WEIGHTS') return;
    throw new Error(`not refused as it should be: ${content.toString('base64')}`, { cause: error });
  }
}
