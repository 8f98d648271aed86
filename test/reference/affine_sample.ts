import type { Round } from '../close.js';

/** Sizes of a source, and of what is sampled from it. */
export interface AffineSample {
  readonly sourceH: number;
  readonly sourceW: number;
  readonly sourceC: number;
  readonly extent: { readonly h: number; readonly w: number };
  readonly region: {
    readonly y: number;
    readonly x: number;
    readonly h: number;
    readonly w: number;
  };
}

/**
 * `channels` of a source under theta [2 3], zeros outside: [h w channels]. Visibility is one more
 * such map.
 */
export function affineSample(
  source: ArrayLike<number>,
  theta: ArrayLike<number>,
  p: AffineSample,
  channels: number,
  round: Round,
): Float64Array {
  const { extent, region } = p;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = Array.from(theta);
  const out = new Float64Array(region.h * region.w * channels);
  for (let i = 0; i < region.h * region.w; i++) {
    const x = (((i % region.w) + region.x + 0.5) * 2) / extent.w - 1;
    const y = ((Math.floor(i / region.w) + region.y + 0.5) * 2) / extent.h - 1;
    const px = round(((a * x + b * y + c + 1) * extent.w - 1) / 2);
    const py = round(((d * x + e * y + f + 1) * extent.h - 1) / 2);
    const [row, column] = [Math.floor(py), Math.floor(px)];
    for (const [dy, dx] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const [sy, sx] = [row + dy, column + dx];
      if (!(sy >= 0 && sy < p.sourceH && sx >= 0 && sx < p.sourceW)) continue;
      const weight = round(
        (dy ? py - row : 1 - (py - row)) * (dx ? px - column : 1 - (px - column)),
      );
      for (let k = 0; k < channels; k++) {
        const value = source[(sy * p.sourceW + sx) * p.sourceC + k] as number;
        out[i * channels + k] = round((out[i * channels + k] as number) + round(weight * value));
      }
    }
  }
  return out;
}
