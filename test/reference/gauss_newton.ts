import type { Round } from '../close.js';

interface Map2 {
  readonly h: number;
  readonly w: number;
  readonly data: Float64Array;
}

/** Grey levels of [h w 3], blurred by 1 4 6 4 1 both ways, border repeated. */
function grey(rgb: ArrayLike<number>, h: number, w: number, round: Round): Map2 {
  let data = new Float64Array(h * w);
  const at = (i: number) => rgb[i] as number;
  for (let i = 0; i < h * w; i++) {
    data[i] = round(0.299 * at(3 * i) + 0.587 * at(3 * i + 1) + 0.114 * at(3 * i + 2));
  }
  const inside = (v: number, n: number) => Math.min(Math.max(v, 0), n - 1);
  for (const [stepY, stepX] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const from = data;
    data = new Float64Array(h * w);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        let sum = 0;
        [1, 4, 6, 4, 1].forEach((weight, k) => {
          const [sy, sx] = [inside(y + (k - 2) * stepY, h), inside(x + (k - 2) * stepX, w)];
          sum = round(sum + (weight / 16) * (from[sy * w + sx] as number));
        });
        data[y * w + x] = sum;
      }
    }
  }
  return { h, w, data };
}

/** A value of a map between its pixels, zero outside. */
function sample({ h, w, data }: Map2, y: number, x: number, round: Round): number {
  const [row, column] = [Math.floor(y), Math.floor(x)];
  let sum = 0;
  for (const [dy, dx] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const) {
    const [sy, sx] = [row + dy, column + dx];
    if (!(sy >= 0 && sy < h && sx >= 0 && sx < w)) continue;
    const weight = (dy ? y - row : 1 - (y - row)) * (dx ? x - column : 1 - (x - column));
    sum = round(sum + round(weight * (data[sy * w + sx] as number)));
  }
  return sum;
}

/** Solves a x = b by elimination with pivots; a [6 6] row major. */
function solve(a: Float64Array, b: Float64Array): Float64Array {
  const rows = Array.from({ length: 6 }, (_, i) => [
    ...a.subarray(6 * i, 6 * i + 6),
    b[i] as number,
  ]);
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 0; i < 6; i++) {
    let pivot = i;
    for (let k = i + 1; k < 6; k++) if (Math.abs(at(k, i)) > Math.abs(at(pivot, i))) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot] as number[], rows[i] as number[]];
    for (let k = 0; k < 6; k++) {
      if (k === i) continue;
      const factor = at(k, i) / at(i, i);
      rows[k] = (rows[k] as number[]).map((v, j) => v - factor * at(i, j));
    }
  }
  return Float64Array.from({ length: 6 }, (_, i) => at(i, 6) / at(i, i));
}

/** One level of the refinement of one reference; target and reference [h w 3], theta [2 3]. */
export function gaussNewton(
  theta: ArrayLike<number>,
  target: ArrayLike<number>,
  targetSeen: ArrayLike<number>,
  reference: ArrayLike<number>,
  referenceSeen: ArrayLike<number>,
  h: number,
  w: number,
  steps: number,
  round: Round,
): Float64Array {
  const own = grey(target, h, w, round);
  const other = grey(reference, h, w, round);
  const slope = (dy: number, dx: number, factor: number): Map2 => {
    const data = new Float64Array(h * w);
    for (let y = dy; y < h - dy; y++) {
      for (let x = dx; x < w - dx; x++) {
        const [after, before] = [
          other.data[(y + dy) * w + x + dx],
          other.data[(y - dy) * w + x - dx],
        ];
        data[y * w + x] = round(((after as number) - (before as number)) * factor);
      }
    }
    return { h, w, data };
  };
  const across = slope(0, 1, w / 4);
  const down = slope(1, 0, h / 4);
  const seen: Map2 = { h, w, data: Float64Array.from(referenceSeen) };

  /** Pixels both show: X, Y in [-1, 1], residual less its mean, gradient. And how well they fit. */
  const residuals = (t: Float64Array) => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = t;
    const pixels: { x: number; y: number; r: number; gx: number; gy: number }[] = [];
    for (let i = 0; i < h * w; i++) {
      const x = ((i % w) + 0.5) * (2 / w) - 1;
      const y = (Math.floor(i / w) + 0.5) * (2 / h) - 1;
      const px = ((a * x + b * y + c + 1) * w - 1) / 2;
      const py = ((d * x + e * y + f + 1) * h - 1) / 2;
      if (!((targetSeen[i] as number) > 0.5) || !(sample(seen, py, px, round) > 0.99)) continue;
      const r = round(sample(other, py, px, round) - (own.data[i] as number));
      pixels.push({ x, y, r, gx: sample(across, py, px, round), gy: sample(down, py, px, round) });
    }
    const count = Math.max(1, pixels.length);
    const mean = round(pixels.reduce((sum, { r }) => round(sum + r), 0) / count);
    for (const pixel of pixels) pixel.r = round(pixel.r - mean);
    const absolute = round(pixels.reduce((sum, { r }) => round(sum + Math.abs(r)), 0) / count);
    const clipped = pixels.reduce((sum, { r }) => round(sum + Math.min(Math.abs(r), 0.3)), 0);
    const mismatch = round(clipped / count) + (count < 0.05 * h * w ? 0.3 : 0);
    return { pixels, absolute, mismatch };
  };

  const start = Float64Array.from(theta);
  let now = start;
  for (let step = 0; step < steps; step++) {
    const { pixels, absolute } = residuals(now);
    const sigma = 1.5 * absolute + 1e-3;
    const hessian = new Float64Array(36);
    const right = new Float64Array(6);
    for (const { x, y, r, gx, gy } of pixels) {
      const weight = 1 / (1 + (r / sigma) ** 2);
      const j = [gx * x, gx * y, gx, gy * x, gy * y, gy];
      for (let row = 0; row < 6; row++) {
        const part = weight * (j[row] as number);
        right[row] = round((right[row] as number) + round(part * r));
        for (let column = 0; column < 6; column++) {
          const k = 6 * row + column;
          hessian[k] = round((hessian[k] as number) + round(part * (j[column] as number)));
        }
      }
    }
    for (let i = 0; i < 36; i += 7) hessian[i] = (hessian[i] as number) * (1 + 1e-3) + 1e-4;
    if (!(pixels.length > 0.05 * h * w)) break;
    const step6 = solve(hessian, right);
    now = now.map((v, i) => round(v - Math.min(Math.max(step6[i] as number, -0.1), 0.1)));
  }
  return residuals(now).mismatch < residuals(start).mismatch ? now : start;
}
