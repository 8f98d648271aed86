import type { Region, Size } from '../ops/window.js';

/**
 * A region and `by` pixels around it, within its plane: what a layer reads that makes the region.
 */
export function grow({ y, x, h, w }: Region, by: number, plane: Size): Region {
  const [top, left] = [Math.max(0, y - by), Math.max(0, x - by)];
  return {
    y: top,
    x: left,
    h: Math.min(plane.h, y + h + by) - top,
    w: Math.min(plane.w, x + w + by) - left,
  };
}

/** The pixels of the plane of half the size that a region lies on. */
export function halve({ y, x, h, w }: Region): Region {
  const [top, left] = [Math.floor(y / 2), Math.floor(x / 2)];
  return { y: top, x: left, h: Math.ceil((y + h) / 2) - top, w: Math.ceil((x + w) / 2) - left };
}
