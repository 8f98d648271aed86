import { blend, type Region } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { band, boundsOf, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const window = (name: string, region: Region): Case => ({
    name: `${name} ${text(region)}`,
    bytes: 4 * region.h * region.w * (4 + 3 + 1 + 3 + 3 + 3),
    prepare: () => {
      const at = (c: number) => ({ tensor: feed.map(region, c), y: region.y, x: region.x });
      const inputs = {
        decoded: at(4),
        coarse: at(3),
        known: at(1),
        previous: at(3),
        motion: at(3),
      };
      return () => blend({ ...inputs, region });
    },
  });
  return [window('working size', boundsOf(work)), window("frame's own size", band)];
};
