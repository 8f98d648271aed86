import type { Round } from '../close.js';

type Merge = (
  weights: readonly number[],
  total: number,
  values: readonly (readonly number[])[],
  k: number,
  x: number,
  round: Round,
) => number;

const add: Merge = (weights, total, values, k, x, round) => {
  let sum = 0;
  weights.forEach((weight, i) => {
    sum = round(sum + round(weight * (values[i]?.[k] as number)));
  });
  return round(x + round(sum / total));
};

/**
 * As `merge`: how far the average moves at most when weights are rounded to float16, which keeps 11
 * bits of them and, held as 2^15 times what they are of the largest, steps of 2^-39. An error e of a
 * weight moves the average by e (value - average) / total.
 */
export const rounded: Merge = (weights, total, values, k, _, round) => {
  const average = add(weights, total, values, k, 0, round);
  return weights.reduce((sum, weight, i) => {
    const error = 2 ** -11 * weight + 2 ** -40;
    return sum + (error * Math.abs((values[i]?.[k] as number) - average)) / total;
  }, 0);
};

/**
 * x [cells c], query [cells]; references [cells c] and who of each may be asked. Values of cells
 * that do not ask stay those of x.
 */
export function nonlocalAttention(
  x: ArrayLike<number>,
  query: ArrayLike<number>,
  references: readonly ArrayLike<number>[],
  referencesSeen: readonly ArrayLike<number>[],
  c: number,
  scale: number,
  round: Round,
  merge = add,
): Float64Array {
  const vector = (map: ArrayLike<number>, cell: number) =>
    Array.from({ length: c }, (_, k) => map[cell * c + k] as number);
  const unit = (v: number[]) => {
    const square = v.reduce((sum, value) => round(sum + round(value * value)), 0);
    return v.map((value) => round(value / Math.max(round(Math.sqrt(square)), 1e-12)));
  };
  const values = references.flatMap((map, r) =>
    Array.from({ length: query.length }, (_, cell) => cell)
      .filter((cell) => (referencesSeen[r]?.[cell] as number) > 0.5)
      .map((cell) => vector(map, cell)),
  );
  const keys = values.map(unit);
  const out = Float64Array.from(x);
  for (let cell = 0; cell < query.length; cell++) {
    if (!((query[cell] as number) > 0.5) || keys.length === 0) continue;
    const asked = unit(vector(x, cell));
    const scores = keys.map((key) => {
      return round(
        scale * key.reduce((sum, v, k) => round(sum + round(v * (asked[k] as number))), 0),
      );
    });
    const largest = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => round(Math.exp(round(score - largest))));
    const total = weights.reduce((sum, v) => round(sum + v), 0);
    for (let k = 0; k < c; k++) {
      out[cell * c + k] = merge(weights, total, values, k, x[cell * c + k] as number, round);
    }
  }
  return out;
}
