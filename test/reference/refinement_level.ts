import type { Round } from '../close.js';

/**
 * A level of a frame [h w 3] with its hole [h w]; the share is what `visibility` is decided from. Without
 * sigma, near is all 0.
 */
export function refinementLevel(
  frame: ArrayLike<number>,
  hole: ArrayLike<number>,
  h: number,
  w: number,
  factor: number,
  sigma: number | undefined,
  round: Round,
): { colour: Float64Array; share: Float64Array; near: Float64Array } {
  const [rows, columns] = [h / factor, w / factor];
  const cells = rows * columns;
  const share = new Float64Array(cells);
  const mean = new Float64Array(cells * 3);
  for (let i = 0; i < h * w; i++) {
    const visibility = 1 - (hole[i] as number);
    if (visibility === 0) continue;
    const row = Math.floor(Math.floor(i / w) / factor);
    const cell = row * columns + Math.floor((i % w) / factor);
    share[cell] = round((share[cell] as number) + visibility / factor ** 2);
    for (let c = 0; c < 3; c++) {
      const part = round((visibility * (frame[3 * i + c] as number)) / factor ** 2);
      mean[3 * cell + c] = round((mean[3 * cell + c] as number) + part);
    }
  }

  /** Sum of the plane's channel c of n around a cell, each by its weight; zeros outside. */
  const around = (
    plane: ArrayLike<number>,
    cell: number,
    radius: number,
    weight: (i: number) => number,
    n = 1,
    c = 0,
  ) => {
    const [y, x] = [Math.floor(cell / columns), cell % columns];
    let sum = 0;
    for (let v = Math.max(0, y - radius); v <= Math.min(rows - 1, y + radius); v++) {
      for (let u = Math.max(0, x - radius); u <= Math.min(columns - 1, x + radius); u++) {
        const value = plane[(v * columns + u) * n + c] as number;
        sum = round(sum + round(round(weight(v - y) * weight(u - x)) * value));
      }
    }
    return sum;
  };
  const binomial = (i: number) => ([1, 2, 1][i + 1] as number) / 4;
  const s = (sigma ?? 0) / factor;
  const gaussian = (i: number) => round(Math.exp(-(i ** 2) / (2 * s ** 2)));
  const radius = Math.floor(2.5 * s + 0.5);

  const colour = new Float64Array(cells * 3);
  const near = new Float64Array(cells);
  const hidden = share.map((it) => (it > 0.6 ? 0 : 1));
  const ones = new Float64Array(cells).fill(1);
  for (let i = 0; i < cells; i++) {
    const weight = Math.max(around(share, i, 1, binomial), 1e-6);
    for (let c = 0; c < 3; c++)
      colour[3 * i + c] = round(around(mean, i, 1, binomial, 3, c) / weight);
    if (sigma === undefined) continue;
    const all = around(ones, i, radius, gaussian);
    near[i] = round(0.01 + round(around(hidden, i, radius, gaussian) / all));
  }
  return { colour, share, near };
}
