import type { Round } from '../close.js';

/** outer o (identity + delta), each [r 2 3]. */
export function composeAffine(
  outer: ArrayLike<number> | undefined,
  delta: ArrayLike<number>,
  round: Round,
): Float64Array {
  const out = new Float64Array(delta.length);
  for (let r = 0; r < delta.length; r += 6) {
    const at = (list: ArrayLike<number>, i: number) => list[r + i] as number;
    const inner = [1, 0, 0, 0, 1, 0].map((identity, i) => round(identity + at(delta, i)));
    for (let i = 0; i < 6; i++) {
      if (!outer) {
        out[r + i] = inner[i] as number;
        continue;
      }
      const row = i < 3 ? 0 : 3;
      const column = i % 3;
      const first = round(at(outer, row) * (inner[column] as number));
      const second = round(at(outer, row + 1) * (inner[column + 3] as number));
      out[r + i] = round(round(first + second) + (column === 2 ? at(outer, row + 2) : 0));
    }
  }
  return out;
}
