import type { Round } from '../close.js';

/** Steps [n 3 3] from each frame to the one before: [r 3 3], from the target to the references. */
export function chainHomographies(
  steps: ArrayLike<number>,
  target: number,
  references: readonly number[],
  round: Round,
): Float64Array {
  const step = (i: number) => Array.from(steps).slice(9 * i, 9 * i + 9);
  const normalised = (a: number[]) => a.map((x) => round(x / (a[8] as number)));
  const product = (a: number[], b: number[]) =>
    a.map((_, i) =>
      [0, 1, 2]
        .map((k) => round((a[i - (i % 3) + k] as number) * (b[3 * k + (i % 3)] as number)))
        .reduce((sum, term) => round(sum + term)),
    );
  const out = references.flatMap((reference) => {
    let chain = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    for (let i = target - 1; i >= reference; i--) chain = normalised(product(step(i), chain));
    for (let i = target; i < reference; i++)
      chain = normalised(product(inverse(step(i), round), chain));
    return chain;
  });
  return Float64Array.from(out);
}

/** By Gauss and Jordan, pivots as they come. */
function inverse(a: number[], round: Round): number[] {
  const rows = [0, 1, 2].map((i) => [
    ...a.slice(3 * i, 3 * i + 3),
    ...[0, 1, 2].map((k) => +(k === i)),
  ]);
  for (let i = 0; i < 3; i++) {
    const pivot = (rows[i] as number[]).map((x) => round(x / (rows[i]?.[i] as number)));
    rows.forEach((row, k) => {
      const factor = row[i] as number;
      rows[k] =
        k === i ? pivot : row.map((x, j) => round(x - round(factor * (pivot[j] as number))));
    });
  }
  return rows.flatMap((row) => row.slice(3));
}
