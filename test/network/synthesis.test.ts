import { expect, it } from 'vitest';
import type { Completion } from '../../lib/network/network.js';
import { makeUp } from '../../lib/network/synthesis.js';
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
  const run = (anchor: Float32Array | undefined) =>
    backend.run(() => {
      const map = (data: Float32Array, c: number) => backend.upload(data, 1, h, w, c);
      const decoded = { tensor: map(new Float32Array(h * w * 4), 4), y: 0, x: 0 };
      const completion = { coarse: map(given, 3), known: map(seen, 1), decoded } as Completion;
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
      });
      return { frame: made.coarse, known: made.known };
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
});
