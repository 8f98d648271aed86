import { gaussNewton } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const level = (factor: number, r: number): Case => {
    const size = shrink(work, factor);
    const places = shrink(work, 4);
    const steps = 4;
    return {
      name: `${text(size)}, ${steps} steps, of ${r}`,
      // Of a place the four pixels around it.
      bytes: 4 * places.h * places.w * (Math.min(16 / factor ** 2, 4) * 4 * r + 5),
      prepare: () => {
        const smooth = feed.random.smooth(size.h, size.w, 3);
        const visibility = feed.random.bits(size.h * size.w, 0.88);
        const map = feed.upload(
          Float32Array.from({ length: visibility.length * 4 }, (_, i) => {
            const pixel = Math.floor(i / 4);
            return (i % 4 === 3 ? visibility[pixel] : smooth[pixel * 3 + (i % 4)]) as number;
          }),
          1,
          size.h,
          size.w,
          4,
        );
        const weights = feed.random.values(places.h * places.w, 0.01, 1);
        const near = feed.upload(weights, 1, places.h, places.w, 1);
        const theta = feed.upload(feed.random.homographies(r, 0.02), r, 3, 3);
        const lent = feed.each(() => map).slice(0, r);
        const options = { theta, target: map, near, references: lent, steps, robust: 1.5 };
        return () => gaussNewton({ ...options, ...(r < references && { best: true }) });
      },
    };
  };
  return [4, 2, 1].flatMap((factor) => [level(factor, references), level(factor, 2)]);
};
