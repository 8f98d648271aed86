import { gaussNewton } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const level = (factor: number, steps: number, robust: number, r: number): Case => {
    const size = shrink(work, factor);
    return {
      name: `${text(size)}, ${steps} steps, of ${r}`,
      bytes: 4 * (4 * r + 5) * size.h * size.w,
      prepare: () => {
        const colour = feed.upload(feed.random.smooth(size.h, size.w, 3), 1, size.h, size.w, 3);
        const near = feed.upload(
          feed.random.values(size.h * size.w, 0.01, 1),
          1,
          size.h,
          size.w,
          1,
        );
        const target = { colour, near, seen: feed.seen(size) };
        const each = feed.each((shift) => ({ colour, seen: feed.seen(size, shift) }));
        const theta = feed.upload(feed.random.homographies(r, 0.02), r, 3, 3);
        const options = { theta, target, references: each.slice(0, r), steps, robust };
        return () => gaussNewton({ ...options, ...(r < references && { best: true }) });
      },
    };
  };
  return [
    level(4, 4, 1.5, references),
    level(2, 3, 0.7, references),
    level(4, 4, 1.5, 2),
    level(2, 3, 0.7, 2),
  ];
};
