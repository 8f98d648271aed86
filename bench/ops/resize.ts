import { type ResizeOptions, resize } from '../../lib/ops/index.js';
import type { Size } from '../../lib/ops/window.js';
import type { Case, Feed } from '../harness.js';
import { band, boundsOf, native, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  // `read` is the part of the input that is needed.
  const map = (from: Size, c: number, options: ResizeOptions, read: Size = from): Case => ({
    name: `${options.mode} ${text(from)} ${c} to ${text(options)}`,
    bytes: 4 * c * (read.h * read.w + options.h * options.w),
    prepare: () => {
      const input = feed.map(from, c);
      return () => resize(input, options);
    },
  });
  const { size, grid } = feed.config.homography;
  const square = (side: number) => ({ h: side, w: side });
  const cells = shrink(work, 4);
  const decoded = boundsOf(work);
  return [
    map(work, 4, { ...square(size), mode: 'bilinear' }, square(2 * size)),
    map(square(size), 1, { ...square(grid), mode: 'area', below: 0.5 }),
    map(work, 1, { ...cells, mode: 'area', below: 0.01 }),
    map(shrink(work, 8), 64, { ...cells, mode: 'nearest' }),
    map(cells, 3, { ...decoded, mode: 'bilinear', inputExtent: cells, outputExtent: work }),
    map(
      work,
      4,
      { ...band, mode: 'bilinear', inputExtent: work, outputExtent: native },
      shrink(band, native.w / work.w),
    ),
  ];
};
