import { expect, it } from 'vitest';
import { affineSample } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, expectSteps, type Round } from '../close.js';
import { Random } from '../random.js';
import { type AffineSample, affineSample as reference } from '../reference/affine_sample.js';

const step = (value: number) => (value > 0.99 ? 1 : 0);

describeBackends('affineSample', (backend) => {
  const random = new Random(10);
  type Made = { data: Float32Array | Uint8Array; seen: Float32Array | Uint8Array };

  const run = (sources: Made[], theta: Float32Array, p: AffineSample, whole = false) =>
    backend.run(() =>
      affineSample(
        sources.map(({ data }) => backend.upload(data, 1, p.sourceH, p.sourceW, p.sourceC)),
        sources.map(({ seen }) => backend.upload(seen, 1, p.sourceH, p.sourceW, 1)),
        backend.upload(theta, sources.length, 2, 3),
        whole ? {} : { region: p.region, extent: p.extent },
      ),
    );

  const check = async (sources: Made[], theta: Float32Array, p: AffineSample, whole = false) => {
    const out = await run(sources, theta, p, whole);
    const pixels = p.region.h * p.region.w;
    const bytes = sources[0]?.data instanceof Uint8Array;
    const channels = bytes ? 3 : p.sourceC;
    sources.forEach(({ data, seen }, r) => {
      const one = theta.subarray(6 * r, 6 * r + 6);
      const values = (round: Round) =>
        bytes ? Float64Array.from(data, (value) => round(round(value / 127.5) - 1)) : data;
      expectClose(
        out.output.subarray(r * pixels * channels, (r + 1) * pixels * channels),
        (round) => reference(values(round), one, p, channels, round),
      );
      const visible = (round: Round) => reference(seen, one, { ...p, sourceC: 1 }, 1, round);
      expectSteps(out.seen.subarray(r * pixels, (r + 1) * pixels), visible, step);
    });
    return out;
  };

  const plain = (h: number, w: number, c: number): AffineSample => ({
    sourceH: h,
    sourceW: w,
    sourceC: c,
    extent: { h, w },
    region: { y: 0, x: 0, h, w },
  });
  const floats = (r: number, h: number, w: number, c: number): Made[] =>
    Array.from({ length: r }, () => ({
      data: random.values(h * w * c),
      seen: random.bits(h * w, 0.9),
    }));
  const bytes = (r: number, h: number, w: number, c: number): Made[] =>
    Array.from({ length: r }, () => ({
      data: random.bytes(h * w * c),
      seen: Uint8Array.from(random.bits(h * w, 0.9)),
    }));

  it.each([
    [1, 1, 1, 1],
    [2, 1, 9, 3],
    [2, 7, 1, 4],
    [3, 13, 11, 5],
    [1, 16, 17, 64],
    [2, 8, 9, 15],
    [1, 9, 8, 33],
    [5, 23, 24, 3],
    [64, 3, 4, 2],
  ])('matches the reference: %i sources of %i x %i x %i', async (r, h, w, c) => {
    await check(floats(r, h, w, c), random.thetas(r, 0.3), plain(h, w, c), true);
  });

  it.each([3, 4])('matches the reference on bytes of %i channels', async (c) => {
    for (const [h, w] of [
      [1, 1],
      [2, 3],
      [31, 33],
      [17, 16],
    ] as const) {
      await check(bytes(2, h, w, c), random.thetas(2, 0.3), plain(h, w, c));
    }
  });

  it('matches the reference on a window of a plane that ends within a pixel', async () => {
    const p = {
      ...plain(37, 41, 3),
      extent: { h: 40.25, w: 45.5 },
      region: { y: 11, x: 7, h: 19, w: 23 },
    };
    await check(bytes(2, 37, 41, 3), random.thetas(2, 0.2), p);
    await check(floats(2, 37, 41, 3), random.thetas(2, 0.2), p);
  });

  it('returns its input under the identity, on any window', async () => {
    const identity = random.thetas(1, 0);
    const p = plain(21, 35, 6);
    const [source] = floats(1, 21, 35, 6);
    const out = await run([source!], identity, p);
    expectSame(out.output, source!.data);
    expectSame(out.seen, source!.seen);
    const odd = { ...p, extent: { h: 23.3, w: 36.7 }, region: { y: 20, x: 30, h: 1, w: 5 } };
    expectSame((await run([source!], identity, odd)).output, source!.data.subarray(-30));
  });

  it('moves by whole pixels', async () => {
    const p = plain(4, 5, 1);
    const data = Float32Array.from({ length: 20 }, (_, i) => i + 1);
    const theta = Float32Array.of(1, 0, 2 / 5, 0, 1, -2 / 4); // one right, one up
    const { output, seen } = await run([{ data, seen: new Float32Array(20).fill(1) }], theta, p);
    const inside = (i: number) => i >= 5 && i % 5 < 4;
    expectClose(output, () => data.map((_, i) => (inside(i) ? i - 5 + 2 : 0)), 8);
    expectSame(
      seen,
      data.map((_, i) => (inside(i) ? 1 : 0)),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30, -1e30])(
    'reads nothing at %d',
    async (bad) => {
      const p = plain(5, 6, 3);
      const theta = random.thetas(3, 0.1);
      theta.fill(bad, 6, 12);
      for (const sources of [floats(3, 5, 6, 3), bytes(3, 5, 6, 3), floats(3, 5, 6, 3)]) {
        const out = await run(sources, theta, p);
        expect(out.output.every((v) => Number.isFinite(v))).toBe(true);
        expectSame(out.output.subarray(90, 180), new Float32Array(90));
        expectSame(out.seen.subarray(30, 60), new Float32Array(30));
      }
    },
  );

  it('sees nothing where all is hidden', async () => {
    const [source] = floats(1, 6, 7, 2);
    source!.seen.fill(0);
    const out = await check([source!], random.thetas(1, 0.1), plain(6, 7, 2));
    expectSame(out.seen, new Float32Array(42));
  });

  it('rejects what it cannot take', () => {
    const map = (c: number) => backend.upload(random.values(6 * c), 1, 2, 3, c);
    const image = (c: number) => backend.upload(random.bytes(6 * c), 1, 2, 3, c);
    const theta = (r = 1) => backend.upload(random.thetas(r, 0), r, 2, 3);
    const rejects = (
      body: () => unknown,
      code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT',
      message: string,
    ) => backend.rejects(body, code, `affineSample: expected ${message}`);
    rejects(
      () => affineSample([image(3)], [map(1)], theta()),
      'ERR_DTYPE',
      'seen[0] to be u8, got f32',
    );
    rejects(
      () => affineSample([image(1)], [image(1)], theta()),
      'ERR_SHAPE',
      'sources of bytes to have 3 or 4 channels, got 1',
    );
    rejects(
      () => affineSample([map(3), map(3)], [map(1), map(1)], theta()),
      'ERR_SHAPE',
      'theta to have shape [r=2, 2, 3], got [1, 2, 3]',
    );
    rejects(
      () => affineSample([], [], theta()),
      'ERR_ARGUMENT',
      'sources to hold 1 to 64 tensors, got 0',
    );
    rejects(
      () => affineSample([map(3)], new Array(1), theta()),
      'ERR_ARGUMENT',
      'seen[0] to be a Tensor, got undefined',
    );
    rejects(
      () => affineSample([map(3)], [map(1)], theta(), { extent: { h: 2, w: Number.NaN } }),
      'ERR_ARGUMENT',
      'extent.w to be a number from 1 to 65536, got NaN',
    );
    rejects(
      () => affineSample([map(3)], [map(1)], theta(), { region: { y: 0, x: 0.5, h: 1, w: 1 } }),
      'ERR_ARGUMENT',
      'region.x to be an integer from 0 to 65536, got 0.5',
    );
  });
});
