import type { Round } from '../close.js';

/** Of one aligned map [cells c]. */
export function frameDistance(
  aligned: ArrayLike<number>,
  seen: ArrayLike<number>,
  target: ArrayLike<number>,
  targetSeen: ArrayLike<number>,
  c: number,
  round: Round,
): { distance: number; difference: Float64Array } {
  let count = 0;
  let squares = 0;
  const difference = new Float64Array(c);
  for (let cell = 0; cell < seen.length; cell++) {
    if (!(seen[cell] && targetSeen[cell])) continue;
    count++;
    for (let k = 0; k < c; k++) {
      const d = round((aligned[cell * c + k] as number) - (target[cell * c + k] as number));
      difference[k] = round((difference[k] as number) + d);
      squares = round(squares + round((d * d) / c));
    }
  }
  count = Math.max(1, count);
  const distance = round(Math.sqrt(squares / count + 1e-8));
  return { distance, difference: difference.map((sum) => round(sum / count)) };
}
