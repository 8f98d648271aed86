import { expect, it } from 'vitest';
import { composite } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectSame, expectSteps } from '../close.js';
import { type Plane, Random } from '../random.js';
import { composite as reference } from '../reference/composite.js';

describeBackends('composite', (backend) => {
  const random = new Random(16);
  const windows = (h: number, w: number, y = 0, x = 0) => ({
    y: { ...random.plane(1, h, w, 3, y, x), data: random.values(h * w * 3, -1.3, 1.3) },
    known: { ...random.plane(1, h, w, 1, y, x), data: random.bits(h * w) },
  });
  const run = (
    p: { y: Plane; known: Plane },
    frame: Float32Array | Uint8Array,
    h: number,
    w: number,
    c: number,
    visibility: Float32Array,
  ) =>
    backend.run(() =>
      composite(
        backend.map(p.y),
        backend.map(p.known),
        backend.upload(frame, 1, h, w, c),
        backend.upload(
          frame instanceof Uint8Array ? Uint8Array.from(visibility) : visibility,
          1,
          h,
          w,
          1,
        ),
      ),
    );
  const check = async (
    p: { y: Plane; known: Plane },
    h: number,
    w: number,
    c: number,
    visibility = random.bits(h * w),
  ) => {
    for (const frame of [random.bytes(h * w * c), random.values(h * w * c)]) {
      const bytes = frame instanceof Uint8Array;
      const out = await run(p, frame, h, w, c, visibility);
      const made = (round: (x: number) => number) =>
        reference(p.y, p.known, frame, visibility, w, c, bytes, round);
      expectSame(out.coverage, made((x) => x).coverage);
      if (bytes) expectSteps(out.frame, (round) => made(round).frame, Math.round);
      else expectSame(out.frame, made((x) => x).frame);
    }
  };

  it.each([
    [1, 1, 3],
    [1, 17, 4],
    [13, 1, 3],
    [31, 33, 3],
    [16, 15, 4],
  ])('matches the reference on %i x %i x %i', async (h, w, c) => {
    await check(windows(h, w), h, w, c);
  });

  it('matches the reference where windows lie inside the frame, apart, or beyond it', async () => {
    await check(windows(5, 7, 4, 6), 20, 21, 3);
    await check(windows(16, 16, 10, 12), 20, 21, 4);
    await check(windows(32, 32), 20, 21, 3);
    await check({ y: windows(9, 9, 2, 3).y, known: windows(6, 12, 5, 1).known }, 20, 21, 3);
    await check({ y: windows(4, 4).y, known: windows(4, 4, 16, 17).known }, 20, 21, 3);
    await check(windows(4, 4, 30, 40), 20, 21, 3);
  });

  it('leaves what is seen, and alpha, bit for bit', async () => {
    const frame = random.bytes(9 * 11 * 4);
    const visibility = random.bits(99);
    const out = await run(windows(9, 11), frame, 9, 11, 4, visibility);
    const kept = (_: number, i: number) => i % 4 === 3 || visibility[Math.floor(i / 4)] === 1;
    expectSame(out.frame.filter(kept), [...frame].filter(kept));
    const odd = Float32Array.of(Number.NaN, -0, 5);
    expectSame((await run(windows(1, 1), odd, 1, 1, 3, Float32Array.of(1))).frame, odd);
  });

  it('fills everything, or nothing', async () => {
    const p = windows(6, 7);
    await check(p, 6, 7, 3, new Float32Array(42));
    const frame = random.bytes(6 * 7 * 3);
    const out = await run(p, frame, 6, 7, 3, new Float32Array(42).fill(1));
    expectSame(out.frame, frame);
    expectSame(out.coverage, [0, 0]);
  });

  it('brings bytes through the network unchanged', async () => {
    const bytes = Uint8Array.from({ length: 768 }, (_, i) => i % 256);
    const y = {
      ...random.plane(1, 16, 16, 3),
      data: Float32Array.from(bytes, (v) => v / 127.5 - 1),
    };
    const known = windows(16, 16).known;
    const out = await run({ y, known }, new Uint8Array(768), 16, 16, 3, new Float32Array(256));
    expectSame(out.frame, bytes);
  });

  it('writes bytes of what is out of range or not a number', async () => {
    const y = {
      ...random.plane(1, 1, 1, 3),
      data: Float32Array.of(Number.POSITIVE_INFINITY, -1e30, Number.NaN),
    };
    const { frame } = await run(
      { y, known: windows(1, 1).known },
      Uint8Array.of(1, 2, 3),
      1,
      1,
      3,
      Float32Array.of(0),
    );
    expect([...frame.subarray(0, 2)]).toEqual([255, 0]);
    expect(frame[2]).toBeGreaterThanOrEqual(0);
  });

  it('rejects what it cannot take', () => {
    const map = (c: number) => backend.upload(random.values(6 * c), 1, 2, 3, c);
    const image = (c: number) => backend.upload(random.bytes(6 * c), 1, 2, 3, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_DTYPE', message: string) =>
      backend.rejects(body, code, `composite: expected ${message}`);
    rejects(
      () => composite(map(3), map(1), image(3), map(1)),
      'ERR_DTYPE',
      'visibility to be u8, got f32',
    );
    rejects(
      () => composite(map(3), map(1), image(2), image(1)),
      'ERR_SHAPE',
      'frame to have 3 or 4 channels, got 2',
    );
    rejects(
      () => composite(map(4), map(1), image(3), image(1)),
      'ERR_SHAPE',
      'y to have shape [1, yh, yw, 3], got [1, 2, 3, 4]',
    );
    rejects(
      () => composite(map(3), map(3), map(3), map(1)),
      'ERR_SHAPE',
      'known to have shape [1, kh, kw, 1], got [1, 2, 3, 3]',
    );
  });
});
