import type { Round } from '../close.js';

/** Maps [cells c]; the result is [target cell][reference cell] of one reference. */
export function maskedCorrelation(
  target: ArrayLike<number>,
  targetVisibility: ArrayLike<number>,
  reference: ArrayLike<number>,
  referenceVisibility: ArrayLike<number>,
  c: number,
  scale: number,
  round: Round,
): Float64Array {
  const cells = targetVisibility.length;
  const unit = (map: ArrayLike<number>, cell: number) => {
    const vector = Array.from({ length: c }, (_, k) => map[cell * c + k] as number);
    const square = vector.reduce((sum, v) => round(sum + round(v * v)), 0);
    return vector.map((v) => round(v / Math.max(round(Math.sqrt(square)), 1e-12)));
  };
  const keys = Array.from({ length: cells }, (_, i) => unit(reference, i));
  const out = new Float64Array(cells * cells);
  for (let j = 0; j < cells; j++) {
    if (!((targetVisibility[j] as number) > 0.5)) continue;
    const query = unit(target, j);
    const scores = keys.map((key, i) => {
      if (!((referenceVisibility[i] as number) > 0.5)) return -Infinity;
      const product = key.reduce((sum, v, k) => round(sum + round(v * (query[k] as number))), 0);
      return round(scale * product);
    });
    const largest = Math.max(...scores);
    if (largest === -Infinity) continue;
    const weights = scores.map((score) => round(Math.exp(round(score - largest))));
    const total = weights.reduce((sum, v) => round(sum + v), 0);
    for (let i = 0; i < cells; i++) out[j * cells + i] = round((weights[i] as number) / total);
  }
  return out;
}
