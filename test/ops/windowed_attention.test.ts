import { expect, it } from 'vitest';
import { windowedAttention } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import {
  windowedAttention as reference,
  type WindowedAttentionCase,
} from '../reference/windowed_attention.js';

describeBackends('windowedAttention', (backend) => {
  const random = new Random(13);
  const make = (
    [r, h, w, c]: readonly [number, number, number, number],
    change: Partial<WindowedAttentionCase> = {},
  ): WindowedAttentionCase => ({
    r,
    h,
    w,
    c,
    scale: 4,
    pool: 20,
    sigma: 2,
    reach: 6,
    x: random.values(h * w * c),
    query: random.bits(h * w, 0.4),
    keys: random.values(r * h * w * c),
    visibility: random.bits(r * h * w, 0.6),
    colours: random.values(r * h * w * 3),
    offset: random.values(r * h * w * 3, -0.3, 0.3),
    distance: random.values(r * h * w, 0, 0.3),
    ...change,
  });
  const tensors = (p: WindowedAttentionCase) => {
    const of = (data: Float32Array, n: number, c: number) => backend.upload(data, n, p.h, p.w, c);
    return {
      x: of(p.x, 1, p.c),
      query: of(p.query, 1, 1),
      keys: of(p.keys, p.r, p.c),
      visibility: of(p.visibility, p.r, 1),
      colours: of(p.colours, p.r, 3),
      offset: of(p.offset, p.r, 3),
      distance: of(p.distance, p.r, 1),
      scale: p.scale,
      pool: p.pool,
      sigma: p.sigma,
      reach: p.reach,
    };
  };
  const run = (p: WindowedAttentionCase) => backend.run(() => windowedAttention(tensors(p)));
  const check = async (p: WindowedAttentionCase) => {
    const out = await run(p);
    expectClose(out, (round) => reference(p, round), 4);
    return out;
  };

  it.each([
    [1, 1, 1, 1],
    [2, 1, 7, 3],
    [3, 5, 5, 8],
    [2, 13, 11, 17],
    [1, 16, 8, 128],
    [1, 17, 18, 33],
    [4, 9, 15, 31],
    [64, 2, 3, 5],
    [2, 10, 7, 64],
    [1, 3, 40, 16],
    [1, 2, 3, 1024],
    [18, 9, 11, 24],
    [2, 7, 20, 72],
    [1, 5, 9, 136],
  ] as const)('matches the reference: %i references of %i x %i x %i', async (...sizes) => {
    await check(make(sizes));
  });

  it.each([
    { reach: 0 },
    { reach: 1 },
    { reach: 32 },
    { scale: 0, pool: 0 },
    { scale: 100 },
    { pool: 1000 },
    { sigma: 0.2 },
    { sigma: 100 },
  ])('matches the reference with %o', async (change) => {
    await check(make([3, 9, 12, 8], change));
  });

  it.each([1e-5, 3e4])('matches the reference on features up to %f', async (size) => {
    const of = (count: number) => random.values(count, -size, size);
    await check(make([2, 7, 9, 16], { x: of(7 * 9 * 16), keys: of(2 * 7 * 9 * 16) }));
  });

  it.each([
    [0, 0],
    [9, 17],
    [19, 29],
  ])('matches the reference where one cell asks, %i %i', async (y, x) => {
    const p = make([3, 20, 30, 8], { query: new Float32Array(600), reach: 4 });
    p.query[y * 30 + x] = 1;
    await check(p);
  });

  it('reaches so many rows and columns, and no further', async () => {
    const p = make([1, 9, 9, 2], {
      reach: 3,
      query: new Float32Array(81),
      visibility: new Float32Array(81),
    });
    p.visibility[4 * 9 + 4] = 1;
    p.query.fill(1);
    const found = (await check(p)).filter((_, i) => i % 4 === 3);
    const within = Array.from({ length: 81 }, (_, i) =>
      Number(Math.abs(Math.floor(i / 9) - 4) <= 3 && Math.abs((i % 9) - 4) <= 3),
    );
    expect([...found]).toEqual(within);
  });

  it('prefers what is alike, what is near, and references that are', async () => {
    const zeros = (count: number) => new Float32Array(count);
    const base = make([2, 1, 5, 2], {
      query: Float32Array.from([0, 0, 1, 0, 0]),
      visibility: zeros(10).fill(1),
      x: zeros(10).fill(1),
      keys: zeros(20).fill(1),
      colours: Float32Array.from({ length: 30 }, (_, i) => Math.floor(i / 3)),
      offset: zeros(30),
      distance: zeros(10),
    });
    const colour = async (change: Partial<WindowedAttentionCase>) =>
      (await check({ ...base, ...change }))[2 * 4] as number;
    const keys = zeros(20).fill(-1);
    keys.fill(1, 6, 8);
    expect(await colour({ keys, scale: 1e3, sigma: 1e3 })).toBeCloseTo(3, 2);
    expect(await colour({ sigma: 0.05 })).toBeCloseTo(4.5, 2);
    expect(await colour({ sigma: 0.05, pool: 1e3, distance: zeros(10).fill(1, 5) })).toBeCloseTo(
      2,
      2,
    );
  });

  it('gives zeros where nobody asks and where nothing is seen', async () => {
    const p = make([2, 5, 6, 7], { reach: 1 });
    const out = await check(p);
    out.forEach((value, i) => {
      if (!p.query[Math.floor(i / 4)]) expect(value).toBe(0);
    });
    expect((await run({ ...p, visibility: p.visibility.map(() => 0) })).every((v) => v === 0)).toBe(
      true,
    );
    expect((await run({ ...p, query: p.query.map(() => 0) })).every((v) => v === 0)).toBe(true);
  });

  it('ignores what hidden cells hold', async () => {
    const p = make([2, 5, 6, 7]);
    const before = await run(p);
    p.visibility.forEach((visibility, i) => {
      if (visibility) return;
      p.keys.fill(Number.NaN, i * 7, i * 7 + 7);
      p.colours.fill(Number.NaN, i * 3, i * 3 + 3);
      p.offset.fill(Number.NaN, i * 3, i * 3 + 3);
    });
    expectSame(await run(p), before);
  });

  it('stays finite for zero vectors', async () => {
    const p = make([1, 3, 4, 5], { scale: 1e4 });
    p.query.fill(1);
    p.x.fill(0, 0, 5);
    p.keys.fill(0, 10, 20);
    expect((await check(p)).every((value) => Number.isFinite(value))).toBe(true);
  });

  it('rejects what it cannot take', () => {
    const rejects = (
      change: (of: ReturnType<typeof tensors>) => object,
      code: 'ERR_SHAPE' | 'ERR_ARGUMENT',
      message: string,
    ) => {
      const body = () => {
        const given = tensors(make([2, 2, 3, 4]));
        return windowedAttention({ ...given, ...change(given) });
      };
      backend.rejects(body, code, `windowedAttention: expected ${message}`);
    };
    rejects(
      ({ x }) => ({ query: x }),
      'ERR_SHAPE',
      'query to have shape [1, h=2, w=3, 1], got [1, 2, 3, 4]',
    );
    rejects(
      ({ colours }) => ({ keys: colours }),
      'ERR_SHAPE',
      'keys to have shape [r, h=2, w=3, c=4], got [2, 2, 3, 3]',
    );
    rejects(
      ({ query }) => ({ visibility: query }),
      'ERR_SHAPE',
      'visibility to have shape [r=2, h=2, w=3, 1], got [1, 2, 3, 1]',
    );
    rejects(() => ({ sigma: 0 }), 'ERR_ARGUMENT', 'sigma to be a number from 0.001 to 1000, got 0');
    rejects(() => ({ reach: 1.5 }), 'ERR_ARGUMENT', 'reach to be an integer from 0 to 32, got 1.5');
  });
});
