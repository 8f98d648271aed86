import type { Round } from '../close.js';

/** What the pooling reads: maps [r h w c], [r h w], [r dh dw], [r dh dw c], [h w c], [h w]. */
export interface TemporalPool {
  readonly r: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly dh: number;
  readonly dw: number;
  readonly scale: number;
  readonly aligned: ArrayLike<number>;
  readonly visibility: ArrayLike<number>;
  readonly distance: ArrayLike<number>;
  readonly offset?: ArrayLike<number> | undefined;
  readonly target: ArrayLike<number>;
  readonly targetVisibility: ArrayLike<number>;
  readonly doubt?: number | undefined;
  readonly slope?: number | undefined;
}

/** The two places of an axis around place i of `out`, and what the second weighs. */
function around(i: number, size: number, out: number): [first: number, last: number, t: number] {
  const at = Math.min(Math.max(((i + 0.5) * size) / out - 0.5, 0), size - 1);
  const first = Math.floor(at);
  return [first, Math.min(first + 1, size - 1), at - first];
}

/** filled [h w c], borrowed [h w], known [h w]. */
export function temporalPool(p: TemporalPool, round: Round) {
  const cells = p.h * p.w;
  const filled = new Float64Array(cells * p.c);
  const borrowed = new Float64Array(cells);
  const known = new Float64Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    const [top, bottom, dy] = around(Math.floor(cell / p.w), p.dh, p.h);
    const [left, right, dx] = around(cell % p.w, p.dw, p.w);
    const enlarged = (map: ArrayLike<number>, r: number, c = 1, k = 0) => {
      const at = (y: number, x: number) => map[((r * p.dh + y) * p.dw + x) * c + k] as number;
      const mix = (a: number, b: number, t: number) => round(round(a * (1 - t)) + round(b * t));
      return mix(
        mix(at(top, left), at(bottom, left), dy),
        mix(at(top, right), at(bottom, right), dy),
        dx,
      );
    };
    const own = p.targetVisibility[cell] as number;
    const who = Array.from({ length: p.r }, (_, r) => r).filter(
      (r) => p.visibility[r * cells + cell],
    );
    const distances = who.map((r) => enlarged(p.distance, r));
    const logits = distances.map((distance) => round(-p.scale * distance));
    const weights = logits.map((logit) => round(Math.exp(logit - Math.max(...logits))));
    const total = weights.reduce((sum, v) => round(sum + v), 0);
    const mean = (values: readonly number[]) =>
      values.reduce((sum, v, i) => {
        const share = round((weights[i] as number) / total);
        return round(sum + round(share * v));
      }, 0);
    borrowed[cell] = own === 0 && who.length > 0 ? 1 : 0;
    const { doubt, slope = 0 } = p;
    const logit = doubt === undefined ? 0 : round(slope * round(doubt - mean(distances)));
    const trust = doubt === undefined ? 1 : round(1 / round(1 + round(Math.exp(-logit))));
    known[cell] = Math.max(own, (borrowed[cell] as number) * trust);
    for (let k = 0; k < p.c; k++) {
      const values = who.map((r) => {
        const value = p.aligned[(r * cells + cell) * p.c + k] as number;
        return round(value + (p.offset ? enlarged(p.offset, r, p.c, k) : 0));
      });
      filled[cell * p.c + k] = own ? (p.target[cell * p.c + k] as number) : mean(values);
    }
  }
  return { filled, borrowed, known };
}
