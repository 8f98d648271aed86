// A short run of each target, always the same; `test/fuzz/run.ts` runs on.
import { expect, it } from 'vitest';
import { accepted, operations } from './operations.js';
import { fuzz } from './run.js';

it.each([
  ['operations', 600],
  ['safetensors', 4000],
  ['masks', 20000],
  ['window', 500],
])(
  '%s: random input is taken or refused',
  async (target, runs) => {
    expect(await fuzz(target, { runs })).toBe(runs);
  },
  300_000,
);

it('every operation was called with arguments that it takes', () => {
  expect([...accepted.keys()].sort()).toEqual(Object.keys(operations).sort());
});
