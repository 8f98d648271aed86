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
  readonly visibility: Tensor;
  /** [r dh dw 1], from localDistance. */
  readonly distance: Tensor;
  /** Inverse temperature over references, 0 to 1e6. */
  readonly scale: number;
  /** [r dh dw c], added to the aligned maps; default none. */
  readonly offset?: Tensor;
  /** [1 h w c]. */
  readonly target: Tensor;
  /** [1 h w 1], 0 or 1. */
  readonly targetVisibility: Tensor;
  /** The distance at which trust is a half, 0 to 1e6; default none is needed. */
  readonly doubt?: number;
  /** How fast trust falls with the distance, 0 to 1e6; given together with doubt. */
  readonly slope?: number;
}

/** What {@link temporalPool} gives. */
export interface TemporalPooled {
  /** [1 h w c]. */
  readonly filled: Tensor;
  /** [1 h w 1]: 1 where the target is hidden and some reference is seen. */
  readonly borrowed: Tensor;
  /** [1 h w 1]: 1 where the target is seen, where it is borrowed the trust in that. */
  readonly known: Tensor;
}

/**
 * Pools aligned references over time into what the target lacks, weighted by how well each matches
 * the target around the place. With distance D and offset O brought to h x w (see resize, bilinear):
 *
 *   S[r, p] = softmax over r with visibility[r, p] of (-scale D[r, p])
 *   borrowed[p] = (1 - targetVisibility[p]) (any visibility[r, p])
 *   filled[p, c] = targetVisibility[p] target[p, c] +
 *     borrowed[p] sum over r of S[r, p] (aligned[r, p, c] + O[r, p, c])
 *   trust[p] = sigmoid(slope (doubt - sum over r of S[r, p] D[r, p])),   1 without doubt
 *   known[p] = max(targetVisibility[p], borrowed[p] trust[p])
 *
 * Source: temporal softmax pooling and coarse fill, paper 3.1.2; places, offset and trust are ours.
 *
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function temporalPool(from: TemporalPoolInputs): TemporalPooled {
  const op = 'temporalPool';
  expectObject(op, 'inputs', from);
  const { aligned, visibility, distance, scale, offset, target, targetVisibility } = from;
  const { r, h, w, c } = expectShape(op, 'aligned', aligned, 'r h w c');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectShape(op, 'visibility', visibility, 'r h w 1', { r, h, w });
  const { dh, dw } = expectShape(op, 'distance', distance, 'r dh dw 1', { r });
  expectNumber(op, 'scale', scale, 0, 1e6);
  if (offset !== undefined) expectShape(op, 'offset', offset, 'r dh dw c', { r, dh, dw, c });
  expectShape(op, 'target', target, '1 h w c', { h, w, c });
  expectShape(op, 'targetVisibility', targetVisibility, '1 h w 1', { h, w });
  if ((from.doubt === undefined) !== (from.slope === undefined)) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected doubt and slope together, got one of them',
    );
  }
  if (from.doubt !== undefined) expectNumber(op, 'doubt', from.doubt, 0, 1e6);
  if (from.slope !== undefined) expectNumber(op, 'slope', from.slope, 0, 1e6);
  // An infinite doubt makes the trust 1.
  const { doubt = Number.POSITIVE_INFINITY, slope = 1 } = from;
  const inputs = [aligned, visibility, distance, offset, target, targetVisibility];
  expectSameDevice(op, inputs);
  const [filled, borrowed, known] = enqueue(
    'temporal_pool',
    inputs,
    [{ shape: [1, h, w, c] }, { shape: [1, h, w, 1] }, { shape: [1, h, w, 1] }],
    { scale, doubt, slope },
  ) as [Tensor, Tensor, Tensor];
  return { filled, borrowed, known };
}
