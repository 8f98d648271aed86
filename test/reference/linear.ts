import type { Round } from '../close.js';

/** x [n i], weight [o i], bias [o] -> [n o]. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  n: number,
  i: number,
  o: number,
  round: Round,
): Float64Array {
  const out = new Float64Array(n * o);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < o; column++) {
      let sum = bias[column] as number;
      for (let k = 0; k < i; k++) {
        sum = round(sum + round((x[row * i + k] as number) * (weight[column * i + k] as number)));
      }
      out[row * o + column] = sum;
    }
  }
  return out;
}
