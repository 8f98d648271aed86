import type { Round } from '../close.js';

/** Sizes of a level, of the places that are compared, and how it is refined. */
export interface GaussNewton {
  readonly h: number;
  readonly w: number;
  readonly rows: number;
  readonly columns: number;
  readonly steps: number;
  readonly robust: number;
  readonly anchor?: {
    readonly theta: ArrayLike<number>;
    readonly box: {
      readonly y: number;
      readonly x: number;
      readonly h: number;
      readonly w: number;
    };
    readonly within: number;
  };
}

/** A pixel that both frames show: where it is, where it is taken, what it counts. */
interface Pixel {
  readonly x: number;
  readonly y: number;
  readonly u: number;
  readonly v: number;
  readonly d: number;
  readonly m: number;
  /** Difference, of each channel. */
  readonly r: number[];
  readonly gx: number[];
  readonly gy: number[];
}

/** Where theta [3 3] takes a position, and at what depth. */
export function place(
  theta: ArrayLike<number>,
  x: number,
  y: number,
): [u: number, v: number, d: number] {
  const row = (i: number) =>
    (theta[i] as number) * x + (theta[i + 1] as number) * y + (theta[i + 2] as number);
  const d = Math.max(row(6), 0.1);
  return [row(0) / d, row(3) / d, d];
}

/** Solves a x = b by elimination with pivots; a [n n] row major. */
function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const rows = Array.from({ length: n }, (_, i) => [
    ...a.subarray(n * i, n * i + n),
    b[i] as number,
  ]);
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let k = i + 1; k < n; k++) if (Math.abs(at(k, i)) > Math.abs(at(pivot, i))) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot] as number[], rows[i] as number[]];
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const factor = at(k, i) / at(i, i);
      rows[k] = (rows[k] as number[]).map((v, j) => v - factor * at(i, j));
    }
  }
  return Float64Array.from({ length: n }, (_, i) => at(i, n) / at(i, i));
}

/**
 * One level [h w 4] of the refinement of one reference, near [rows columns]; the mismatch is that
 * before the anchor is asked.
 */
export function gaussNewton(
  theta: ArrayLike<number>,
  target: ArrayLike<number>,
  reference: ArrayLike<number>,
  near: ArrayLike<number>,
  p: GaussNewton,
  round: Round,
): { theta: Float64Array; mismatch: number } {
  const { h, w, rows, columns, steps, robust } = p;
  const at = (list: ArrayLike<number>, i: number) => list[i] as number;
  const slopes = (dy: number, dx: number, factor: number) => {
    const out = new Float64Array(4 * h * w);
    for (let y = dy; y < h - dy; y++) {
      for (let x = dx; x < w - dx; x++) {
        for (let c = 0; c < 3; c++) {
          const after = at(reference, 4 * ((y + dy) * w + x + dx) + c);
          const before = at(reference, 4 * ((y - dy) * w + x - dx) + c);
          out[4 * (y * w + x) + c] = round((after - before) * factor);
        }
      }
    }
    return out;
  };
  const across = slopes(0, 1, w / 4);
  const down = slopes(1, 0, h / 4);

  /** Channel c of the reference between its pixels. */
  const sample = (plane: ArrayLike<number>, y: number, x: number, c: number) => {
    const [row, column] = [Math.floor(y), Math.floor(x)];
    let sum = 0;
    for (const [dy, dx] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const [sy, sx] = [row + dy, column + dx];
      const weight = (dy ? y - row : 1 - (y - row)) * (dx ? x - column : 1 - (x - column));
      sum = round(sum + round(weight * at(plane, (sy * w + sx) * 4 + c)));
    }
    return sum;
  };
  const absolute = (r: readonly number[]) =>
    round(r.reduce((sum, v) => round(sum + Math.abs(v)), 0) / 3);

  /** Pixels that both show, their residuals less the mean; and how well they fit. */
  const compare = (t: ArrayLike<number>) => {
    let pixels: Pixel[] = [];
    for (let i = 0; i < rows * columns; i++) {
      const middle = (k: number, apart: number) => k * apart + Math.floor(apart / 2);
      const row = middle(Math.floor(i / columns), h / rows);
      const column = middle(i % columns, w / columns);
      const x = ((column + 0.5) * 2) / w - 1;
      const y = ((row + 0.5) * 2) / h - 1;
      const own = 4 * (row * w + column);
      const [u, v, d] = place(t, x, y);
      const [px, py] = [((u + 1) * w - 1) / 2, ((v + 1) * h - 1) / 2];
      if (!(px >= 1 && px <= w - 2 && py >= 1 && py <= h - 2)) continue;
      if (!(sample(reference, py, px, 3) > 0.99)) continue;
      const m = round(at(target, own + 3) * at(near, i));
      if (!(m > 0)) continue;
      const each = (plane: ArrayLike<number>) => [0, 1, 2].map((c) => sample(plane, py, px, c));
      const r = each(reference).map((s, c) => round(s - at(target, own + c)));
      pixels.push({ x, y, u, v, d, m, r, gx: each(across), gy: each(down) });
    }
    const total = (of: (pixel: Pixel) => number) =>
      pixels.reduce((sum, pixel) => round(sum + round(pixel.m * of(pixel))), 0);
    const count = Math.max(
      1e-3,
      total(() => 1),
    );
    const mean = [0, 1, 2].map((c) => round(total(({ r }) => at(r, c)) / count));
    pixels = pixels.map((it) => ({ ...it, r: it.r.map((v, c) => round(v - at(mean, c))) }));
    const size = round(total(({ r }) => absolute(r)) / count);
    const rare = pixels.length < 0.05 * rows * columns ? 0.3 : 0;
    const clipped = total(({ r }) => Math.min(absolute(r), 0.1));
    const finite = Array.from(t).every(Number.isFinite);
    return { pixels, size, mismatch: finite ? round(clipped / count) + rare : 1 };
  };

  const start = Float64Array.from(theta);
  let now = start;
  for (let step = 0; step < steps; step++) {
    const { pixels, size } = compare(now);
    const sigma = robust * size + 0.01;
    const hessian = new Float64Array(64);
    const right = new Float64Array(8);
    for (const { x, y, u, v, d, m, r, gx, gy } of pixels) {
      const square = r.reduce((sum, it) => sum + it ** 2, 0) / 3;
      const weight = round(m / (1 + square / sigma ** 2) ** 2);
      for (let c = 0; c < 3; c++) {
        const [a, b] = [at(gx, c), at(gy, c)];
        const z = -(a * u + b * v);
        const j = [a * x, a * y, a, b * x, b * y, b, z * x, z * y].map((it) => round(it / d));
        for (let row = 0; row < 8; row++) {
          const part = round(weight * at(j, row));
          right[row] = round(at(right, row) + round(part * at(r, c)));
          for (let column = 0; column < 8; column++) {
            const k = 8 * row + column;
            hessian[k] = round(at(hessian, k) + round(part * at(j, column)));
          }
        }
      }
    }
    const largest = Math.max(...[0, 9, 18, 27, 36, 45, 54, 63].map((i) => at(hessian, i)));
    for (let i = 0; i < 64; i += 9)
      hessian[i] = at(hessian, i) * (1 + 1e-3) + largest * 1e-6 + 1e-6;
    if (!(pixels.length > 0.05 * rows * columns)) break;
    const delta = solve(hessian, right);
    now = now.map((it, i) =>
      i < 8 ? round(it - Math.min(Math.max(at(delta, i), -0.1), 0.1)) : it,
    );
  }
  const [before, after] = [compare(start).mismatch, compare(now).mismatch];
  const [kept, mismatch] = after < before ? [now, after] : [start, before];
  if (!p.anchor) return { theta: kept, mismatch };
  const { theta: anchor, box, within } = p.anchor;
  const moves = [0, 1, 2, 3].map((k) => {
    const x = ((box.x + (k % 2) * box.w) * 2) / w - 1;
    const y = ((box.y + Math.floor(k / 2) * box.h) * 2) / h - 1;
    const [[u, v], [anchorU, anchorV]] = [place(kept, x, y), place(anchor, x, y)];
    return Math.hypot(((u - anchorU) * w) / 2, ((v - anchorV) * h) / 2);
  });
  const take = moves.every((it) => it < within) || mismatch < 0.9 * compare(anchor).mismatch;
  return { theta: take ? kept : Float64Array.from(anchor), mismatch };
}
