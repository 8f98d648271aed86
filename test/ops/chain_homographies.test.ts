import { expect, it } from 'vitest';
import { chainHomographies } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { chainHomographies as reference } from '../reference/chain_homographies.js';

describeBackends('chainHomographies', (backend) => {
  const random = new Random(21);
  const run = (steps: Float32Array, target: number, references: number[]) =>
    backend.run(() =>
      chainHomographies(
        Array.from({ length: steps.length / 9 }, (_, i) =>
          backend.upload(steps.slice(9 * i, 9 * i + 9), 1, 3, 3),
        ),
        target,
        references,
      ),
    );
  const check = async (steps: Float32Array, target: number, references: number[]) => {
    const out = await run(steps, target, references);
    references.forEach((frame, k) => {
      expectClose(
        out.subarray(9 * k, 9 * k + 9),
        (round) => reference(steps, target, [frame], round),
        8, // where there is one step, the reference's own error is a matter of luck
      );
    });
    return out;
  };

  it.each([
    [1, 0, [0, 1]],
    [1, 1, [0, 1]],
    [2, 1, [2, 1, 0]],
    [7, 3, [7, 0, 5, 2, 5, 4]],
    [31, 31, [0, 15, 30]],
    [32, 0, [32, 1]],
    [33, 17, [0, 33, 16, 18]],
  ])('matches the reference: %i steps, target %i, references %j', async (n, target, references) => {
    await check(random.homographies(n, 0.05), target, references);
  });

  it('matches the reference on as many frames as it takes', async () => {
    const references = Array.from({ length: 64 }, (_, i) => 5 * i);
    await check(random.homographies(320, 0.004), 161, references);
    await check(random.homographies(320, 0.004), 320, [0]);
    await check(random.homographies(320, 0.004), 0, [320]);
  });

  it('does not mind the scale of a step', async () => {
    const steps = random.homographies(40, 0.02);
    const references = [0, 19, 21, 40];
    const out = await run(
      steps.map((x, i) => x * 2 ** (Math.floor(i / 9) % 2 ? 40 : 60)),
      20,
      references,
    );
    expectSame(out, await run(steps, 20, references));
  });

  it('gives the identity for the target, and for frames that do not move', async () => {
    const identity = random.homographies(1, 0);
    expectSame(await run(random.homographies(3, 0.1), 2, [2]), identity);
    expectSame(
      await run(random.homographies(9, 0), 4, [0, 4, 9]),
      [0, 1, 2].flatMap(() => Array.from(identity)),
    );
  });

  it('moves one way before the target, and back after it', async () => {
    const right = (by: number) => [1, 0, by, 0, 1, 0, 0, 0, 1];
    const steps = Float32Array.from([1, 2, 4].flatMap(right));
    expectSame(await run(steps, 1, [0, 1, 2, 3]), [1, 0, -2, -6].flatMap(right));
  });

  it.each([
    ['not finite', [1, 0, 0, 0, Number.NaN, 0, 0, 0, 1]],
    ['infinite', [1, 0, Number.POSITIVE_INFINITY, 0, 1, 0, 0, 0, 1]],
    ['singular', [1, 2, 0, 2, 4, 0, 0, 0, 1]],
    ['zero', [0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])('is not finite beyond a step that is %s, and nowhere else', async (_, bad) => {
    const steps = random.homographies(5, 0.1);
    steps.set(bad, 27);
    const out = await check(steps, 1, [0, 3]);
    expect(out.every((x) => Number.isFinite(x))).toBe(true);
    for (const frame of [4, 5]) {
      const beyond = await run(steps, 1, [frame]);
      expect(beyond.some((x) => Number.isFinite(x))).toBe(false);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'passes %d on to the frames before',
    async (bad) => {
      const steps = random.homographies(5, 0.1);
      steps[9 * 2 + 4] = bad;
      const out = await run(steps, 5, [3, 2, 0]);
      expect(out.subarray(0, 9).every((x) => Number.isFinite(x))).toBe(true);
      for (const k of [1, 2])
        expect(out.subarray(9 * k, 9 * k + 9).every((x) => Number.isFinite(x))).toBe(false);
    },
  );

  it('rejects what it cannot take', () => {
    const steps = (n: number) =>
      Array.from({ length: n }, () => backend.upload(random.homographies(1, 0), 1, 3, 3));
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `chainHomographies: expected ${message}`);
    rejects(
      () => chainHomographies([], 0, [0]),
      'ERR_ARGUMENT',
      'steps to hold 1 to 320 tensors, got 0',
    );
    rejects(
      () => chainHomographies([backend.upload(random.values(6), 1, 2, 3)], 0, [0]),
      'ERR_SHAPE',
      'steps[0] to have shape [1, 3, 3], got [1, 2, 3]',
    );
    rejects(
      () => chainHomographies(steps(2), 3, [0]),
      'ERR_ARGUMENT',
      'target to be an integer from 0 to 2, got 3',
    );
    rejects(
      () => chainHomographies(steps(2), 0, []),
      'ERR_ARGUMENT',
      'references to be 1 to 64 frames, got 0',
    );
    rejects(
      () => chainHomographies(steps(2), 0, [1, -1]),
      'ERR_ARGUMENT',
      'references[1] to be an integer from 0 to 2, got -1',
    );
  });
});
