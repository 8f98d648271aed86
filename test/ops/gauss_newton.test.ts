import { expect, it } from 'vitest';
import { gaussNewton } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random, toHalf } from '../random.js';
import { affineSample } from '../reference/affine_sample.js';
import { gaussNewton as reference } from '../reference/gauss_newton.js';

interface Case {
  readonly h: number;
  readonly w: number;
  readonly theta: Float32Array;
  readonly target: Float32Array;
  readonly targetSeen: Float32Array;
  readonly references: Float32Array[];
  readonly seen: Float32Array[];
}

describeBackends('gaussNewton', (backend) => {
  const random = new Random(9);
  const run = (p: Case, steps: number) => {
    const [h, w, r] = [p.h, p.w, p.references.length];
    return backend.run(() =>
      gaussNewton(
        backend.upload(p.theta, r, 2, 3),
        backend.upload(p.target, 1, h, w, 3),
        backend.upload(p.targetSeen, 1, h, w, 1),
        p.references.map((data) => backend.upload(data, 1, h, w, 3)),
        p.seen.map((data) => backend.upload(data, 1, h, w, 1)),
        steps,
      ),
    );
  };
  const check = (out: Float32Array, p: Case, steps: number, factor = 4) => {
    p.references.forEach((data, r) => {
      const theta = p.theta.subarray(6 * r, 6 * r + 6);
      expectClose(
        out.subarray(6 * r, 6 * r + 6),
        (round) =>
          reference(theta, p.target, p.targetSeen, data, p.seen[r]!, p.h, p.w, steps, round),
        factor,
      );
    });
  };

  /**
   * References that are one image, and the target that image under a transform, which theta misses
   * by a little.
   */
  const make = (r: number, h: number, w: number, chance = 0.98): Case & { truth: Float32Array } => {
    const image = random.smooth(h, w, 3);
    const truth = random.thetas(1, 0.06);
    const region = { y: 0, x: 0, h, w };
    const p = { sourceH: h, sourceW: w, sourceC: 3, extent: { h, w }, region };
    const target = Float32Array.from(
      affineSample(image, truth, p, 3, (x) => x),
      toHalf,
    );
    return {
      h,
      w,
      truth,
      target,
      theta: Float32Array.from(
        { length: 6 * r },
        (_, i) => truth[i % 6]! + random.values(1, -0.02, 0.02)[0]!,
      ),
      targetSeen: random.bits(h * w, chance),
      references: Array.from({ length: r }, () =>
        image.map((v) => toHalf(v + random.values(1, -0.02, 0.02)[0]!)),
      ),
      seen: Array.from({ length: r }, () => random.bits(h * w, chance)),
    };
  };

  it.each([
    [1, 32, 32, 1],
    [3, 32, 32, 4],
    [2, 31, 33, 3],
    [2, 17, 40, 2],
    [5, 23, 19, 1],
    [2, 64, 64, 4],
    [1, 128, 128, 3],
  ])('matches the reference: %i references, %i x %i, %i steps', async (r, h, w, steps) => {
    const p = make(r, h, w);
    const out = await run(p, steps);
    check(out, p, steps);
    expect(out).not.toEqual(p.theta);
  });

  it.each([
    [3, 3],
    [3, 9],
    [4, 5],
    [5, 4],
  ])('matches the reference on %i x %i', async (h, w) => {
    const p = make(1, h, w, 1);
    // Of so few pixels the sums of the reference in float32 hardly err, by luck of their order.
    check(await run(p, 1), p, 1, 8);
  });

  it('finds the transform', async () => {
    const p = make(2, 64, 64, 1);
    const out = await run(p, 6);
    // In [-1, 1]; a pixel is 1 / 32. The images carry noise and are zero outside.
    const miss = (theta: Float32Array) =>
      Math.max(...theta.map((v, i) => Math.abs(v - p.truth[i % 6]!)));
    expect(miss(p.theta)).toBeGreaterThan(0.01);
    expect(miss(out)).toBeLessThan(0.003);
  });

  it('is not misled by a difference in exposure', async () => {
    const p = make(1, 32, 32);
    const brighter = { ...p, references: p.references.map((data) => data.map((v) => v + 0.25)) };
    check(await run(brighter, 3), brighter, 3);
    expect(await run(brighter, 3)).not.toEqual(p.theta);
  });

  it('gives theta back after no steps, and where nothing can be better', async () => {
    const p = make(2, 16, 16);
    expectSame(await run(p, 0), p.theta);
    const flat = {
      ...p,
      target: new Float32Array(768),
      references: [new Float32Array(768), new Float32Array(768)],
    };
    expectSame(await run(flat, 3), p.theta);
  });

  it('gives theta back where everything is hidden or too little overlaps', async () => {
    const p = make(2, 16, 16);
    expectSame(await run({ ...p, targetSeen: new Float32Array(256) }, 3), p.theta);
    expectSame(
      await run({ ...p, seen: [new Float32Array(256), new Float32Array(256)] }, 3),
      p.theta,
    );
    const away = p.theta.map((v, i) => (i % 3 === 2 ? v + 1.95 : v));
    expectSame(await run({ ...p, theta: away }, 3), away);
  });

  it('gives back a transform that is not finite, and minds the others', async () => {
    const p = make(3, 32, 32);
    const theta = Float32Array.from(p.theta);
    theta.fill(Number.NaN, 0, 6);
    theta.fill(Number.POSITIVE_INFINITY, 6, 9);
    const out = await run({ ...p, theta }, 3);
    expectSame(out.subarray(0, 12), theta.subarray(0, 12));
    const last = {
      ...p,
      theta: theta.subarray(12),
      references: p.references.slice(2),
      seen: p.seen.slice(2),
    };
    check(out.subarray(12), last, 3);
  });

  it('rejects what it cannot take', () => {
    const map = (c: number, h = 4) => backend.upload(random.values(h * 5 * c), 1, h, 5, c);
    const theta = (r = 1) => backend.upload(random.thetas(r, 0), r, 2, 3);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `gaussNewton: expected ${message}`);
    rejects(
      () => gaussNewton(theta(2), map(3), map(1), [map(3)], [map(1)], 1),
      'ERR_SHAPE',
      'theta to have shape [r=1, 2, 3], got [2, 2, 3]',
    );
    rejects(
      () => gaussNewton(theta(), map(3, 2), map(1, 2), [map(3, 2)], [map(1, 2)], 1),
      'ERR_ARGUMENT',
      'the height of target to be an integer from 3 to 4096, got 2',
    );
    rejects(
      () => gaussNewton(theta(), map(1), map(1), [map(3)], [map(1)], 1),
      'ERR_SHAPE',
      'target to have shape [1, h, w, 3], got [1, 4, 5, 1]',
    );
    rejects(
      () => gaussNewton(theta(), map(3), map(1), [map(3)], [map(1)], 65),
      'ERR_ARGUMENT',
      'steps to be an integer from 0 to 64, got 65',
    );
  });
});
