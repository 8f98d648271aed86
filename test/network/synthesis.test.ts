import { expect, it } from 'vitest';
import type { Completion } from '../../lib/network/network.js';
import { makeUp } from '../../lib/network/synthesis.js';
import type { Tensor } from '../../lib/tensor.js';
import { describeBackends } from '../backends.js';
import { Random } from '../random.js';

describeBackends('makeUp', (backend) => {
  const random = new Random(9);
  const [h, w] = [64, 80];
  const hole = Array.from({ length: h * w }, (_, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    return y >= 24 && y < 36 && x >= 40 && x < 56;
  });
  const seen = Float32Array.from(hole, (it) => (it ? 0 : 1));
  const shown = random.smooth(h, w, 3);
  const given = shown.map((x, i) => (hole[Math.floor(i / 3)] ? 0 : x));
  const gates = Float32Array.from({ length: h * w * 4 }, (_, i) => +(i % 4 === 3));
  const run = (anchor: Float32Array | undefined, known = seen, share?: Float32Array) =>
    backend.run(() => {
      const map = (data: Float32Array, c: number) => backend.upload(data, 1, h, w, c);
      const decoded = { tensor: map(gates, 4), y: 0, x: 0 };
      const motion = backend.upload(new Float32Array((h / 4) * (w / 4) * 3), 1, h / 4, w / 4, 3);
      const completion = {
        coarse: map(given, 3),
        known: map(known, 1),
        decoded,
        motion,
      } as Completion;
      const cells = new Float32Array(1);
      const rest = backend.upload(cells, 1, 1, 1, 1);
      const target = {
        colour: map(given, 3),
        visibility: map(seen, 1),
        features: rest,
        featuresVisibility: rest,
        cellColours: rest,
      };
      const identity = new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]);
      const made = makeUp(completion, {
        target,
        anchor: anchor && {
          frame: map(anchor, 3),
          visibility: map(new Float32Array(h * w).fill(1), 1),
          theta: backend.upload(identity, 1, 3, 3),
        },
        fading: share && { share: map(share, 1), step: backend.upload(identity, 1, 3, 3) },
      });
      const { coarse: frame, share: left } = made;
      const { tensor } = made.decoded;
      return { frame, known: made.known, decoded: tensor, motion: made.motion as Tensor, left };
    });
  const off = (a: Float32Array, b: Float32Array) =>
    Math.max(...a.map((x, i) => (hole[Math.floor(i / 3)] ? Math.abs(x - (b[i] as number)) : 0)));

  it('carries on what an anchor shows, brighter or not', async () => {
    for (const more of [0, 0.05]) {
      const out = await run(shown.map((x) => x + more));
      expect(off(out.frame, shown)).toBeLessThan(0.01);
      expect(out.known.every((x) => x === 1)).toBe(true);
    }
  });

  it('synthesizes where there is no anchor, or one that shows another scene', async () => {
    const alone = await run(undefined);
    const other = await run(random.values(h * w * 3, 0.5, 1));
    expect(other.frame).toEqual(alone.frame);
    expect(alone.known.every((x) => x === 1)).toBe(true);
  });

  it('lets what a later frame shows in over some frames', async () => {
    const all = new Float32Array(h * w).fill(1);
    const [middle, away] = [30 * w + 48, 50 * w + 10];
    const cell = (i: number) => (Math.floor(i / w / 4) * (w / 4) + Math.floor((i % w) / 4)) * 3 + 2;
    let { left, motion } = await run(undefined);
    expect(left[middle]).toBe(1);
    expect(motion[cell(middle)]).toBe(0);
    for (let step = 1; step <= 3; step++) {
      const out = await run(undefined, all, left);
      ({ left, motion } = out);
      const share = Math.max(1 - step / 2, 0);
      expect(left[middle]).toBeCloseTo(share, 3);
      // What blend gets: `share` of the previous output, and no more than that.
      expect(out.decoded[4 * middle + 3]).toBeCloseTo(1 - share, 3);
      expect(motion[cell(middle)]).toBe(share ? -20 : 0);
      expect(left[away]).toBe(0);
      expect(out.decoded[4 * away + 3]).toBe(1);
      expect(motion[cell(away)]).toBe(0);
    }
  });
});
