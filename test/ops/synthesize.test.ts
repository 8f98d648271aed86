import { expect, it } from 'vitest';
import { synthesize } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, halfRounding } from '../close.js';
import { Random } from '../random.js';
import { synthesize as reference, type SynthesisMaps } from '../reference/synthesize.js';

describeBackends('synthesize', (backend) => {
  const random = new Random(31);
  const inputs = (maps: SynthesisMaps) => {
    const { h, w, frame, known, decoded, carried, carriedKnown, fading, motion } = maps;
    const map = (data: ArrayLike<number>, ...shape: number[]) =>
      backend.upload(Float32Array.from(data), 1, ...shape);
    return {
      frame: map(frame, h, w, 3),
      known: map(known, h, w, 1),
      decoded: { tensor: map(decoded.data, decoded.h, decoded.w, 4), y: decoded.y, x: decoded.x },
      carried: carried && map(carried, h, w, 3),
      carriedKnown: carriedKnown && map(carriedKnown, h, w, 1),
      fading: fading && map(fading, h, w, 1),
      motion: motion && map(motion, h / 4, w / 4, 3),
    };
  };
  const run = (maps: SynthesisMaps, seed = 7) =>
    backend.run(() => {
      const { motion, ...made } = synthesize({ ...inputs(maps), seed });
      return { ...made, ...(motion && { motion }) };
    });
  const check = async (maps: SynthesisMaps, seed = 7) => {
    const out = await run(maps, seed);
    // What is added to the frame is a map of its own, at most 2.
    const added = () => halfRounding(2);
    expectClose(out.frame, (round) => reference(maps, seed, round).frame, 4, added);
    for (const name of ['known', 'decoded', 'share'] as const)
      expectClose(out[name], (round) => reference(maps, seed, round)[name]);
    if (out.motion) expectClose(out.motion, (round) => reference(maps, seed, round).motion);
    return out;
  };
  /** 0 in a box, 1 elsewhere. */
  const box = (h: number, w: number, y: number, x: number, rows: number, columns: number) =>
    Float32Array.from({ length: h * w }, (_, i) => {
      const [v, u] = [Math.floor(i / w), i % w];
      return v >= y && v < y + rows && u >= x && u < x + columns ? 0 : 1;
    });
  const make = (h: number, w: number, known: Float32Array): SynthesisMaps => ({
    h,
    w,
    frame: random.values(h * w * 3),
    known,
    decoded: { h: h / 2, w: w / 2, y: 1, x: 2, data: random.values(h * w, -0.2, 0.2) },
  });

  it.each([
    [56, 60, 40, 38, 6, 8],
    [32, 44, 0, 0, 9, 7], // at the corner
    [44, 32, 20, 27, 24, 5], // at two borders
    [64, 64, 18, 20, 29, 28], // deeper than what counts least
  ])('matches the reference: %i x %i, a hole at %i %i of %i x %i', async (h, w, ...hole) => {
    const [y, x, rows, columns] = hole as [number, number, number, number];
    await check(make(h, w, box(h, w, y, x, rows, columns)));
  });

  it('matches the reference where some is half known, and some carried', async () => {
    const [h, w] = [64, 72];
    const known = box(h, w, 14, 13, 15, 13);
    known.fill(0.5, 10 * w + 4, 10 * w + 30);
    known.fill(5e-7, 60 * w + 64, 60 * w + 69);
    const carriedKnown = box(h, w, 14, 13, 15, 6).map((x) => 0.75 * x);
    const maps = make(h, w, known);
    const out = await check({ ...maps, carried: random.values(h * w * 3), carriedKnown });
    expect(out.known.filter((x) => x === 0)).toHaveLength(0);
  });

  it('matches the reference where what was made up before fades', async () => {
    const [h, w] = [64, 72];
    const fading = random.values(h * w, 0, 1).map((x, i) => (i % w < 40 ? x : 0));
    const maps = make(h, w, box(h, w, 14, 13, 15, 13));
    const motion = random.values((h / 4) * (w / 4) * 3);
    const out = await check({ ...maps, fading, motion });
    expect(out.share[15 * w + 14]).toBe(1);
    expect((out.motion as Float32Array).filter((x) => x === -20).length).toBeGreaterThan(100);
    await check({ ...maps, known: box(h, w, 0, 0, 0, 0), fading, motion });
  });

  it('copies where nothing is open', async () => {
    const maps = make(16, 20, random.values(320, 0.25, 1));
    const out = await run(maps);
    expectSame(out.frame, maps.frame as Float32Array);
    expectSame(out.known, maps.known as Float32Array);
    expectSame(out.decoded, maps.decoded.data as Float32Array);
    expect(out.share.some((x) => x !== 0)).toBe(false);
  });

  it('leaves as it is what has no patch to be copied from', async () => {
    const maps = make(16, 20, box(16, 20, 4, 4, 9, 12));
    const out = await run(maps);
    expectSame(out.frame, maps.frame as Float32Array);
    expectSame(out.known, maps.known as Float32Array);
  });

  it('continues stripes', async () => {
    const [h, w] = [96, 112];
    const stripes = Float32Array.from({ length: h * w * 3 }, (_, i) =>
      (Math.floor(i / 3) % w) % 8 < 4 ? 0.5 : -0.5,
    );
    const known = box(h, w, 41, 40, 14, 20);
    const frame = stripes.map((x, i) => (known[Math.floor(i / 3)] ? x : 0));
    const decoded = { h: 2, w: 2, y: 0, x: 0, data: new Float32Array(16) };
    const out = await run({ h, w, frame, known, decoded });
    const off = out.frame.map((x, i) => Math.abs(x - (stripes[i] as number)));
    // What was there before, grey, has its say in areas of some pixels.
    expect(Math.max(...off)).toBeLessThan(0.15);
  });

  it('depends on the seed alone', async () => {
    const maps = make(64, 64, box(64, 64, 4, 4, 16, 16));
    const [a, b, other] = [await run(maps), await run(maps), await run(maps, 8)];
    expectSame(a.frame, b.frame);
    expect(other.frame).not.toEqual(a.frame);
  });

  it('rejects what it cannot take', () => {
    const map = (h: number, w: number, c: number) =>
      backend.upload(random.values(h * w * c), 1, h, w, c);
    const rejects = (more: () => object, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(
        () => {
          const decoded = { tensor: map(8, 10, 4), y: 1, x: 2 };
          synthesize({ frame: map(16, 20, 3), known: map(16, 20, 1), decoded, seed: 1, ...more() });
        },
        code,
        `synthesize: expected ${message}`,
      );
    rejects(
      () => ({ frame: map(18, 20, 3) }),
      'ERR_SHAPE',
      'height and width to be multiples of 4, got 18 x 20',
    );
    rejects(
      () => ({ known: map(16, 20, 3) }),
      'ERR_SHAPE',
      'known to have shape [1, h=16, w=20, 1], got [1, 16, 20, 3]',
    );
    rejects(
      () => ({ decoded: { tensor: map(8, 10, 4), y: 9, x: 2 } }),
      'ERR_SHAPE',
      'frame to cover rows 9 to 16 and columns 2 to 11, got rows 0 to 15 and columns 0 to 19',
    );
    rejects(
      () => ({ carried: map(16, 20, 3) }),
      'ERR_ARGUMENT',
      'carried and carriedKnown together, got one of them',
    );
    rejects(
      () => ({ fading: map(16, 20, 1) }),
      'ERR_ARGUMENT',
      'fading and motion together, got one of them',
    );
    rejects(
      () => ({ fading: map(16, 20, 1), motion: map(16, 20, 3) }),
      'ERR_SHAPE',
      'motion to have shape [1, h=4, w=5, 3], got [1, 16, 20, 3]',
    );
    rejects(
      () => ({ seed: -1 }),
      'ERR_ARGUMENT',
      `seed to be an integer from 0 to ${2 ** 31 - 1}, got -1`,
    );
  });
});
