import { homographySample } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const plane = (name: string, { h, w }: typeof work, c: number): Case => ({
    name: `${name} ${text({ h, w })} ${c}, of ${references}`,
    bytes: 2 * 4 * references * h * w * (c + 1),
    prepare: () => {
      const sources = feed.each(() => feed.map({ h, w }, c));
      const visibility = feed.each((shift) => feed.visibility({ h, w }, shift));
      const theta = feed.homographies();
      return () => homographySample(sources, visibility, theta);
    },
  });
  return [
    plane('matched cells', { h: 16, w: 16 }, 64),
    plane('features', shrink(work, 4), 128),
    plane('frames', work, 3),
  ];
};
