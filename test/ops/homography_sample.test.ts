import { expect, it } from 'vitest';
import { homographySample } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, expectSteps } from '../close.js';
import { Random } from '../random.js';
import { homographySample as reference, type Sides } from '../reference/homography_sample.js';

const step = (value: number) => (value > 0.99 ? 1 : 0);

describeBackends('homographySample', (backend) => {
  const random = new Random(10);
  type Made = { data: Float32Array; visibility: Float32Array };

  const run = (sources: Made[], theta: Float32Array, { h, w, c }: Sides) =>
    backend.run(() =>
      homographySample(
        sources.map(({ data }) => backend.upload(data, 1, h, w, c)),
        sources.map(({ visibility }) => backend.upload(visibility, 1, h, w, 1)),
        backend.upload(theta, sources.length, 3, 3),
      ),
    );

  const check = async (sources: Made[], theta: Float32Array, sides: Sides, factor = 4) => {
    const out = await run(sources, theta, sides);
    const pixels = sides.h * sides.w;
    sources.forEach(({ data, visibility }, r) => {
      const one = theta.subarray(9 * r, 9 * r + 9);
      const part = out.output.subarray(r * pixels * sides.c, (r + 1) * pixels * sides.c);
      expectClose(part, (round) => reference(data, one, sides, round), factor);
      expectSteps(
        out.visibility.subarray(r * pixels, (r + 1) * pixels),
        (round) => reference(visibility, one, { ...sides, c: 1 }, round),
        step,
      );
    });
    return out;
  };

  const made = (r: number, { h, w, c }: Sides): Made[] =>
    Array.from({ length: r }, () => ({
      data: random.values(h * w * c),
      visibility: random.bits(h * w, 0.9),
    }));

  it.each([
    [1, 1, 1, 1],
    [2, 1, 9, 3],
    [2, 7, 1, 3],
    [2, 7, 1, 4],
    [3, 13, 11, 5],
    [1, 16, 17, 64],
    [2, 8, 9, 15],
    [1, 9, 8, 33],
    [5, 23, 24, 3],
    [64, 3, 4, 2],
  ])('matches the reference: %i sources of %i x %i x %i', async (r, h, w, c) => {
    await check(made(r, { h, w, c }), random.homographies(r, 0.2), { h, w, c });
  });

  it('matches the reference where most of a row lies inside', async () => {
    const sides = { h: 37, w: 61, c: 3 };
    await check(made(4, sides), random.homographies(4, 0.02), sides);
  });

  it('matches the reference up to the horizon and behind it', async () => {
    const sides = { h: 19, w: 21, c: 3 };
    const theta = Float32Array.of(0.05, 0.01, 0.02, 0.01, 0.04, 0.03, 1.25, 0.5, 0.75);
    // A place is the pixel's own and what it moves by, which here is many times as much.
    const { visibility } = await check(made(1, sides), theta, sides, 16);
    expect(visibility).toContain(1);
  });

  it('returns its input under the identity', async () => {
    for (const c of [3, 6]) {
      const sides = { h: 21, w: 35, c };
      const [source] = made(1, sides);
      const out = await run([source!], random.homographies(1, 0), sides);
      expectSame(out.output, source!.data);
      expectSame(out.visibility, source!.visibility);
    }
  });

  it('moves by whole pixels', async () => {
    const sides = { h: 4, w: 5, c: 1 };
    const data = Float32Array.from({ length: 20 }, (_, i) => i + 1);
    const theta = Float32Array.of(1, 0, 2 / 5, 0, 1, -2 / 4, 0, 0, 1); // one right, one up
    const source = { data, visibility: new Float32Array(20).fill(1) };
    const { output, visibility } = await run([source], theta, sides);
    const inside = (i: number) => i >= 5 && i % 5 < 4;
    expectClose(output, () => data.map((_, i) => (inside(i) ? i - 5 + 2 : 0)), 8);
    expectSame(
      visibility,
      data.map((_, i) => (inside(i) ? 1 : 0)),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30, -1e30])(
    'reads nothing at %d',
    async (bad) => {
      for (const c of [3, 4]) {
        const sides = { h: 5, w: 6, c };
        const theta = random.homographies(3, 0.1);
        theta.fill(bad, 9, 15);
        const out = await run(made(3, sides), theta, sides);
        expect(out.output.every((v) => Number.isFinite(v))).toBe(true);
        expectSame(out.output.subarray(30 * c, 60 * c), new Float32Array(30 * c));
        expectSame(out.visibility.subarray(30, 60), new Float32Array(30));
      }
    },
  );

  it('reads nothing where only the denominator is no number', async () => {
    const sides = { h: 5, w: 6, c: 3 };
    const theta = random.homographies(1, 0);
    theta[8] = Number.NaN;
    const out = await run(made(1, sides), theta, sides);
    expectSame(out.output, new Float32Array(90));
    expectSame(out.visibility, new Float32Array(30));
  });

  it('sees nothing where all is hidden', async () => {
    const sides = { h: 6, w: 7, c: 2 };
    const [source] = made(1, sides);
    source!.visibility.fill(0);
    const out = await check([source!], random.homographies(1, 0.1), sides);
    expectSame(out.visibility, new Float32Array(42));
  });

  it('rejects what it cannot take', () => {
    const map = (c: number) => backend.upload(random.values(6 * c), 1, 2, 3, c);
    const image = (c: number) => backend.upload(random.bytes(6 * c), 1, 2, 3, c);
    const theta = (r = 1) => backend.upload(random.homographies(r, 0), r, 3, 3);
    const rejects = (
      body: () => unknown,
      code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT',
      message: string,
    ) => backend.rejects(body, code, `homographySample: expected ${message}`);
    rejects(
      () => homographySample([image(3)], [map(1)], theta()),
      'ERR_DTYPE',
      'sources[0] to be f32, got u8',
    );
    rejects(
      () => homographySample([map(3), map(2)], [map(1), map(1)], theta(2)),
      'ERR_SHAPE',
      'sources[1] to have shape [1, h=2, w=3, c=3], got [1, 2, 3, 2]',
    );
    rejects(
      () => homographySample([map(3), map(3)], [map(1), map(1)], theta()),
      'ERR_SHAPE',
      'theta to have shape [r=2, 3, 3], got [1, 3, 3]',
    );
    rejects(
      () => homographySample([], [], theta()),
      'ERR_ARGUMENT',
      'sources to hold 1 to 64 tensors, got 0',
    );
    rejects(
      () => homographySample([map(3)], new Array(1), theta()),
      'ERR_ARGUMENT',
      'visibility[0] to be a Tensor, got undefined',
    );
  });
});
