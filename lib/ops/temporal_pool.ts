import { InpaintError } from '../errors.js';
import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxReferences } from './window.js';

/** What {@link temporalPool} reads. */
export interface TemporalPoolInputs {
  /** [r h w c]. */
  readonly aligned: Tensor;
  /** [r h w 1], 0 or 1. */
  readonly seen: Tensor;
  /** [r], from frameDistance. */
  readonly distance: Tensor;
  /** Inverse temperature over references, 0 to 1e6. */
  readonly scale: number;
  /** [r, c], taken off the aligned maps; default none. */
  readonly offset?: Tensor;
  /** [1 h w c]; without it all of the target is hidden. */
  readonly target?: Tensor;
  /** [1 h w 1], 0 or 1; given together with target. */
  readonly targetSeen?: Tensor;
}

/** What {@link temporalPool} gives. */
export interface TemporalPooled {
  /** [1 h w c]. */
  readonly filled: Tensor;
  /** [1 h w 1]: 1 where the target is hidden and some reference is seen. */
  readonly borrowed: Tensor;
  /** [1 h w 1]: 1 where the target is seen or borrowed. */
  readonly known: Tensor;
}

/**
 * Pools aligned references over time into what the target lacks, weighted by how well each matches
 * the target:
 *
 *   S[r, p] = softmax over r with seen[r, p] of (-scale distance[r])
 *   borrowed[p] = (1 - targetSeen[p]) (any seen[r, p])
 *   filled[p, c] = targetSeen[p] target[p, c] +
 *     borrowed[p] sum over r of S[r, p] (aligned[r, p, c] - offset[r, c])
 *   known[p] = max(targetSeen[p], borrowed[p])
 *
 * Source: temporal softmax pooling and coarse fill, paper 3.1.2; the offset is ours.
 *
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function temporalPool(from: TemporalPoolInputs): TemporalPooled {
  const op = 'temporalPool';
  expectObject(op, 'inputs', from);
  const { aligned, seen, distance, scale, offset, target, targetSeen } = from;
  const { r, h, w, c } = expectShape(op, 'aligned', aligned, 'r h w c');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectShape(op, 'seen', seen, 'r h w 1', { r, h, w });
  expectShape(op, 'distance', distance, 'r', { r });
  expectNumber(op, 'scale', scale, 0, 1e6);
  if (offset !== undefined) expectShape(op, 'offset', offset, 'r c', { r, c });
  if ((target === undefined) !== (targetSeen === undefined)) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected target and targetSeen together, got one of them',
    );
  }
  if (target !== undefined) expectShape(op, 'target', target, '1 h w c', { h, w, c });
  if (targetSeen !== undefined) expectShape(op, 'targetSeen', targetSeen, '1 h w 1', { h, w });
  const inputs = [aligned, seen, distance, offset, target, targetSeen];
  expectSameDevice(op, inputs);
  const [filled, borrowed, known] = enqueue(
    'temporal_pool',
    inputs,
    [{ shape: [1, h, w, c] }, { shape: [1, h, w, 1] }, { shape: [1, h, w, 1] }],
    { scale },
  ) as [Tensor, Tensor, Tensor];
  return { filled, borrowed, known };
}
