import { expect, it } from 'vitest';
import { temporalPool } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { temporalPool as reference, type TemporalPool } from '../reference/temporal_pool.js';

describeBackends('temporalPool', (backend) => {
  const random = new Random(12);
  const make = (r: number, h: number, w: number, c: number, dh = h, dw = w, chance = 0.5) => ({
    r,
    h,
    w,
    c,
    dh,
    dw,
    scale: 5,
    aligned: random.values(r * h * w * c),
    visibility: random.bits(r * h * w, chance),
    distance: random.values(r * dh * dw, 0, 2),
    offset: random.values(r * dh * dw * c),
    target: random.values(h * w * c),
    targetVisibility: random.bits(h * w, 0.6),
    doubt: 0.7,
    slope: 3,
  });
  const run = ({ r, h, w, c, dh, dw, scale, doubt, slope, ...p }: TemporalPool) =>
    backend.run(() => {
      const upload = (data: ArrayLike<number>, ...shape: number[]) =>
        backend.upload(Float32Array.from(data), ...shape);
      return temporalPool({
        aligned: upload(p.aligned, r, h, w, c),
        visibility: upload(p.visibility, r, h, w, 1),
        distance: upload(p.distance, r, dh, dw, 1),
        scale,
        ...(p.offset && { offset: upload(p.offset, r, dh, dw, c) }),
        target: upload(p.target, 1, h, w, c),
        targetVisibility: upload(p.targetVisibility, 1, h, w, 1),
        ...(doubt !== undefined && { doubt }),
        ...(slope !== undefined && { slope }),
      });
    });
  const check = async (p: TemporalPool) => {
    const out = await run(p);
    expectClose(out.filled, (round) => reference(p, round).filled);
    expectSame(out.borrowed, reference(p, (x) => x).borrowed);
    expectClose(out.known, (round) => reference(p, round).known);
    return out;
  };
  const sure = { doubt: undefined, slope: undefined };

  it.each([
    [1, 1, 1, 1, 1, 1],
    [2, 1, 15, 3, 1, 4],
    [3, 7, 16, 4, 2, 3],
    [4, 5, 17, 31, 5, 17],
    [16, 9, 11, 3, 3, 5],
    [2, 3, 33, 128, 3, 33],
    [2, 12, 132, 3, 3, 33],
    [64, 2, 5, 3, 5, 7],
    [3, 8, 16, 8, 2, 4],
  ])('matches the reference: %i references of %i x %i x %i from %i x %i', async (...sides) => {
    const p = make(...sides);
    await check(p);
    await check({ ...p, ...sure, offset: undefined });
    await check({ ...p, targetVisibility: new Float32Array(p.h * p.w) });
  });

  it('borrows the one reference there is as it is', async () => {
    const p = { ...make(1, 4, 5, 3, 2, 3, 1), ...sure, offset: undefined };
    p.targetVisibility.fill(0);
    const { filled, known } = await check(p);
    expectSame(filled, p.aligned);
    expectSame(known, new Float32Array(20).fill(1));
  });

  it('has weights that sum to one', async () => {
    const p = make(5, 6, 7, 3);
    p.aligned.fill(1);
    p.target.fill(1);
    const { filled, known } = await check({ ...p, offset: undefined });
    const ones = Float64Array.from(filled, (_, i) => (known[Math.floor(i / 3)]! > 0 ? 1 : 0));
    expectClose(filled, () => ones);
  });

  it('adds the offset', async () => {
    const p = make(3, 4, 8, 3, 1, 2, 1);
    p.targetVisibility.fill(0);
    p.aligned.forEach((_, i) => {
      p.aligned[i] = Math.floor(i / 96) / 4;
    });
    p.offset.forEach((_, i) => {
      p.offset[i] = 0.5 - Math.floor(i / 6) / 4;
    });
    expectClose((await check(p)).filled, () => new Float64Array(96).fill(0.5));
  });

  it('takes the nearest reference when the scale is large, even if all are far', async () => {
    const p = { ...make(3, 5, 4, 2, 5, 4, 1), scale: 1e5, offset: undefined };
    [3, 2, 2.5].forEach((d, r) => {
      p.distance.fill(d, 20 * r, 20 * r + 20);
    });
    p.targetVisibility.fill(0);
    p.visibility.fill(0, 20, 23); // three pixels of the nearest are hidden: the next one serves
    const { filled } = await check(p);
    expectSame(filled.subarray(0, 6), p.aligned.subarray(80, 86));
    expectSame(filled.subarray(6), p.aligned.subarray(46, 80));
  });

  it('takes another reference in another place', async () => {
    const p = { ...make(2, 2, 40, 3, 1, 2, 1), scale: 1e5, offset: undefined };
    p.targetVisibility.fill(0);
    p.distance.set([1, 2, 2, 1]);
    const { filled } = await run(p);
    for (const row of [0, 120]) {
      expectSame(filled.subarray(row, row + 57), p.aligned.subarray(row, row + 57));
      const second = p.aligned.subarray(240 + row + 63, 240 + row + 120);
      expectSame(filled.subarray(row + 63, row + 120), second);
    }
  });

  it('trusts what is near and doubts what is far', async () => {
    const p = { ...make(1, 1, 3, 1, 1, 3, 1), doubt: 1, slope: 100 };
    p.targetVisibility.fill(0);
    p.distance.set([0, 1, 2]);
    const { known } = await check(p);
    expectClose(known, () => [1, 0.5, 0]);
  });

  it('keeps the target where it is seen, and gives 0 where nobody sees', async () => {
    const p = make(2, 4, 4, 3, 1, 1, 0);
    const { filled, borrowed } = await check(p);
    expectSame(borrowed, new Float32Array(16));
    expectSame(
      filled,
      p.target.map((value, i) => (p.targetVisibility[Math.floor(i / 3)] ? value : 0)),
    );
    p.targetVisibility.fill(1);
    p.visibility.fill(1);
    const all = await check(p);
    expectSame(all.filled, p.target);
    expectSame(all.known, new Float32Array(16).fill(1));
  });

  it('ignores what is hidden', async () => {
    const p = make(3, 5, 6, 3);
    const before = await run(p);
    const spoil = (map: Float32Array, visibility: Float32Array) =>
      visibility.forEach((it, i) => {
        if (!it) map.fill(Number.NaN, i * 3, i * 3 + 3);
      });
    spoil(p.aligned, p.visibility);
    spoil(p.target, p.targetVisibility);
    expect(await run(p)).toEqual(before);
  });

  it('rejects what it cannot take', () => {
    const map = (n: number, c: number, w = 3) =>
      backend.upload(random.values(n * 2 * w * c), n, 2, w, c);
    const from = () => ({
      aligned: map(2, 3),
      visibility: map(2, 1),
      distance: map(2, 1, 5),
      scale: 5,
      target: map(1, 3),
      targetVisibility: map(1, 1),
    });
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `temporalPool: expected ${message}`);
    rejects(
      () => temporalPool({ ...from(), distance: map(3, 1) }),
      'ERR_SHAPE',
      'distance to have shape [r=2, dh, dw, 1], got [3, 2, 3, 1]',
    );
    rejects(
      () => temporalPool({ ...from(), offset: map(2, 3) }),
      'ERR_SHAPE',
      'offset to have shape [r=2, dh=2, dw=5, c=3], got [2, 2, 3, 3]',
    );
    rejects(
      () => temporalPool({ ...from(), target: undefined as never }),
      'ERR_ARGUMENT',
      'target to be a Tensor, got undefined',
    );
    rejects(
      () => temporalPool({ ...from(), doubt: 0.2 }),
      'ERR_ARGUMENT',
      'doubt and slope together, got one of them',
    );
    rejects(
      () => temporalPool({ ...from(), doubt: Number.NaN, slope: 1 }),
      'ERR_ARGUMENT',
      'doubt to be a number from 0 to 1000000, got NaN',
    );
    rejects(
      () => temporalPool({ ...from(), scale: -1 }),
      'ERR_ARGUMENT',
      'scale to be a number from 0 to 1000000, got -1',
    );
  });
});
