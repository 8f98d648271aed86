import { gaussNewton } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references } from '../shapes.js';

export const cases = (feed: Feed): Case[] =>
  feed.config.homography.levels.map(([side, steps]) => ({
    name: `${side}x${side}, ${steps} steps, of ${references}`,
    bytes: 4 * (references + 1) * side * side * 4,
    prepare: () => {
      const size = { h: side, w: side };
      const colour = feed.upload(feed.random.smooth(side, side, 3), 1, side, side, 3);
      const target = feed.seen(size);
      const colours = feed.each(() => colour);
      const seen = feed.each((shift) => feed.seen(size, shift));
      const theta = feed.thetas();
      return () => gaussNewton(theta, colour, target, colours, seen, steps);
    },
  }));
