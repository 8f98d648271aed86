import type { Round } from '../close.js';

/** x [cells c] / max(|x|, 1e-12), cell by cell. */
export function normalize(x: ArrayLike<number>, c: number, round: Round): Float64Array {
  const out = new Float64Array(x.length);
  for (let cell = 0; cell < x.length; cell += c) {
    let sum = 0;
    for (let i = 0; i < c; i++) sum = round(sum + round((x[cell + i] as number) ** 2));
    const length = Math.max(round(Math.sqrt(sum)), 1e-12);
    for (let i = 0; i < c; i++) out[cell + i] = round((x[cell + i] as number) / length);
  }
  return out;
}
