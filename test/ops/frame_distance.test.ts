import { it } from 'vitest';
import { frameDistance } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose } from '../close.js';
import { Random } from '../random.js';
import { frameDistance as reference } from '../reference/frame_distance.js';

describeBackends('frameDistance', (backend) => {
  const random = new Random(11);
  const make = (r: number, h: number, w: number, c: number, chance = 0.7) => ({
    r,
    h,
    w,
    c,
    aligned: random.values(r * h * w * c),
    seen: random.bits(r * h * w, chance),
    target: random.values(h * w * c),
    targetSeen: random.bits(h * w, chance),
  });
  type Case = ReturnType<typeof make>;
  const run = ({ r, h, w, c, aligned, seen, target, targetSeen }: Case) =>
    backend.run(() =>
      frameDistance(
        backend.upload(aligned, r, h, w, c),
        backend.upload(seen, r, h, w, 1),
        backend.upload(target, 1, h, w, c),
        backend.upload(targetSeen, 1, h, w, 1),
      ),
    );
  const check = async (p: Case) => {
    const { distance, difference } = await run(p);
    const cells = p.h * p.w;
    for (let r = 0; r < p.r; r++) {
      const aligned = p.aligned.subarray(r * cells * p.c, (r + 1) * cells * p.c);
      const seen = p.seen.subarray(r * cells, (r + 1) * cells);
      const one = (round: (x: number) => number) =>
        reference(aligned, seen, p.target, p.targetSeen, p.c, round);
      expectClose([distance[r]!], (round) => [one(round).distance]);
      // A mean near zero is as exact as the numbers it is the mean of.
      expectClose([...difference.subarray(r * p.c, (r + 1) * p.c), 1], (round) => [
        ...one(round).difference,
        1,
      ]);
    }
  };

  it.each([
    [1, 1, 1, 1],
    [2, 1, 7, 3],
    [3, 13, 1, 3],
    [2, 15, 9, 4],
    [5, 16, 16, 128],
    [2, 17, 11, 31],
    [1, 33, 40, 3],
    [64, 2, 3, 5],
  ])('matches the reference: %i references of %i x %i x %i', async (r, h, w, c) => {
    await check(make(r, h, w, c));
  });

  it('is next to 0 for the target itself', async () => {
    const p = make(1, 6, 5, 7, 1);
    p.aligned.set(p.target);
    await check(p);
    const { distance, difference } = await run(p);
    expectClose(distance, () => [1e-4]);
    expectClose(difference, () => new Float64Array(7));
  });

  it('takes off nothing but the exposure', async () => {
    const p = make(1, 9, 8, 3);
    p.aligned.set(p.target.map((value, i) => value + (i % 3) / 4));
    const { difference } = await run(p);
    expectClose(difference, () => [0, 0.25, 0.5], 16);
  });

  it('gives the least distance where no cell is seen in both', async () => {
    const p = make(2, 4, 5, 3);
    p.targetSeen.fill(0);
    await check(p);
    const { distance, difference } = await run(p);
    expectClose(distance, () => [1e-4, 1e-4]);
    expectClose(difference, () => new Float64Array(6));
  });

  it('ignores what is hidden', async () => {
    const p = make(1, 5, 5, 3, 0.5);
    const before = await run(p);
    p.seen.forEach((seen, i) => {
      if (!seen) p.aligned.fill(Number.NaN, i * 3, i * 3 + 3);
    });
    expectClose((await run(p)).distance, () => before.distance);
  });

  it('rejects what it cannot take', () => {
    const map = (n: number, c: number) => backend.upload(random.values(n * 6 * c), n, 2, 3, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `frameDistance: expected ${message}`);
    rejects(
      () => frameDistance(map(2, 3), map(1, 1), map(1, 3), map(1, 1)),
      'ERR_SHAPE',
      'seen to have shape [r=2, h=2, w=3, 1], got [1, 2, 3, 1]',
    );
    rejects(
      () => frameDistance(map(2, 3), map(2, 1), map(1, 4), map(1, 1)),
      'ERR_SHAPE',
      'target to have shape [1, h=2, w=3, c=3], got [1, 2, 3, 4]',
    );
    rejects(
      () => frameDistance(map(65, 1), map(65, 1), map(1, 1), map(1, 1)),
      'ERR_ARGUMENT',
      'the count of references to be an integer from 1 to 64, got 65',
    );
  });
});
