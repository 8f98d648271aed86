import type { Round } from '../close.js';

/** What the pooling reads: maps [r cells c], [r cells], [r], [r c], [cells c], [cells]. */
export interface TemporalPool {
  readonly r: number;
  readonly cells: number;
  readonly c: number;
  readonly scale: number;
  readonly aligned: ArrayLike<number>;
  readonly seen: ArrayLike<number>;
  readonly distance: ArrayLike<number>;
  readonly offset?: ArrayLike<number> | undefined;
  readonly target?: ArrayLike<number> | undefined;
  readonly targetSeen?: ArrayLike<number> | undefined;
}

/** filled [cells c], borrowed [cells], known [cells]. */
export function temporalPool(p: TemporalPool, round: Round) {
  const filled = new Float64Array(p.cells * p.c);
  const borrowed = new Float64Array(p.cells);
  const known = new Float64Array(p.cells);
  for (let cell = 0; cell < p.cells; cell++) {
    const own = p.targetSeen?.[cell] ?? 0;
    const who = Array.from({ length: p.r }, (_, r) => r).filter((r) => p.seen[r * p.cells + cell]);
    borrowed[cell] = own === 0 && who.length > 0 ? 1 : 0;
    known[cell] = Math.max(own, borrowed[cell] as number);
    const logits = who.map((r) => round(-p.scale * (p.distance[r] as number)));
    const weights = logits.map((logit) => round(Math.exp(logit - Math.max(...logits))));
    const total = weights.reduce((sum, v) => round(sum + v), 0);
    for (let k = 0; k < p.c; k++) {
      let sum = 0;
      who.forEach((r, i) => {
        const value = p.aligned[(r * p.cells + cell) * p.c + k] as number;
        const share = round((weights[i] as number) / total);
        sum = round(sum + round(share * round(value - (p.offset?.[r * p.c + k] ?? 0))));
      });
      filled[cell * p.c + k] = own ? (p.target?.[cell * p.c + k] as number) : sum;
    }
  }
  return { filled, borrowed, known };
}
