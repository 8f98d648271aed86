import { expect, it } from 'vitest';
import { temporalPool } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { temporalPool as reference, type TemporalPool } from '../reference/temporal_pool.js';

type Case = TemporalPool & { readonly h: number; readonly w: number };

describeBackends('temporalPool', (backend) => {
  const random = new Random(12);
  const make = (r: number, h: number, w: number, c: number, chance = 0.5) => ({
    r,
    h,
    w,
    c,
    cells: h * w,
    scale: 5,
    aligned: random.values(r * h * w * c),
    seen: random.bits(r * h * w, chance),
    distance: random.values(r, 0, 2),
    offset: random.values(r * c),
    target: random.values(h * w * c),
    targetSeen: random.bits(h * w, 0.6),
  });
  const run = ({ r, h, w, c, scale, ...p }: Case) =>
    backend.run(() => {
      const upload = (data: ArrayLike<number>, ...shape: number[]) =>
        backend.upload(Float32Array.from(data), ...shape);
      return temporalPool({
        aligned: upload(p.aligned, r, h, w, c),
        seen: upload(p.seen, r, h, w, 1),
        distance: upload(p.distance, r),
        scale,
        ...(p.offset && { offset: upload(p.offset, r, c) }),
        ...(p.target && { target: upload(p.target, 1, h, w, c) }),
        ...(p.targetSeen && { targetSeen: upload(p.targetSeen, 1, h, w, 1) }),
      });
    });
  const check = async (p: Case) => {
    const out = await run(p);
    const exact = reference(p, (x) => x);
    expectClose(out.filled, (round) => reference(p, round).filled);
    expectSame(out.borrowed, exact.borrowed);
    expectSame(out.known, exact.known);
    return out;
  };

  it.each([
    [1, 1, 1, 1],
    [2, 1, 15, 3],
    [3, 7, 16, 4],
    [4, 5, 17, 31],
    [16, 9, 11, 3],
    [2, 3, 33, 128],
    [64, 2, 5, 3],
  ])('matches the reference: %i references of %i x %i x %i', async (r, h, w, c) => {
    const p = make(r, h, w, c);
    await check(p);
    await check({ ...p, offset: undefined });
    await check({ ...p, target: undefined, targetSeen: undefined });
  });

  it('borrows the one reference there is as it is', async () => {
    const p = { ...make(1, 4, 5, 3, 1), offset: undefined };
    p.targetSeen.fill(0);
    expectSame((await check(p)).filled, p.aligned);
  });

  it('has weights that sum to one', async () => {
    const p = make(5, 6, 7, 3);
    p.aligned.fill(1);
    p.target.fill(1);
    const { filled, known } = await check({ ...p, offset: undefined });
    const ones = Float64Array.from(filled, (_, i) => known[Math.floor(i / 3)]!);
    expectClose(filled, () => ones);
  });

  it('takes the nearest reference when the scale is large, even if all are far', async () => {
    const p = { ...make(3, 5, 4, 2, 1), scale: 1e5, offset: undefined };
    p.distance.set([3, 2, 2.5]);
    p.targetSeen.fill(0);
    p.seen.fill(0, 20, 23); // three pixels of the nearest are hidden: the next one serves
    const { filled } = await check(p);
    expectSame(filled.subarray(0, 6), p.aligned.subarray(80, 86));
    expectSame(filled.subarray(6), p.aligned.subarray(46, 80));
  });

  it('keeps the target where it is seen, and gives 0 where nobody sees', async () => {
    const p = make(2, 4, 4, 3, 0);
    const { filled, borrowed } = await check(p);
    expectSame(borrowed, new Float32Array(16));
    expectSame(
      filled,
      p.target.map((value, i) => (p.targetSeen[Math.floor(i / 3)] ? value : 0)),
    );
    p.targetSeen.fill(1);
    p.seen.fill(1);
    expectSame((await check(p)).filled, p.target);
  });

  it('ignores what is hidden', async () => {
    const p = make(3, 5, 6, 3);
    p.seen.forEach((seen, i) => {
      if (!seen) p.aligned.fill(1e30, i * 3, i * 3 + 3);
    });
    const { filled } = await run(p);
    expect(filled.every((value) => Math.abs(value) < 100)).toBe(true);
  });

  it('rejects what it cannot take', () => {
    const map = (n: number, c: number) => backend.upload(random.values(n * 6 * c), n, 2, 3, c);
    const list = (...shape: number[]) =>
      backend.upload(random.values(shape.reduce((a, b) => a * b)), ...shape);
    const from = () => ({ aligned: map(2, 3), seen: map(2, 1), distance: list(2), scale: 5 });
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `temporalPool: expected ${message}`);
    rejects(
      () => temporalPool({ ...from(), distance: list(3) }),
      'ERR_SHAPE',
      'distance to have shape [r=2], got [3]',
    );
    rejects(
      () => temporalPool({ ...from(), offset: list(2, 4) }),
      'ERR_SHAPE',
      'offset to have shape [r=2, c=3], got [2, 4]',
    );
    rejects(
      () => temporalPool({ ...from(), target: map(1, 3) }),
      'ERR_ARGUMENT',
      'target and targetSeen together, got one of them',
    );
    rejects(
      () => temporalPool({ ...from(), scale: -1 }),
      'ERR_ARGUMENT',
      'scale to be a number from 0 to 1000000, got -1',
    );
  });
});
