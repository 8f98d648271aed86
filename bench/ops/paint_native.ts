import { paintNative } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { boundsOf, native, references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const frame = (shift = 0) => ({
    frame: feed.frame(native),
    visibility: feed.visibility(native, shift, true),
  });
  const own = boundsOf(work);
  const local = shrink(work, 4);
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
          theta: feed.homographies(),
          distance: feed.map(local, 1, references),
          offset: feed.map(local, 3, references),
          scale: 60,
          doubt: 0.2,
          slope: 30,
          bounds: boundsOf(native),
          plane: work,
          extent: native,
          coarse: feed.map(work, 3),
          decoded: { tensor: feed.map(own, 4), y: own.y, x: own.x },
          motion: feed.map(local, 3),
          previous: feed.frame(native),
          flowScale: 16,
        };
        return () => paintNative(inputs);
      },
    },
  ];
};
