import { composite } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { band, boundsOf, native, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const inputs = (region: typeof band) => {
    const at = (c: number) => ({ tensor: feed.map(region, c), y: region.y, x: region.x });
    return [at(3), at(1)] as const;
  };
  const own = boundsOf(work);
  return [
    {
      name: `floats ${text(own)} into ${text(work)}`,
      bytes: 4 * (work.h * work.w * (3 + 1 + 3) + own.h * own.w * 4),
      prepare: () => {
        const [y, known] = inputs(own);
        const [frame, visibility] = [feed.map(work, 3), feed.visibility(work)];
        return () => composite(y, known, frame, visibility);
      },
    },
    {
      name: `bytes ${text(band)} into ${text(native)}`,
      bytes: native.h * native.w * (3 + 1 + 3) + 4 * band.h * band.w * 4,
      prepare: () => {
        const [y, known] = inputs(band);
        const [frame, visibility] = [feed.frame(native), feed.visibility(native, 0, true)];
        return () => composite(y, known, frame, visibility);
      },
    },
  ];
};
