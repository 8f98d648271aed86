import { paintNative } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { boundsOf, native, references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const frame = (shift = 0) => ({
    frame: feed.frame(native),
    seen: feed.seen(native, shift, true),
  });
  const own = boundsOf(work);
  const pixels = native.h * native.w;
  return [
    {
      name: `${text(boundsOf(native))} of ${text(native)}, of ${references}`,
      // The frame is copied; of its hole, every reference and the previous output are read.
      bytes: Math.round(pixels * (3 + 1 + 3) + share * pixels * (references * 4 + 3)),
      prepare: () => {
        const inputs = {
          target: frame(),
          references: feed.each(frame),
          theta: feed.thetas(),
          distance: feed.upload(feed.random.values(references, 0, 0.2), references),
          exposure: feed.upload(feed.random.values(3 * references, -0.1, 0.1), references, 3),
          scale: 20,
          bounds: boundsOf(native),
          plane: work,
          extent: native,
          decoded: { tensor: feed.map(own, 4), y: own.y, x: own.x },
          motion: feed.map(shrink(work, 4), 3),
          previous: feed.frame(native),
          flowScale: 16,
        };
        return () => paintNative(inputs);
      },
    },
  ];
};
