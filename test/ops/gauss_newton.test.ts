import { expect, it } from 'vitest';
import { gaussNewton, type Region } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random, toHalf } from '../random.js';
import { place, gaussNewton as reference } from '../reference/gauss_newton.js';

interface Case {
  readonly h: number;
  readonly w: number;
  /** Pixels from one that is compared to the next. */
  readonly apart: number;
  readonly robust: number;
  readonly theta: Float32Array;
  readonly target: Float32Array;
  readonly targetVisibility: Float32Array;
  readonly near: Float32Array;
  readonly references: Float32Array[];
  readonly visibility: Float32Array[];
  readonly anchor?: { theta: Float32Array; box: Region; within: number };
}

/** Colours [h w 3] and what is visibility [h w], side by side. */
const level = (colour: Float32Array, visibility: Float32Array) =>
  Float32Array.from({ length: visibility.length * 4 }, (_, i) =>
    i % 4 === 3 ? visibility[(i - 3) / 4]! : colour[Math.floor(i / 4) * 3 + (i % 4)]!,
  );

describeBackends('gaussNewton', (backend) => {
  const random = new Random(9);
  const run = (p: Case, steps: number, best = false) => {
    const { h, w, apart, robust, anchor } = p;
    const r = p.references.length;
    const map = (colour: Float32Array, visibility: Float32Array) =>
      backend.upload(level(colour, visibility), 1, h, w, 4);
    return backend.run(() =>
      gaussNewton({
        theta: backend.upload(p.theta, r, 3, 3),
        target: map(p.target, p.targetVisibility),
        near: backend.upload(p.near, 1, h / apart, w / apart, 1),
        references: p.references.map((data, i) => map(data, p.visibility[i]!)),
        steps,
        robust,
        anchor: anchor && { ...anchor, theta: backend.upload(anchor.theta, r, 3, 3) },
        best,
      }),
    );
  };
  const of = (list: Float32Array, r: number) => list.subarray(9 * r, 9 * r + 9);
  const refined = (p: Case, r: number, steps: number, round: (x: number) => number) =>
    reference(
      of(p.theta, r),
      level(p.target, p.targetVisibility),
      level(p.references[r]!, p.visibility[r]!),
      p.near,
      {
        ...p,
        rows: p.h / p.apart,
        columns: p.w / p.apart,
        ...(p.anchor && { anchor: { ...p.anchor, theta: of(p.anchor.theta, r) } }),
        steps,
      },
      round,
    );
  const check = (out: Float32Array, p: Case, steps: number, factor = 4) => {
    p.references.forEach((_, r) => {
      expectClose(of(out, r), (round) => refined(p, r, steps, round).theta, factor);
    });
  };

  /**
   * References that are one image, and the target that image under a homography, which theta misses
   * by a little.
   */
  const make = (
    r: number,
    h: number,
    w: number,
    chance = 0.98,
    apart = 1,
  ): Case & { truth: Float32Array } => {
    const image = random.smooth(h, w, 3);
    const truth = random.homographies(1, 0.06);
    const near = random.values((h / apart) * (w / apart), 0.01, 1);
    const target = Float32Array.from({ length: h * w * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      const [u, v] = place(
        truth,
        (((pixel % w) + 0.5) * 2) / w - 1,
        ((Math.floor(pixel / w) + 0.5) * 2) / h - 1,
      );
      const [x, y] = [((u + 1) * w - 1) / 2, ((v + 1) * h - 1) / 2];
      const [column, row] = [Math.floor(x), Math.floor(y)];
      let sum = 0;
      for (const [sy, sx] of [
        [row, column],
        [row, column + 1],
        [row + 1, column],
        [row + 1, column + 1],
      ] as const) {
        if (!(sy >= 0 && sy < h && sx >= 0 && sx < w)) continue;
        sum +=
          (1 - Math.abs(y - sy)) * (1 - Math.abs(x - sx)) * image[3 * (sy * w + sx) + (i % 3)]!;
      }
      return toHalf(sum);
    });
    return {
      h,
      w,
      apart,
      robust: 1.5,
      truth,
      target,
      near,
      theta: Float32Array.from({ length: 9 * r }, (_, i) =>
        i % 9 === 8 ? 1 : truth[i % 9]! + random.values(1, -0.02, 0.02)[0]!,
      ),
      targetVisibility: random.bits(h * w, chance),
      references: Array.from({ length: r }, () =>
        image.map((v) => toHalf(v + random.values(1, -0.02, 0.02)[0]!)),
      ),
      visibility: Array.from({ length: r }, () => random.bits(h * w, chance)),
    };
  };
  const miss = (p: { truth: Float32Array }, theta: Float32Array) =>
    Math.max(...theta.map((v, i) => Math.abs(v - p.truth[i % 9]!)));

  it.each([
    [1, 32, 32, 1],
    [3, 32, 32, 4],
    [2, 31, 33, 3],
    [2, 17, 40, 2],
    [5, 23, 19, 1],
    [2, 36, 64, 4],
    [1, 72, 128, 3],
  ])('matches the reference: %i references, %i x %i, %i steps', async (r, h, w, steps) => {
    const p = make(r, h, w);
    const out = await run(p, steps);
    check(out, p, steps);
    expect(out).not.toEqual(p.theta);
  });

  it.each([
    [2, 64, 64, 2, 3],
    [3, 64, 96, 4, 4],
    [1, 60, 45, 3, 2],
    [2, 90, 100, 5, 2],
  ])(
    'compares only some pixels: %i references, %i x %i, one of %i, %i steps',
    async (r, h, w, apart, steps) => {
      const p = make(r, h, w, 0.98, apart);
      const out = await run(p, steps);
      check(out, p, steps);
      expect(out).not.toEqual(p.theta);
      // Of the target nothing else is read.
      const middle = Math.floor(apart / 2);
      const compared = (i: number) =>
        (i % w) % apart === middle && Math.floor(i / w) % apart === middle;
      const target = p.target.map((v, i) => (compared(Math.floor(i / 3)) ? v : Number.NaN));
      expectSame(await run({ ...p, target }, steps), out);
    },
  );

  it('reads nothing beyond the outermost pixels, and counts none that lie there', async () => {
    const p = make(1, 40, 36, 1);
    const inner = (i: number) => i % 36 > 0 && i % 36 < 35 && i >= 36 && i < 39 * 36;
    const ring = Float32Array.from({ length: 40 * 36 }, (_, i) => (inner(i) ? 1 : 0));
    const out = await run(p, 3);
    expectSame(await run({ ...p, visibility: [ring] }, 3), out);
  });

  it.each([
    [4, 4],
    [4, 9],
    [6, 5],
    [5, 8],
  ])('matches the reference on %i x %i', async (h, w) => {
    const p = make(1, h, w, 1);
    // Of so few pixels the sums of the reference in float32 hardly err, by luck of their order.
    check(await run(p, 1), p, 1, 8);
  });

  it('finds the homography', async () => {
    const p = make(2, 64, 64, 1);
    const out = await run(p, 8);
    // In [-1, 1]; a pixel is 1 / 32. The images carry noise and are zero outside.
    expect(miss(p, p.theta)).toBeGreaterThan(0.01);
    expect(miss(p, out)).toBeLessThan(0.005);
  });

  it('follows what is near, and does not mind what is hidden', async () => {
    const p = make(1, 40, 48, 1);
    const near = p.near.map((_, i) => (i % 48 < 24 ? 1 : 0));
    const far = p.near.map((_, i) => (i % 48 < 24 ? 0 : 1));
    // The right half shows something else: hidden, it may be no number.
    const other = random.smooth(40, 48, 3);
    const target = p.target.map((v, i) => (Math.floor(i / 3) % 48 < 24 ? v : other[i]!));
    const half = { ...p, target, near };
    const out = await run(half, 6);
    check(out, half, 6);
    expect(miss(p, p.theta)).toBeGreaterThan(0.01);
    expect(miss(p, out)).toBeLessThan(0.005);
    const gone = p.target.map((v, i) => (Math.floor(i / 3) % 48 < 24 ? v : Number.NaN));
    expectSame(
      await run({ ...p, target: gone, targetVisibility: near }, 6),
      await run({ ...p, targetVisibility: near }, 6),
    );
    check(await run({ ...half, near: far }, 2), { ...half, near: far }, 2);
  });

  it('is not misled by a difference in exposure', async () => {
    const p = make(1, 32, 32);
    const tint = [0.25, -0.125, 0.0625];
    const references = p.references.map((data) => data.map((v, i) => toHalf(v + tint[i % 3]!)));
    const brighter = { ...p, references };
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
    const same = random.smooth(16, 16, 3);
    const still = {
      ...p,
      theta: random.homographies(2, 0),
      target: same,
      references: [same, same],
    };
    expectSame(await run(still, 3), still.theta);
  });

  it('gives theta back where everything is hidden or too little overlaps', async () => {
    const p = make(2, 16, 16);
    const hidden = new Float32Array(256);
    expectSame(await run({ ...p, targetVisibility: hidden }, 3), p.theta);
    expectSame(await run({ ...p, near: hidden }, 3), p.theta);
    expectSame(await run({ ...p, visibility: [hidden, hidden] }, 3), p.theta);
    const away = p.theta.map((v, i) => (i % 9 === 2 || i % 9 === 5 ? v + 1.95 : v));
    expectSame(await run({ ...p, theta: away }, 3), away);
  });

  it('gives back a homography that is not finite, and minds the others', async () => {
    const p = make(4, 32, 32);
    const theta = Float32Array.from(p.theta);
    theta.fill(Number.NaN, 0, 9);
    theta.fill(Number.POSITIVE_INFINITY, 9, 12);
    theta[24] = Number.NEGATIVE_INFINITY;
    const out = await run({ ...p, theta }, 3);
    expectSame(out.subarray(0, 27), theta.subarray(0, 27));
    const last = {
      ...p,
      theta: theta.subarray(27),
      references: p.references.slice(3),
      visibility: p.visibility.slice(3),
    };
    check(out.subarray(27), last, 3);
    expectSame(await run({ ...p, theta }, 3, true), out.subarray(27));
    // And where all are hidden, one that is finite.
    const hidden = { ...p, theta, targetVisibility: new Float32Array(1024) };
    expectSame(await run(hidden, 3, true), theta.subarray(27));
  });

  it('looks at nothing behind the camera, and far away', async () => {
    const p = make(3, 20, 24);
    const theta = Float32Array.from([
      ...[1, 0, 0, 0, 1, 0, -1.5, 0, 1],
      ...[1e30, 0, 0, 0, 1, 0, 0, 0, 1],
      ...[1, 0, 0, 0, 1, 0, 0, 0, -1],
    ]);
    check(await run({ ...p, theta }, 2), { ...p, theta }, 2);
  });

  it('gives the best, the first of equals', async () => {
    const p = make(3, 24, 30);
    const theta = p.theta.map((v, i) => (i < 9 && i % 9 === 2 ? v + 0.3 : v));
    const all = await run({ ...p, theta }, 2);
    const exact = (x: number) => x;
    const costs = [0, 1, 2].map((r) => refined({ ...p, theta }, r, 2, exact).mismatch);
    const best = costs.indexOf(Math.min(...costs));
    expect(best).not.toBe(0);
    expectSame(await run({ ...p, theta }, 2, true), of(all, best));
    const away = p.theta.map((v, i) => (i % 9 === 2 ? v + 5 + i : v));
    expectSame(await run({ ...p, theta: away }, 2, true), of(away, 0));
  });

  it('leaves the anchor for what moves the box little or pays', async () => {
    const p = make(1, 32, 40, 1);
    const held = { box: { y: 8.5, x: 10.25, h: 12, w: 14.5 }, within: 1 };
    const out = await run(p, 4);
    const anchored = async (anchor: Float32Array, wanted: Float32Array, with_: Case = p) => {
      const q = { ...with_, anchor: { ...held, theta: anchor } };
      check(await run(q, 4), q, 4);
      expectSame(await run(q, 4), wanted);
    };
    const moved = (dx: number) => out.map((v, i) => (i === 2 ? v + dx : v));
    await anchored(moved(0.9 / 20), out); // the box moves by about 0.9 pixels
    await anchored(moved(5 / 20), out); // it pays
    // Where all is alike nothing pays, and a pixel is what decides.
    const flat = { ...p, target: new Float32Array(3840), references: [new Float32Array(3840)] };
    const still = random.homographies(1, 0);
    const by = (dx: number, dy: number) => still.map((v, i) => v + ([0, 0, dx, 0, 0, dy][i] ?? 0));
    const even = { ...flat, theta: still };
    const shifted = (dx: number, dy: number) => by(dx / 20, dy / 16);
    await anchored(shifted(0.7, 0.7), still, even);
    await anchored(shifted(0.75, 0.7), shifted(0.75, 0.7), even);
    await anchored(shifted(-0.97, 0), still, even);
    await anchored(shifted(0, 1.05), shifted(0, 1.05), even);
    // A turn around the box's middle moves its corners, but not the middle.
    const turned = still.map((v, i) => (i === 0 ? v + 0.06 : v));
    const whole = { box: { y: 0, x: 0, h: 32, w: 40 }, within: 1, theta: turned };
    expectSame(await run({ ...even, anchor: whole }, 4), turned);
    expectSame(await run({ ...even, anchor: { ...whole, within: 1.25 } }, 4), still);
    // Of noise, places between the pixels have less: a little does not pay, more does.
    const noise = { ...flat, references: [random.values(3840, -0.05, 0.05)] };
    for (const [part, taken] of [
      [0.05, false],
      [0.2, true],
    ] as const) {
      const q = { ...noise, theta: by(part / 20, 0), anchor: { ...held, theta: by(2 / 20, 0) } };
      const wanted = taken ? q.theta : q.anchor.theta;
      check(await run(q, 0), q, 0);
      expectSame(await run(q, 0), wanted);
    }
    const none = new Float32Array(9).fill(Number.NaN);
    await anchored(none, out);
    await anchored(out, out, { ...p, theta: none });
  });

  it('rejects what it cannot take', () => {
    const map = (c = 4, h = 6) => backend.upload(random.values(h * 10 * c), 1, h, 10, c);
    const theta = (r = 1) => backend.upload(random.homographies(r, 0), r, 3, 3);
    const box = { y: 0, x: 0, h: 1, w: 1 };
    const given = () => ({
      theta: theta(),
      target: map(),
      near: map(1),
      references: [map()],
      steps: 1,
      robust: 1,
    });
    const rejects = (
      options: () => Partial<Parameters<typeof gaussNewton>[0]>,
      code: 'ERR_SHAPE' | 'ERR_ARGUMENT',
      message: string,
    ) =>
      backend.rejects(
        () => gaussNewton({ ...given(), ...options() }),
        code,
        `gaussNewton: expected ${message}`,
      );
    rejects(() => ({ theta: theta(2) }), 'ERR_ARGUMENT', 'references to hold 2 tensors, got 1');
    rejects(
      () => ({ theta: backend.upload(random.values(6), 1, 2, 3) }),
      'ERR_SHAPE',
      'theta to have shape [r, 3, 3], got [1, 2, 3]',
    );
    rejects(
      () => ({ target: map(4, 3) }),
      'ERR_ARGUMENT',
      'the height of target to be an integer from 4 to 4096, got 3',
    );
    rejects(
      () => ({ target: map(3) }),
      'ERR_SHAPE',
      'target to have shape [1, h, w, 4], got [1, 6, 10, 3]',
    );
    rejects(
      () => ({ near: map(1, 4) }),
      'ERR_SHAPE',
      'near to divide the height 6 and the width 10, got 4 and 10',
    );
    rejects(
      () => ({ references: [map(4, 5)] }),
      'ERR_SHAPE',
      'references[0] to have shape [1, h=6, w=10, 4], got [1, 5, 10, 4]',
    );
    rejects(() => ({ steps: 65 }), 'ERR_ARGUMENT', 'steps to be an integer from 0 to 64, got 65');
    rejects(() => ({ robust: -1 }), 'ERR_ARGUMENT', 'robust to be a number from 0 to 1000, got -1');
    const best = 1 as unknown as boolean;
    rejects(() => ({ best }), 'ERR_ARGUMENT', 'best to be true or false, got number');
    rejects(
      () => ({ anchor: { theta: theta(2), box, within: 1 } }),
      'ERR_SHAPE',
      'anchor.theta to have shape [r=1, 3, 3], got [2, 3, 3]',
    );
    rejects(
      () => ({ anchor: { theta: theta(), box: { ...box, x: Number.NaN }, within: 1 } }),
      'ERR_ARGUMENT',
      'anchor.box.x to be a number from 0 to 4096, got NaN',
    );
    rejects(
      () => ({ anchor: { theta: theta(), box, within: -1 } }),
      'ERR_ARGUMENT',
      'anchor.within to be a number from 0 to 4096, got -1',
    );
    rejects(
      () => ({ anchor: { theta: theta(), box, within: 1 }, best: true }),
      'ERR_ARGUMENT',
      'anchor or best, got both of them',
    );
  });

  // On a GPU: a block's places, or a few more; what fills 48 KiB of shared memory; what fits into none.
  it.each([
    [2, 16, 32, 2],
    [1, 27, 19, 2],
    [1, 64, 128, 1],
    [2, 80, 128, 1],
  ])('matches the reference: %i references of %i x %i, %i steps', async (r, h, w, steps) => {
    const p = make(r, h, w);
    check(await run(p, steps), p, steps);
  });
});
