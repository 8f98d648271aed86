import type { Round } from '../close.js';
import type { Plane } from '../random.js';

/**
 * A frame [h w c] with its hole filled, bytes not yet rounded: (y + 1) 127.5; and the coverage:
 * hole pixels, and those of them that are known.
 */
export function composite(
  y: Plane,
  known: Plane,
  frame: ArrayLike<number>,
  visibility: ArrayLike<number>,
  w: number,
  c: number,
  bytes: boolean,
  round: Round,
): { frame: Float64Array; coverage: [number, number] } {
  const out = Float64Array.from(frame);
  const coverage: [number, number] = [0, 0];
  const index = (plane: Plane, pixel: number) => {
    const [row, column] = [Math.floor(pixel / w) - plane.y, (pixel % w) - plane.x];
    const inside = row >= 0 && row < plane.h && column >= 0 && column < plane.w;
    return inside ? row * plane.w + column : -1;
  };
  for (let pixel = 0; pixel < visibility.length; pixel++) {
    if (visibility[pixel]) continue;
    coverage[0]++;
    const at = index(y, pixel);
    if (at < 0) continue;
    const certain = index(known, pixel);
    if (certain >= 0 && (known.data[certain] as number) > 0.5) coverage[1]++;
    for (let k = 0; k < 3; k++) {
      const value = Math.min(Math.max(y.data[at * 3 + k] as number, -1), 1);
      out[pixel * c + k] = bytes ? round(round(value + 1) * 127.5) : value;
    }
  }
  return { frame: out, coverage };
}
