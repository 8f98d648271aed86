import { maskedCorrelation } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const { grid, width } = feed.config.homography;
  const [cells, c] = [grid * grid, 4 * width];
  return [
    {
      name: `${grid}x${grid} ${c}, of ${references}`,
      bytes: 4 * (cells * (references + 1) * (c + 1) + references * cells * cells),
      flops: 2 * references * cells * cells * c,
      prepare: () => {
        const size = { h: grid, w: grid };
        const [target, targetVisibility] = [feed.map(size, c), feed.visibility(size)];
        const maps = feed.each(() => feed.map(size, c));
        const visibility = feed.each((shift) => feed.visibility(size, shift));
        return () => maskedCorrelation(target, targetVisibility, maps, visibility, 20);
      },
    },
  ];
};
