import { type Size, temporalPool } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { band, references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const plane = (
    name: string,
    { h, w }: Size,
    c: number,
    offset: boolean,
    onto: boolean,
  ): Case => ({
    name: `${name} ${text({ h, w })} ${c}, of ${references}`,
    // What is aligned is needed where the target is hidden.
    bytes: 4 * h * w * (references * (c + 1) * (onto ? share : 1) + (onto ? c + 1 : 0) + c + 2),
    prepare: () => {
      const aligned = feed.map({ h, w }, c, references);
      const seen = feed.upload(feed.random.bits(references * h * w, 0.88), references, h, w, 1);
      const distance = feed.upload(feed.random.values(references, 0, 1), references);
      const inputs = {
        aligned,
        seen,
        distance,
        scale: 5,
        ...(offset
          ? { offset: feed.upload(feed.random.values(references * c), references, c) }
          : {}),
        ...(onto ? { target: feed.map({ h, w }, c), targetSeen: feed.seen({ h, w }) } : {}),
      };
      return () => temporalPool(inputs);
    },
  });
  return [
    plane('features', shrink(work, 4), 128, false, true),
    plane('frames', work, 3, true, true),
    plane("frame's own size", band, 3, true, false),
  ];
};
