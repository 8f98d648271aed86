import { type Size, temporalPool } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const local = shrink(work, 4);
  const plane = (name: string, { h, w }: Size, c: number, offset: boolean): Case => ({
    name: `${name} ${text({ h, w })} ${c}, of ${references}`,
    // What is aligned is needed where the target is hidden.
    bytes: 4 * h * w * (references * (c + 1) * share + (c + 1) + c + 2),
    prepare: () => {
      const aligned = feed.map({ h, w }, c, references);
      const visibility = feed.upload(
        feed.random.bits(references * h * w, 0.88),
        references,
        h,
        w,
        1,
      );
      const inputs = {
        aligned,
        visibility,
        distance: feed.map(local, 1, references),
        scale: 60,
        ...(offset ? { offset: feed.map(local, c, references) } : {}),
        target: feed.map({ h, w }, c),
        targetVisibility: feed.visibility({ h, w }),
        doubt: 0.2,
        slope: 30,
      };
      return () => temporalPool(inputs);
    },
  });
  return [plane('features', local, 128, false), plane('frames', work, 3, true)];
};
