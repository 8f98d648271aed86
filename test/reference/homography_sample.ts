import type { Round } from '../close.js';

/** [h w c]. */
export interface Sides {
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

/** Where pixel i of a plane lies in another under theta [3 3], in pixels. */
export function placeOf(
  theta: ArrayLike<number>,
  { h, w }: Omit<Sides, 'c'>,
  i: number,
  round: Round,
): [x: number, y: number] {
  const x = round((((i % w) + 0.5) * 2) / w - 1);
  const y = round(((Math.floor(i / w) + 0.5) * 2) / h - 1);
  const row = (k: number) =>
    round(
      round(round((theta[k] as number) * x) + round((theta[k + 1] as number) * y)) +
        (theta[k + 2] as number),
    );
  const d = Math.max(row(6), 0.1);
  const pixels = (u: number, side: number) => round((round(round(u + 1) * side) - 1) / 2);
  return [pixels(round(row(0) / d), w), pixels(round(row(3) / d), h)];
}

/** A source under theta [3 3], zeros outside: [h w c]. Visibility is one more such map. */
export function homographySample(
  source: ArrayLike<number>,
  theta: ArrayLike<number>,
  sides: Sides,
  round: Round,
): Float64Array {
  const { h, w, c } = sides;
  const out = new Float64Array(h * w * c);
  for (let i = 0; i < h * w; i++) {
    const [px, py] = placeOf(theta, sides, i, round);
    const [row, column] = [Math.floor(py), Math.floor(px)];
    for (const [dy, dx] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const [sy, sx] = [row + dy, column + dx];
      if (!(sy >= 0 && sy < h && sx >= 0 && sx < w)) continue;
      const weight = round(
        (dy ? py - row : 1 - (py - row)) * (dx ? px - column : 1 - (px - column)),
      );
      for (let k = 0; k < c; k++) {
        const value = source[(sy * w + sx) * c + k] as number;
        out[i * c + k] = round((out[i * c + k] as number) + round(weight * value));
      }
    }
  }
  return out;
}
