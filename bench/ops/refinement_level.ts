import { refinementLevel } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { holeOf, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] =>
  [1, 2, 4].map((factor) => ({
    name: `${text(work)} in cells of ${factor}`,
    bytes: 4 * work.h * work.w * (4 + 4 / factor ** 2),
    prepare: () => {
      const hole = feed.upload(Float32Array.from(holeOf(work)), 1, work.h, work.w, 1);
      const colour = feed.map(work, 3);
      const sigma = factor === 4 ? 60 : undefined;
      return () => refinementLevel(colour, hole, factor, sigma);
    },
  }));
