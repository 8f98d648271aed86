import { composeAffine } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references } from '../shapes.js';

export const cases = (feed: Feed): Case[] => [
  {
    name: `of ${references}`,
    bytes: 4 * references * 24,
    prepare: () => {
      const outer = feed.homographies();
      const delta = feed.upload(feed.random.values(references * 6), references, 6);
      return () => composeAffine(outer, delta);
    },
  },
];
