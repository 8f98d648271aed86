import { unshuffle } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => [
  {
    name: `${text(work)} 3 + 1 by 4`,
    bytes: 2 * 4 * work.h * work.w * 4,
    prepare: () => {
      const inputs = [feed.map(work, 3), feed.map(work, 1)];
      return () => unshuffle(inputs, 4);
    },
  },
];
