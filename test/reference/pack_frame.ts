import type { Round } from '../close.js';

/** Sizes of the frame as given, scaled, and of the plane. */
export interface PackFrame {
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly scaledH: number;
  readonly scaledW: number;
  readonly planeH: number;
  readonly planeW: number;
  readonly dilate: number;
}

/** [h w]: 0 within the disc around any non-zero mask pixel, 1 elsewhere. */
export function nativeVisibility(
  mask: ArrayLike<number>,
  { h, w, dilate }: PackFrame,
): Float64Array {
  const visibility = new Float64Array(h * w).fill(1);
  for (let i = 0; i < h * w; i++) {
    if (mask[i] === 0) continue;
    const [y, x] = [Math.floor(i / w), i % w];
    for (let dy = -dilate; dy <= dilate; dy++) {
      for (let dx = -dilate; dx <= dilate; dx++) {
        const inside = y + dy >= 0 && y + dy < h && x + dx >= 0 && x + dx < w;
        if (inside && dy * dy + dx * dx <= dilate * dilate) visibility[(y + dy) * w + x + dx] = 0;
      }
    }
  }
  return visibility;
}

/**
 * What each pixel of the plane has of a map [h w c]: pairs of a source pixel and the share of it,
 * by area.
 */
function shares(y: number, x: number, p: PackFrame): [number, number][] {
  const axis = (i: number, from: number, to: number) => {
    const [begin, end] = [(i * from) / to, ((i + 1) * from) / to];
    const parts: [number, number][] = [];
    for (let k = Math.floor((i * from) / to); k * to < (i + 1) * from; k++) {
      parts.push([k, (Math.min(end, k + 1) - Math.max(begin, k)) / (end - begin)]);
    }
    return parts;
  };
  const rows = axis(Math.min(y, p.scaledH - 1), p.h, p.scaledH);
  const columns = axis(Math.min(x, p.scaledW - 1), p.w, p.scaledW);
  return rows.flatMap(([row, down]) =>
    columns.map(([column, across]): [number, number] => [row * p.w + column, down * across]),
  );
}

/** colour [planeH planeW 3] and hole [planeH planeW]. */
export function packFrame(
  frame: ArrayLike<number>,
  mask: ArrayLike<number>,
  p: PackFrame,
  round: Round,
): { colour: Float64Array; hole: Float64Array } {
  const visibility = nativeVisibility(mask, p);
  const colour = new Float64Array(p.planeH * p.planeW * 3);
  const hole = new Float64Array(p.planeH * p.planeW);
  for (let i = 0; i < hole.length; i++) {
    const parts = shares(Math.floor(i / p.planeW), i % p.planeW, p);
    hole[i] = parts.some(([pixel]) => visibility[pixel] === 0) ? 1 : 0;
    for (let k = 0; k < 3; k++) {
      let sum = 0;
      for (const [pixel, share] of parts) {
        sum = round(sum + round((frame[pixel * p.c + k] as number) * round(share)));
      }
      colour[i * 3 + k] = round(round(sum / 127.5) - 1);
    }
  }
  return { colour, hole };
}
