import type { Round } from '../close.js';

/** unary and state [h w], colour [h w 3]. */
export interface MeanField {
  readonly h: number;
  readonly w: number;
  readonly radius: number;
  readonly weight: number;
  readonly range: number;
  readonly spread: number;
  readonly unary: ArrayLike<number>;
  readonly state: ArrayLike<number>;
  readonly colour: ArrayLike<number>;
}

/** [h w]. */
export function meanField(p: MeanField, round: Round): Float64Array {
  const { h, w, radius } = p;
  const output = new Float64Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let [sum, total] = [0, 0];
      for (let v = Math.max(y - radius, 0); v <= Math.min(y + radius, h - 1); v++) {
        for (let u = Math.max(x - radius, 0); u <= Math.min(x + radius, w - 1); u++) {
          if (v === y && u === x) continue;
          let square = 0;
          for (let c = 0; c < 3; c++) {
            const [own, other] = [p.colour[(y * w + x) * 3 + c], p.colour[(v * w + u) * 3 + c]];
            const d = round((own as number) - (other as number));
            square = round(square + round(d * d));
          }
          const way = round(p.spread * ((v - y) ** 2 + (u - x) ** 2));
          const k = round(Math.exp(-round(round(p.range * square) + way)));
          const side = round(Math.tanh(round((p.state[v * w + u] as number) / 2)));
          sum = round(sum + round(k * side));
          total = round(total + k);
        }
      }
      const mean = round(sum / round(total + 1e-6));
      output[y * w + x] = round((p.unary[y * w + x] as number) + round(p.weight * mean));
    }
  }
  return output;
}
