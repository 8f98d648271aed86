import { localDistance } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const { h, w } = work;
  return [
    {
      name: `frames ${text(work)}, of ${references}`,
      bytes: 4 * h * w * ((references + 1) * (3 + 1) + (references * (3 + 1)) / 16),
      prepare: () => {
        const aligned = feed.map(work, 3, references);
        const visibility = feed.upload(
          feed.random.bits(references * h * w, 0.88),
          references,
          h,
          w,
          1,
        );
        const [target, targetVisibility] = [feed.map(work, 3), feed.visibility(work)];
        return () => localDistance(aligned, visibility, target, targetVisibility, 24);
      },
    },
  ];
};
