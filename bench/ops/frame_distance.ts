import { frameDistance } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const plane = (name: string, { h, w }: typeof work, c: number): Case => ({
    name: `${name} ${text({ h, w })} ${c}, of ${references}`,
    bytes: 4 * (references + 1) * h * w * (c + 1),
    prepare: () => {
      const aligned = feed.map({ h, w }, c, references);
      const seen = feed.upload(feed.random.bits(references * h * w, 0.88), references, h, w, 1);
      const [target, targetSeen] = [feed.map({ h, w }, c), feed.seen({ h, w })];
      return () => frameDistance(aligned, seen, target, targetSeen);
    },
  });
  return [plane('features', shrink(work, 4), 128), plane('frames', work, 3)];
};
