import { pushPull } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => [
  {
    name: `frame ${text(work)}`,
    bytes: 4 * work.h * work.w * (3 + 1 + 3),
    prepare: () => {
      const [colour, weight] = [feed.map(work, 3), feed.visibility(work)];
      return () => pushPull(colour, weight);
    },
  },
];
