import { expect, it } from 'vitest';
import { nonlocalAttention } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { nonlocalAttention as reference, rounded } from '../reference/nonlocal_attention.js';

describeBackends('nonlocalAttention', (backend) => {
  const random = new Random(13);
  const make = (r: number, h: number, w: number, c: number, chance = 0.6) => ({
    h,
    w,
    c,
    x: random.values(h * w * c),
    query: random.bits(h * w, 0.4),
    references: Array.from({ length: r }, () => random.values(h * w * c)),
    seen: Array.from({ length: r }, () => random.bits(h * w, chance)),
  });
  type Case = ReturnType<typeof make>;
  const run = ({ h, w, c, x, query, references, seen }: Case, scale: number) =>
    backend.run(() =>
      nonlocalAttention(
        backend.upload(x, 1, h, w, c),
        backend.upload(query, 1, h, w, 1),
        references.map((data) => backend.upload(data, 1, h, w, c)),
        seen.map((data) => backend.upload(data, 1, h, w, 1)),
        scale,
      ),
    );
  const check = async (p: Case, scale: number) => {
    const out = await run(p, scale);
    const { x, query, references, seen, c } = p;
    // In half precision, products of what is stored are exact and sums are float32, but weights are
    // rounded on their way to the tensor cores.
    const error =
      backend.precision === 'f16'
        ? reference(x, query, references, seen, c, scale, (v) => v, rounded)
        : [];
    expectClose(
      out,
      (round) => reference(x, query, references, seen, c, scale, round),
      4,
      (i) => (query[Math.floor(i / c)] ? (error[i] as number) : 0),
    );
    return out;
  };

  it.each([
    [1, 1, 1, 1, 20],
    [2, 1, 7, 3, 20],
    [3, 5, 5, 8, 5],
    [2, 13, 11, 17, 20],
    [1, 16, 8, 128, 20],
    [1, 17, 8, 33, 20],
    [4, 9, 15, 31, 1],
    [2, 20, 17, 4, 20],
    [64, 2, 3, 5, 20],
    [1, 7, 9, 32, 20],
    [2, 10, 7, 64, 20],
    [1, 11, 6, 65, 20],
    [1, 9, 9, 104, 20],
    [2, 6, 7, 129, 20],
    [2, 6, 7, 16, 0],
  ])(
    'matches the reference: %i references of %i x %i x %i, scale %i',
    async (r, h, w, c, scale) => {
      await check(make(r, h, w, c), scale);
    },
  );

  // Queries come in blocks by worker or of 128, 16 a warp; keys in blocks of 128 or 64.
  it.each([1, 63, 64, 65, 127, 128, 129, 192, 193, 257])(
    'matches the reference on %i keys',
    async (keys) => {
      const p = make(1, 1, 300, 6);
      p.seen[0]!.fill(1, 0, keys).fill(0, keys);
      await check(p, 20);
    },
  );

  it.each([1, 15, 16, 17, 127, 128, 129, 1727, 1728, 1729])(
    'matches the reference on %i queries',
    async (queries) => {
      const p = make(1, 1, 1800, 2);
      p.query.fill(1, 0, queries).fill(0, queries);
      p.seen[0]!.fill(0, 40);
      await check(p, 20);
    },
  );

  it('adds an average of what is visible', async () => {
    const p = make(3, 4, 5, 6);
    p.query.fill(1);
    for (const data of p.references) data.fill(0.5);
    expectClose(await check(p, 20), () => p.x.map((value) => value + 0.5));
  });

  it('finds the one cell that is alike when the scale is large', async () => {
    const p = make(1, 4, 5, 8, 1);
    p.query.fill(1);
    p.references[0]!.set(p.x.map((value) => 3 * value));
    expectClose(await check(p, 1e5), () => p.x.map((value) => 4 * value), 8);
  });

  it.each([1e-5, 3e4])('matches the reference on values up to %f', async (size) => {
    const p = make(2, 7, 9, 16);
    p.x.set(random.values(p.x.length, -size, size));
    for (const data of p.references) data.set(random.values(data.length, -size, size));
    await check(p, 20);
  });

  // The largest logit comes late and early, so sums are brought to a new maximum, or not.
  it.each([0, 100, 299])('matches the reference when key %i is the likest', async (key) => {
    const p = make(1, 1, 300, 16, 1);
    p.x.forEach((_, i) => {
      p.x[i] = p.x[i % 16] as number;
    });
    p.references[0]!.set(p.x.subarray(0, 16), key * 16);
    await check(p, 20);
  });

  it('does not lose many small weights beside a large one', async () => {
    const p = make(1, 1, 2000, 2, 1);
    p.query.fill(0).set([1]);
    p.x.set([1, 0]);
    for (let i = 0; i < 2000; i++) p.references[0]!.set(i ? [0, 1] : [1, 0], 2 * i);
    const share = 1999 * Math.exp(-17);
    const out = await check(p, 17);
    expect(Math.abs(out[1]! / (share / (1 + share)) - 1)).toBeLessThan(2e-3);
  });

  it('leaves what does not ask as it is, and all of it where nothing is visible', async () => {
    const p = make(2, 5, 6, 7);
    const out = await check(p, 20);
    const asks = (i: number) => p.query[Math.floor(i / 7)] === 1;
    expectSame(
      out.filter((_, i) => !asks(i)),
      p.x.filter((_, i) => !asks(i)),
    );
    const blind = { ...p, seen: p.seen.map((seen) => seen.map(() => 0)) };
    expectSame(await run(blind, 20), p.x);
    expectSame(await run({ ...p, query: p.query.map(() => 0) }, 20), p.x);
  });

  it('ignores what hidden cells hold', async () => {
    const p = make(2, 5, 6, 7, 0.5);
    const before = await run(p, 20);
    p.references.forEach((data, r) => {
      p.seen[r]!.forEach((seen, i) => {
        if (!seen) data.fill(Number.NaN, i * 7, i * 7 + 7);
      });
    });
    expectSame(await run(p, 20), before);
  });

  it('stays finite for zero vectors', async () => {
    const p = make(1, 3, 4, 5, 1);
    p.query.fill(1);
    p.x.fill(0, 0, 5);
    p.references[0]!.fill(0, 10, 20);
    const out = await check(p, 1e4);
    expect(out.every((value) => Number.isFinite(value))).toBe(true);
  });

  it('rejects what it cannot take', () => {
    const map = (c: number, w = 3) => backend.upload(random.values(2 * w * c), 1, 2, w, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `nonlocalAttention: expected ${message}`);
    rejects(
      () => nonlocalAttention(map(4), map(2), [map(4)], [map(1)], 20),
      'ERR_SHAPE',
      'query to have shape [1, h=2, w=3, 1], got [1, 2, 3, 2]',
    );
    rejects(
      () => nonlocalAttention(map(4), map(1), [map(4, 4)], [map(1)], 20),
      'ERR_SHAPE',
      'references[0] to have shape [1, h=2, w=3, c=4], got [1, 2, 4, 4]',
    );
    rejects(
      () => nonlocalAttention(map(4), map(1), [map(4)], [], 20),
      'ERR_ARGUMENT',
      'referencesSeen to hold 1 tensors, got 0',
    );
    rejects(
      () => nonlocalAttention(map(4), map(1), [map(4)], [map(1)], Number.POSITIVE_INFINITY),
      'ERR_ARGUMENT',
      'scale to be a number from 0 to 1000000, got Infinity',
    );
  });
});
