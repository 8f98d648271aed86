import { expect, it } from 'vitest';
import { paintNative } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectSame, expectSteps } from '../close.js';
import { Random } from '../random.js';
import { type PaintNative, paintNative as reference } from '../reference/paint_native.js';

describeBackends('paintNative', (backend) => {
  const random = new Random(17);

  /** A frame that the working plane is `by` times smaller than, and ends within a pixel of. */
  const make = (r: number, h: number, w: number, c: number, by = 3.7) => {
    const plane = { h: Math.ceil(h / by) + 1, w: Math.ceil(w / by) + 2 };
    const at = { h: Math.ceil(plane.h / 4), w: Math.ceil(plane.w / 4) };
    const local = (n: number, channels: number) => random.plane(n, at.h, at.w, channels);
    // Corrections that lead beyond [-1, 1], and gates.
    const decoded = random.values(plane.h * plane.w * 4, -1.3, 1.3);
    decoded.forEach((v, i) => {
      if (i % 4 === 3) decoded[i] = Math.min(1, Math.abs(v));
    });
    const frame = (hole: number) => ({
      frame: random.bytes(h * w * c),
      visibility: Uint8Array.from(random.bits(h * w, 1 - hole)),
    });
    return {
      h,
      w,
      c,
      target: frame(0.6),
      references: Array.from({ length: r }, () => frame(0.08)),
      theta: random.homographies(r, 0.1),
      distance: { ...local(r, 1), data: random.values(r * at.h * at.w, 0, 2) },
      offset: { ...local(r, 3), data: random.values(3 * r * at.h * at.w, -0.3, 0.3) },
      scale: 5,
      doubt: 0.7,
      slope: 3,
      bounds: { y: 0, x: 0, h, w },
      plane,
      extent: { h: plane.h * by, w: plane.w * by },
      coarse: random.plane(1, plane.h, plane.w, 3),
      decoded: { ...random.plane(1, plane.h, plane.w, 4), data: decoded },
      motion: local(1, 3),
      previous: random.bytes(h * w * c),
      flowScale: 1.5,
    };
  };
  const run = ({ h, w, c, ...p }: PaintNative) =>
    backend.run(() => {
      const bytes = (data: ArrayLike<number>, channels = 1) =>
        backend.upload(Uint8Array.from(data), 1, h, w, channels);
      const floats = (data: ArrayLike<number>, ...shape: number[]) =>
        backend.upload(Float32Array.from(data), ...shape);
      const frame = (it: PaintNative['target']) => ({
        frame: bytes(it.frame, c),
        visibility: bytes(it.visibility),
      });
      const r = p.references.length;
      return paintNative({
        ...p,
        target: frame(p.target),
        references: p.references.map(frame),
        theta: floats(p.theta, r, 3, 3),
        distance: backend.map(p.distance).tensor,
        offset: backend.map(p.offset).tensor,
        coarse: backend.map(p.coarse).tensor,
        decoded: backend.map(p.decoded),
        motion: p.motion && backend.map(p.motion).tensor,
        previous: p.previous && bytes(p.previous, c),
      });
    });
  const setGate = (p: PaintNative, to: number) => {
    const values = p.decoded.data as Float32Array;
    for (let i = 3; i < values.length; i += 4) values[i] = to;
  };
  const check = async (p: PaintNative) => {
    const out = await run(p);
    expectSame(out.coverage, reference(p, (x) => x).coverage);
    expectSteps(out.frame, (round) => reference(p, round).frame, Math.round);
    return out;
  };
  const first = { motion: undefined, previous: undefined };
  /** What is lent is trusted, and the gate is open: nothing else counts. */
  const lend = (p: ReturnType<typeof make>) => {
    p.decoded.data.fill(1);
    p.offset.data.fill(0);
    p.target.visibility.fill(0);
    return { ...p, ...first, theta: random.homographies(p.references.length, 0), doubt: 1e6 };
  };

  it.each([
    [1, 1, 1, 3],
    [2, 1, 17, 4],
    [2, 13, 1, 3],
    [1, 2, 2, 4],
    [3, 31, 33, 3],
    [5, 16, 15, 4],
    [64, 7, 9, 3],
    [2, 9, 250, 3],
    [2, 37, 129, 4],
  ])('matches the reference: %i references of %i x %i x %i', async (r, h, w, c) => {
    const p = make(r, h, w, c);
    await check(p);
    await check({ ...p, ...first });
  });

  it('matches the reference where its inputs are windows', async () => {
    const p = make(3, 40, 52, 3);
    const bounds = { y: 11, x: 7, h: 19, w: 35 };
    const decoded = { ...random.plane(1, 7, 11, 4, 2, 1) };
    const out = await check({ ...p, bounds, decoded });
    const [hole = 0, covered = 0] = out.coverage;
    expect(covered).toBeLessThan(hole); // the hole goes on outside of the bounds
    await check({ ...p, bounds: { ...bounds, h: 1, w: 1 } });
  });

  it('works at the size of the frame itself', async () => {
    await check({ ...make(2, 12, 16, 3, 1), extent: { h: 13, w: 18 } });
  });

  it('leaves what is seen, what is out of bounds, and alpha, bit for bit', async () => {
    const p = { ...make(2, 11, 13, 4), bounds: { y: 2, x: 3, h: 6, w: 7 } };
    const { frame } = await run(p);
    const kept = (_: number, i: number) => {
      const [y, x] = [Math.floor(i / 4 / 13), Math.floor(i / 4) % 13];
      const inside = y >= 2 && y < 8 && x >= 3 && x < 10;
      return i % 4 === 3 || !inside || p.target.visibility[y * 13 + x] === 1;
    };
    expectSame(frame.filter(kept), [...p.target.frame].filter(kept));
  });

  it('copies a reference as it is where the gate is open', async () => {
    for (const c of [3, 4]) {
      const p = lend(make(1, 21, 35, c));
      p.references[0]!.visibility.fill(1);
      const { frame, coverage } = await run(p);
      const wanted = p.references[0]!.frame.map((v, i) => (i % c === 3 ? p.target.frame[i]! : v));
      expectSame(frame, wanted);
      expectSame(coverage, [21 * 35, 21 * 35]);
    }
  });

  it('adds the offset', async () => {
    const p = lend(make(2, 9, 9, 3));
    p.offset.data.forEach((_, i, all) => {
      all[i] = -(10 * (3 * Math.floor((2 * i) / all.length) + (i % 3))) / 127.5;
    });
    p.references.forEach(({ frame, visibility }, r) => {
      visibility.fill(1);
      frame.forEach((_, i) => {
        frame[i] = 100 + 10 * (3 * r + (i % 3));
      });
    });
    const { frame } = await check(p);
    expectSame(frame, new Float32Array(243).fill(100));
  });

  it('takes the nearest that sees a pixel when the scale is large, even if all are far', async () => {
    const p = { ...lend(make(3, 5, 4, 3)), scale: 1e5 };
    p.distance.data.forEach((_, i, all) => {
      all[i] = [3, 2, 2.5][Math.floor((3 * i) / all.length)]!;
    });
    for (const { visibility } of p.references) visibility.fill(1);
    p.references[1]!.visibility.fill(0, 0, 3); // the next one serves
    const { frame } = await run(p);
    expectSame(frame.subarray(0, 9), p.references[2]!.frame.subarray(0, 9));
    expectSame(frame.subarray(9), p.references[1]!.frame.subarray(9));
  });

  it('takes another reference in another place', async () => {
    const p = { ...lend(make(2, 6, 60, 3)), scale: 1e5 };
    for (const { visibility } of p.references) visibility.fill(1);
    p.distance = { n: 2, h: 1, w: 2, c: 1, y: 0, x: 0, data: Float32Array.of(1, 2, 2, 1) };
    p.offset = { n: 2, h: 1, w: 2, c: 3, y: 0, x: 0, data: new Float32Array(12) };
    const { frame } = await run(p);
    // The working plane is wider than the frame.
    const halves = (from: ArrayLike<number>, right: boolean) =>
      Array.from(from).filter((_, i) => {
        const x = Math.floor(i / 3) % 60;
        return right ? x >= p.extent.w / 2 + 1 : x < p.extent.w / 2 - 1;
      });
    expectSame(halves(frame, false), halves(p.references[0]!.frame, false));
    expectSame(halves(frame, true), halves(p.references[1]!.frame, true));
  });

  it('corrects the coarse frame where no reference shows anything', async () => {
    const p = make(2, 15, 17, 3);
    for (const { visibility } of p.references) visibility.fill(0);
    expect((await check(p)).coverage[1]).toBe(0);
    expect((await check({ ...p, ...first })).coverage[1]).toBe(0);
  });

  it('shows the coarse frame, corrected, where it doubts what is lent', async () => {
    const p = { ...make(2, 15, 17, 3), ...first, doubt: 0, slope: 1e6 };
    for (const { visibility } of p.references) visibility.fill(1);
    p.distance.data.fill(1);
    setGate(p, 0);
    const { frame, coverage } = await check(p);
    expect(coverage[1]).toBeGreaterThan(0);
    for (const { visibility } of p.references) visibility.fill(0);
    expectSame((await run(p)).frame, frame);
  });

  it('keeps the coarse frame as it is where no reference shows anything and the gate is open', async () => {
    const p = make(2, 15, 17, 3);
    for (const { visibility } of p.references) visibility.fill(0);
    setGate(p, 1);
    const { frame } = await check(p);
    p.decoded.data.fill(0);
    expectSame((await run({ ...p, ...first })).frame, frame);
  });

  it('changes nothing without a hole', async () => {
    const p = make(2, 15, 17, 3);
    p.target.visibility.fill(1);
    const { frame, coverage } = await run(p);
    expectSame(frame, p.target.frame);
    expectSame(coverage, [0, 0]);
  });

  it('keeps the previous output where the blend says so, wherever the flow leads', async () => {
    const p = make(1, 14, 18, 3);
    p.target.visibility.fill(0);
    for (const { visibility } of p.references) visibility.fill(0);
    setGate(p, 0);
    p.motion.data.forEach((_, i, all) => {
      all[i] = [0, 0, -100][i % 3]!;
    });
    expectSame((await run(p)).frame, p.previous);
    for (const flow of [1000, -1000]) {
      p.motion.data.forEach((v, i, all) => {
        if (i % 3 < 2) all[i] = v + flow;
      });
      await check(p);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30])('reads nothing at %d', async (bad) => {
    const p = make(3, 9, 12, 3);
    p.theta.fill(bad, 9, 18);
    const { frame } = await run(p);
    const { references, distance, offset, theta } = p;
    const others = { references: [references[0]!, references[2]!] };
    const without = (all: Float32Array) => {
      const size = all.length / 3;
      return Float32Array.from([...all.subarray(0, size), ...all.subarray(2 * size)]);
    };
    const wanted = await run({
      ...p,
      ...others,
      distance: { ...distance, n: 2, data: without(distance.data) },
      offset: { ...offset, n: 2, data: without(offset.data) },
      theta: without(theta),
    });
    expectSame(frame, wanted.frame);
  });

  it('rejects what it cannot take', () => {
    const image = (c: number, w = 3) => backend.upload(random.bytes(2 * w * c), 1, 2, w, c);
    const map = (c: number) => backend.upload(random.values(6 * c), 1, 2, 3, c);
    const list = (...shape: number[]) =>
      backend.upload(random.values(shape.reduce((a, b) => a * b)), ...shape);
    const frame = (w = 3) => ({ frame: image(3, w), visibility: image(1, w) });
    const from = () => ({
      target: frame(),
      references: [frame()],
      theta: list(1, 3, 3),
      distance: map(1),
      offset: map(3),
      scale: 1,
      doubt: 1,
      slope: 1,
      bounds: { y: 0, x: 0, h: 2, w: 3 },
      plane: { h: 2, w: 3 },
      extent: { h: 2, w: 3 },
      coarse: map(3),
      decoded: map(4),
      flowScale: 16,
    });
    const rejects = (
      body: () => unknown,
      code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT',
      message: string,
    ) => backend.rejects(body, code, `paintNative: expected ${message}`);
    rejects(
      () => paintNative({ ...from(), target: { frame: image(2), visibility: image(1) } }),
      'ERR_SHAPE',
      'target.frame to have 3 or 4 channels, got 2',
    );
    rejects(
      () => paintNative({ ...from(), target: { frame: image(3), visibility: map(1) } }),
      'ERR_DTYPE',
      'target.visibility to be u8, got f32',
    );
    rejects(
      () => paintNative({ ...from(), references: [frame(4)] }),
      'ERR_SHAPE',
      'references[0].frame to have shape [1, h=2, w=3, c=3], got [1, 2, 4, 3]',
    );
    rejects(
      () => paintNative({ ...from(), references: [] }),
      'ERR_ARGUMENT',
      'references to hold 1 to 64 tensors, got 0',
    );
    rejects(
      () => paintNative({ ...from(), theta: list(2, 3, 3) }),
      'ERR_SHAPE',
      'theta to have shape [r=1, 3, 3], got [2, 3, 3]',
    );
    rejects(
      () => paintNative({ ...from(), offset: map(4) }),
      'ERR_SHAPE',
      'offset to have shape [r=1, mh=2, mw=3, 3], got [1, 2, 3, 4]',
    );
    rejects(
      () => paintNative({ ...from(), coarse: map(3), plane: { h: 2, w: 4 } }),
      'ERR_SHAPE',
      'coarse to have shape [1, ph=2, pw=4, 3], got [1, 2, 3, 3]',
    );
    rejects(
      () => paintNative({ ...from(), doubt: -1 }),
      'ERR_ARGUMENT',
      'doubt to be a number from 0 to 1000000, got -1',
    );
    rejects(
      () => paintNative({ ...from(), bounds: { y: 1, x: 0, h: 2, w: 3 } }),
      'ERR_SHAPE',
      "bounds inside the frame's 2 rows and 3 columns, got 2 from 1 and 3 from 0",
    );
    rejects(
      () => paintNative({ ...from(), extent: { h: 2, w: 0 } }),
      'ERR_ARGUMENT',
      'extent.w to be a number from 1 to 65536, got 0',
    );
    rejects(
      () => paintNative({ ...from(), previous: image(3) }),
      'ERR_ARGUMENT',
      'previous and motion together, got one of them',
    );
    rejects(
      () => paintNative({ ...from(), decoded: map(3) }),
      'ERR_SHAPE',
      'decoded to have shape [1, dh, dw, 4], got [1, 2, 3, 3]',
    );
  });
});
