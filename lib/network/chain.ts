import type { Tensor } from '../tensor.js';

/**
 * Puts x through the steps. What a step made is freed as soon as the next is queued, so that only
 * two maps are in memory at a time; x stays the caller's.
 */
export function chain(x: Tensor, ...steps: ((x: Tensor) => Tensor)[]): Tensor {
  return steps.reduce((from, step) => {
    const to = step(from);
    if (from !== x) from.dispose();
    return to;
  }, x);
}
