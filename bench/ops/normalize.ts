import { normalize } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';

export const cases = (feed: Feed): Case[] => {
  const { grid, width } = feed.config.homography;
  const c = 4 * width;
  return [
    {
      name: `matched cells ${grid}x${grid} ${c}`,
      bytes: 2 * 4 * grid * grid * c,
      prepare: () => {
        const x = feed.map({ h: grid, w: grid }, c);
        return () => normalize(x);
      },
    },
  ];
};
