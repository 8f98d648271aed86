import { nonlocalAttention } from '../ops/nonlocal_attention.js';
import type { Tensor } from '../tensor.js';
import type { Aligned, Coarse } from './align.js';

/**
 * Refines the borrowed cells by what the references show anywhere.
 *
 * Source: non-local attention, paper 3.1.3.
 *
 * @param scale inverse temperature over positions
 * @returns [1 h/4 w/4 c]
 */
export function attend(
  coarse: Pick<Coarse, 'features' | 'borrowed'>,
  references: readonly Pick<Aligned, 'features' | 'featuresSeen'>[],
  scale: number,
): Tensor {
  const features = references.map((it) => it.features);
  const seen = references.map((it) => it.featuresSeen);
  return nonlocalAttention(coarse.features, coarse.borrowed, features, seen, scale);
}
