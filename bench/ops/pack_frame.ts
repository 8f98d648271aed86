import { packFrame, type Size } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { holeOf, native, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const frame = (from: Size, scaled: Size, plane: Size, dilate: number): Case => ({
    name: `${text(from)} to ${text(scaled)} in ${text(plane)}, dilated by ${dilate}`,
    bytes: from.h * from.w * (3 + 1 + 1) + 4 * plane.h * plane.w * (3 + 1 + 1 + 4),
    prepare: () => {
      const pixels = feed.frame(from);
      const mask = feed.upload(holeOf(from), 1, from.h, from.w, 1);
      return () => packFrame(pixels, mask, { dilate, scaled, plane });
    },
  });
  return [frame(work, work, work, 4), frame(native, work, work, 15)];
};
