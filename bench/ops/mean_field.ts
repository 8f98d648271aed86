import { meanField } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const plane = shrink(work, 2);
  const { h, w } = plane;
  return [
    {
      name: `frame ${text(plane)}, radius 5`,
      bytes: 4 * h * w * (1 + 1 + 3 + 1),
      flops: 30 * h * w * 120,
      prepare: () => {
        const [unary, state, colour] = [feed.map(plane, 1), feed.map(plane, 1), feed.map(plane, 3)];
        return () =>
          meanField(unary, state, colour, { radius: 5, weight: 3, range: 50, spread: 0.05 });
      },
    },
  ];
};
