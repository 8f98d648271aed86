// Regions of small pictures: bytes, not 0 inside.

import type { Size } from '../ops/window.js';

/** Where a mask is more than half. */
export function regionOf(object: Float32Array): Uint8Array {
  return Uint8Array.from(object, (v) => (v > 0.5 ? 1 : 0));
}

/** What lies within `radius` pixels of the region, in either direction. */
export function dilate(region: Uint8Array, { h, w }: Size, radius: number): Uint8Array {
  const along = (from: Uint8Array, count: number, step: number, lines: number, next: number) => {
    const to = new Uint8Array(from.length);
    for (let line = 0; line < lines; line++) {
      const start = line * next;
      let end = -1;
      for (let i = 0; i < Math.min(radius, count); i++)
        if (from[start + i * step]) end = i + radius;
      for (let i = 0; i < count; i++) {
        if (i + radius < count && from[start + (i + radius) * step]) end = i + 2 * radius;
        if (i <= end) to[start + i * step] = 1;
      }
    }
    return to;
  };
  return along(along(region, w, 1, h, w), h, w, w, 1);
}

/** Parts that do not touch: of each pixel its part, from 1; 0 outside. */
export function parts(region: Uint8Array, { h, w }: Size): { part: Uint16Array; count: number } {
  const part = new Uint16Array(region.length);
  const queue = new Int32Array(region.length);
  let count = 0;
  for (let seed = 0; seed < region.length; seed++) {
    if (!region[seed] || part[seed]) continue;
    count = Math.min(count + 1, 65535);
    let [head, tail] = [0, 0];
    queue[tail++] = seed;
    part[seed] = count;
    while (head < tail) {
      const at = queue[head++] as number;
      const [y, x] = [Math.floor(at / w), at % w];
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, h - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, w - 1); u++) {
          const next = v * w + u;
          if (!region[next] || part[next]) continue;
          part[next] = count;
          queue[tail++] = next;
        }
      }
    }
  }
  return { part, count };
}

/** Where a region is, and how large. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly area: number;
}

/** The centre of what is more than half, in pixels, and its area; undefined when there is none. */
export function placeOf(object: Float32Array, { w }: Size): Place | undefined {
  let [x, y, area] = [0, 0, 0];
  for (let i = 0; i < object.length; i++) {
    if (!((object[i] as number) > 0.5)) continue;
    x += i % w;
    y += Math.floor(i / w);
    area += 1;
  }
  return area ? { x: x / area + 0.5, y: y / area + 0.5, area } : undefined;
}

/** The parts of a region that come within `gap` pixels of another one, without that one's own. */
export function touching(
  region: Uint8Array,
  start: Uint8Array,
  size: Size,
  gap: number,
): Uint8Array {
  const both = region.map((v, i) => v | (start[i] as number));
  const { part, count } = parts(dilate(both, size, gap - 1), size);
  const wanted = new Uint8Array(count + 1);
  for (let i = 0; i < part.length; i++) if (start[i]) wanted[part[i] as number] = 1;
  return region.map((v, i) => (v && wanted[part[i] as number] ? 1 : 0));
}
