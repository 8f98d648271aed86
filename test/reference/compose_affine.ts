import type { Round } from '../close.js';

/** outer o (identity + delta), outer [r 3 3], delta [r 6]. */
export function composeAffine(
  outer: ArrayLike<number> | undefined,
  delta: ArrayLike<number>,
  round: Round,
): Float64Array {
  const count = delta.length / 6;
  const out = new Float64Array(9 * count);
  for (let r = 0; r < count; r++) {
    const inner = [1, 0, 0, 0, 1, 0, 0, 0, 1].map((identity, i) =>
      i < 6 ? round(identity + (delta[6 * r + i] as number)) : identity,
    );
    for (let i = 0; i < 9; i++) {
      const terms = [0, 1, 2].map((k) => {
        const left = outer
          ? (outer[9 * r + i - (i % 3) + k] as number)
          : +(k === (i - (i % 3)) / 3);
        return round(left * (inner[3 * k + (i % 3)] as number));
      });
      out[9 * r + i] = terms.reduce((sum, term) => round(sum + term));
    }
  }
  return out;
}
