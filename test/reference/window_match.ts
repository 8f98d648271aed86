import type { Round } from '../close.js';

/** Target [h w 3], frames [r h w 3], visibility and labels [r h w]. */
export interface WindowMatch {
  readonly r: number;
  readonly h: number;
  readonly w: number;
  readonly radius: number;
  readonly slope: number;
  readonly toll: number;
  readonly target: ArrayLike<number>;
  readonly frames: ArrayLike<number>;
  readonly visibility: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

const clamp = (i: number, n: number) => Math.min(Math.max(i, 0), n - 1);

/** [h w 2]. */
export function windowMatch(p: WindowMatch, round: Round): Float64Array {
  const { r, h, w, radius } = p;
  const output = new Float64Array(h * w * 2).fill(16);
  const place = (y: number, x: number) => clamp(y, h) * w + clamp(x, w);
  const distance = (k: number, y: number, x: number, dy: number, dx: number) => {
    let sum = 0;
    for (let o = 0; o < 9; o++) {
      const [oy, ox] = [Math.floor(o / 3) - 1, (o % 3) - 1];
      const own = place(y + oy, x + ox);
      const other = k * h * w + place(y + dy + oy, x + dx + ox);
      for (let c = 0; c < 3; c++) {
        const d = round((p.target[own * 3 + c] as number) - (p.frames[other * 3 + c] as number));
        sum = round(sum + round(d * d));
      }
    }
    return round(sum / 9);
  };
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      for (let k = 0; k < r; k++) {
        for (let dy = -radius; dy <= radius; dy++) {
          for (let dx = -radius; dx <= radius; dx++) {
            const [far, qy, qx] = [dy * dy + dx * dx, y + dy, x + dx];
            if (far > radius * radius || qy < 0 || qy >= h || qx < 0 || qx >= w) continue;
            const q = k * h * w + qy * w + qx;
            if (!((p.visibility[q] as number) > 0.5)) continue;
            const way = round(distance(k, y, x, dy, dx) + round(p.slope * far));
            const label = p.labels[q] as number;
            [label, 1 - label].forEach((miss, i) => {
              const at = (y * w + x) * 2 + i;
              output[at] = Math.min(output[at] as number, round(way + round(p.toll * miss)));
            });
          }
        }
      }
    }
  }
  return output;
}
