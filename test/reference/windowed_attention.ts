import type { Round } from '../close.js';

/** Sizes and maps of {@link windowedAttention}, of r references one after another. */
export interface WindowedAttentionCase {
  readonly r: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly scale: number;
  readonly pool: number;
  readonly sigma: number;
  readonly reach: number;
  readonly x: Float32Array;
  readonly query: Float32Array;
  readonly keys: Float32Array;
  readonly visibility: Float32Array;
  readonly colours: Float32Array;
  readonly offset: Float32Array;
  readonly distance: Float32Array;
}

/** [h w 4] */
export function windowedAttention(p: WindowedAttentionCase, round: Round): Float64Array {
  const { r, h, w, c, scale, pool, sigma, reach } = p;
  const unit = (map: Float32Array, cell: number) => {
    const v = [...map.subarray(cell * c, cell * c + c)];
    const square = v.reduce((sum, value) => round(sum + round(value * value)), 0);
    return v.map((value) => round(value / Math.max(round(Math.sqrt(square)), 1e-12)));
  };
  const out = new Float64Array(h * w * 4);
  for (let cell = 0; cell < h * w; cell++) {
    if (!((p.query[cell] as number) > 0.5)) continue;
    const asked = unit(p.x, cell);
    const found: { score: number; key: number }[] = [];
    for (let key = 0; key < r * h * w; key++) {
      const place = key % (h * w);
      const dy = Math.floor(place / w) - Math.floor(cell / w);
      const dx = (place % w) - (cell % w);
      if (Math.abs(dy) > reach || Math.abs(dx) > reach) continue;
      if (!((p.visibility[key] as number) > 0.5)) continue;
      const dot = unit(p.keys, key).reduce(
        (sum, v, k) => round(sum + round(v * (asked[k] as number))),
        0,
      );
      const near = round((dy * dy + dx * dx) / (2 * sigma * sigma));
      const off = round(pool * (p.distance[key - place + cell] as number));
      found.push({ score: round(round(round(scale * dot) - near) - off), key });
    }
    if (found.length === 0) continue;
    const largest = found.reduce((a, { score }) => Math.max(a, score), Number.NEGATIVE_INFINITY);
    const weights = found.map(({ score }) => round(Math.exp(round(score - largest))));
    const total = weights.reduce((sum, v) => round(sum + v), 0);
    for (let k = 0; k < 3; k++) {
      const sum = found.reduce((sum, { key }, i) => {
        const colour = round(
          (p.colours[key * 3 + k] as number) + (p.offset[key * 3 + k] as number),
        );
        return round(sum + round((weights[i] as number) * colour));
      }, 0);
      out[cell * 4 + k] = round(sum / total);
    }
    out[cell * 4 + 3] = 1;
  }
  return out;
}
