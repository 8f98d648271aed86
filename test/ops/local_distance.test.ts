import { expect, it } from 'vitest';
import { localDistance } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose } from '../close.js';
import { Random } from '../random.js';
import { localDistance as reference } from '../reference/local_distance.js';

describeBackends('localDistance', (backend) => {
  const random = new Random(11);
  const make = (r: number, h: number, w: number, sigma: number, chance = 0.7) => ({
    r,
    h,
    w,
    sigma,
    aligned: random.values(r * h * w * 3),
    visibility: random.bits(r * h * w, chance),
    target: random.values(h * w * 3),
    targetVisibility: random.bits(h * w, chance),
  });
  type Case = ReturnType<typeof make>;
  const run = ({ r, h, w, sigma, aligned, visibility, target, targetVisibility }: Case) =>
    backend.run(() =>
      localDistance(
        backend.upload(aligned, r, h, w, 3),
        backend.upload(visibility, r, h, w, 1),
        backend.upload(target, 1, h, w, 3),
        backend.upload(targetVisibility, 1, h, w, 1),
        sigma,
      ),
    );
  const check = async (p: Case) => {
    const { distance, offset } = await run(p);
    const [pixels, cells] = [p.h * p.w, (p.h * p.w) / 16];
    for (let r = 0; r < p.r; r++) {
      const aligned = p.aligned.subarray(r * pixels * 3, (r + 1) * pixels * 3);
      const visibility = p.visibility.subarray(r * pixels, (r + 1) * pixels);
      const one = (round: (x: number) => number) => reference({ ...p, aligned, visibility }, round);
      // The offsets' error comes in from channels up to 0.3.
      expectClose([...offset.subarray(r * cells * 3, (r + 1) * cells * 3), 0.3], (round) => [
        ...one(round).offset,
        0.3,
      ]);
      expectClose(distance.subarray(r * cells, (r + 1) * cells), (round) => one(round).distance);
    }
    return { distance, offset };
  };
  /** Every value within float16's of the same number. */
  const expectAll = (actual: Float32Array, value: number, factor?: number) =>
    expectClose(actual, () => new Float64Array(actual.length).fill(value), factor);

  it.each([
    [1, 4, 4, 24],
    [2, 4, 28, 1],
    [3, 52, 4, 24],
    [2, 20, 128, 7],
    [1, 12, 132, 24],
    [2, 44, 124, 13.5],
    [64, 8, 12, 5],
    [1, 36, 20, 256],
    [2, 8, 600, 24],
    [1, 4, 1100, 200],
  ])('matches the reference: %i references of %i x %i, sigma %d', async (r, h, w, sigma) => {
    await check(make(r, h, w, sigma));
  });

  it('matches the reference where holes are larger than the window', async () => {
    const p = make(2, 48, 64, 4, 1);
    p.targetVisibility.fill(0, 8 * 64, 40 * 64);
    p.visibility.fill(0, 0, 44 * 64);
    await check(p);
  });

  it('is 0 for the target itself', async () => {
    const p = make(1, 16, 12, 8, 0.8);
    p.aligned.set(p.target);
    const { distance, offset } = await check(p);
    expectAll(distance, 0);
    expectAll(offset, 0);
  });

  it('finds an exposure, no larger than 0.3, and is as far as what is left', async () => {
    const p = make(1, 32, 32, 8, 0.9);
    p.target.fill(0);
    p.aligned.forEach((_, i) => {
      p.aligned[i] = [0.25, -0.125, 0.5][i % 3] as number;
    });
    const { distance, offset } = await check(p);
    const wanted = offset.map((_, i) => [-0.25, 0.125, -0.3][i % 3] as number);
    expectClose(offset, () => wanted, 16);
    expectAll(distance, 0.2 / 3, 16);
  });

  it('tells places apart', async () => {
    const p = make(1, 16, 256, 6, 1);
    p.aligned.set(p.target);
    for (let i = 0; i < p.aligned.length; i++) {
      if (Math.floor(i / 3) % 256 >= 128) p.aligned[i] = -(p.target[i] as number);
    }
    const { distance } = await check(p);
    expect(distance[2 * 64 + 8]).toBeLessThan(0.01);
    expect(distance[2 * 64 + 56]).toBeGreaterThan(0.3);
  });

  it('gives 0 where no pixel is seen in both', async () => {
    const p = make(2, 8, 20, 9);
    p.targetVisibility.fill(0);
    const { distance, offset } = await check(p);
    expectAll(distance, 0);
    expectAll(offset, 0);
  });

  it('ignores what is hidden', async () => {
    const p = make(2, 20, 24, 6, 0.5);
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
    const map = (n: number, c: number, h = 8) =>
      backend.upload(random.values(n * h * 12 * c), n, h, 12, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `localDistance: expected ${message}`);
    rejects(
      () => localDistance(map(2, 3, 6), map(2, 1, 6), map(1, 3, 6), map(1, 1, 6), 24),
      'ERR_SHAPE',
      'h and w to be multiples of 4, got 6 and 12',
    );
    rejects(
      () => localDistance(map(2, 3), map(1, 1), map(1, 3), map(1, 1), 24),
      'ERR_SHAPE',
      'visibility to have shape [r=2, h=8, w=12, 1], got [1, 8, 12, 1]',
    );
    rejects(
      () => localDistance(map(2, 3), map(2, 1), map(1, 4), map(1, 1), 24),
      'ERR_SHAPE',
      'target to have shape [1, h=8, w=12, 3], got [1, 8, 12, 4]',
    );
    rejects(
      () => localDistance(map(65, 3), map(65, 1), map(1, 3), map(1, 1), 24),
      'ERR_ARGUMENT',
      'the count of references to be an integer from 1 to 64, got 65',
    );
    rejects(
      () => localDistance(map(1, 3), map(1, 1), map(1, 3), map(1, 1), 0.5),
      'ERR_ARGUMENT',
      'sigma to be a number from 1 to 256, got 0.5',
    );
  });
});
