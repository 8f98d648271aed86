import { expect, it } from 'vitest';
import { windowMatch } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose } from '../close.js';
import { Random } from '../random.js';
import { windowMatch as reference } from '../reference/window_match.js';

describeBackends('windowMatch', (backend) => {
  const random = new Random(17);
  const make = (r: number, h: number, w: number, radius: number, chance = 0.8) => ({
    r,
    h,
    w,
    radius,
    slope: 0.001,
    toll: 0.25,
    target: random.values(h * w * 3),
    frames: random.values(r * h * w * 3),
    visibility: random.bits(r * h * w, chance),
    labels: random.bits(r * h * w, 0.4).map((v) => v * 0.75 + 0.125),
  });
  type Case = ReturnType<typeof make>;
  const run = ({ r, h, w, target, frames, visibility, labels, ...options }: Case) =>
    backend.run(() =>
      windowMatch(
        backend.upload(target, 1, h, w, 3),
        backend.upload(frames, r, h, w, 3),
        backend.upload(visibility, r, h, w, 1),
        backend.upload(labels, r, h, w, 1),
        options,
      ),
    );

  it.each([
    [1, 1, 1, 0],
    [1, 1, 1, 3],
    [2, 3, 5, 1],
    [1, 5, 33, 2],
    [3, 9, 31, 4],
    [1, 2, 67, 16],
    [4, 13, 16, 9],
    [1, 37, 6, 5],
  ])('matches the reference: %i frames of %i x %i, radius %i', async (r, h, w, radius) => {
    const p = make(r, h, w, radius);
    expectClose(await run(p), (round) => reference(p, round));
  });

  it('finds what has moved, and what label it has', async () => {
    const p = { ...make(1, 12, 40, 4, 1), slope: 0, toll: 16 };
    p.labels.forEach((_, i) => {
      p.labels[i] = i % 40 < 20 ? 1 : 0;
    });
    for (let i = 0; i < p.target.length; i++) p.target[i] = p.frames[i + 9] ?? 0; // three to the left
    const output = await run(p);
    const at = (y: number, x: number, k: number) => output[(y * 40 + x) * 2 + k] as number;
    expect(at(5, 8, 1)).toBe(0);
    expect(at(5, 8, 0)).toBe(16);
    expect(at(5, 30, 0)).toBe(0);
    expect(at(5, 30, 1)).toBe(16);
  });

  it('is 16 where nothing is visible', async () => {
    const p = make(2, 6, 9, 3, 0);
    expect(new Set(await run(p))).toEqual(new Set([16]));
  });

  it('rejects what it cannot take', () => {
    const map = (n: number, c: number) =>
      backend.upload(random.values(n * 8 * 12 * c), n, 8, 12, c);
    const options = { radius: 2, slope: 0, toll: 1 };
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `windowMatch: expected ${message}`);
    rejects(
      () => windowMatch(map(1, 3), map(2, 3), map(1, 1), map(2, 1), options),
      'ERR_SHAPE',
      'visibility to have shape [r=2, h=8, w=12, 1], got [1, 8, 12, 1]',
    );
    rejects(
      () => windowMatch(map(1, 4), map(2, 3), map(2, 1), map(2, 1), options),
      'ERR_SHAPE',
      'target to have shape [1, h=8, w=12, 3], got [1, 8, 12, 4]',
    );
    rejects(
      () => windowMatch(map(1, 3), map(65, 3), map(65, 1), map(65, 1), options),
      'ERR_ARGUMENT',
      'the count of frames to be an integer from 1 to 64, got 65',
    );
    rejects(
      () => windowMatch(map(1, 3), map(1, 3), map(1, 1), map(1, 1), { ...options, radius: 17 }),
      'ERR_ARGUMENT',
      'radius to be an integer from 0 to 16, got 17',
    );
    rejects(
      () => windowMatch(map(1, 3), map(1, 3), map(1, 1), map(1, 1), { ...options, toll: -1 }),
      'ERR_ARGUMENT',
      'toll to be a number from 0 to 16, got -1',
    );
    rejects(
      () => windowMatch(map(1, 3), map(1, 3), map(1, 1), map(1, 1), undefined as never),
      'ERR_ARGUMENT',
      'options to be an object, got undefined',
    );
  });
});
