import { windowMatch } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] =>
  (
    [
      [4, 4, 9, 253],
      [2, 6, 2, 13],
    ] as const
  ).map(([by, frames, radius, shifts]) => {
    const plane = shrink(work, by);
    const { h, w } = plane;
    return {
      name: `frame ${text(plane)}, ${frames} others, radius ${radius}`,
      bytes: 4 * h * w * (3 + 5 * frames + 2),
      flops: 25 * h * w * frames * shifts,
      prepare: () => {
        const [target, others] = [feed.map(plane, 3), feed.map(plane, 3, frames)];
        const bits = () => feed.upload(feed.random.bits(frames * h * w, 0.8), frames, h, w, 1);
        const [visibility, labels] = [bits(), bits()];
        return () =>
          windowMatch(target, others, visibility, labels, { radius, slope: 0.001, toll: 0.05 });
      },
    };
  });
