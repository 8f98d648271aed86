import { expectInteger, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxReferences } from './window.js';

/** What {@link frameDistance} gives. */
export interface FrameDistance {
  /** [r]. */
  readonly distance: Tensor;
  /** [r, c]. */
  readonly difference: Tensor;
}

/**
 * How far each aligned map is from the target where both are seen. With B[r, p] = seen[r, p]
 * targetSeen[p]:
 *
 *   n[r] = max(1, sum over p of B),   d[r, p, c] = aligned[r, p, c] - target[p, c]
 *   distance[r] = sqrt(sum over p of B mean over c of d^2 / n + 1e-8)
 *   difference[r, c] = sum over p of B d / n
 *
 * Source: similarity D, paper 3.1.2; the difference, an exposure, is ours.
 *
 * @param aligned [r h w c]
 * @param seen [r h w 1], 0 or 1
 * @param target [1 h w c]
 * @param targetSeen [1 h w 1], 0 or 1
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function frameDistance(
  aligned: Tensor,
  seen: Tensor,
  target: Tensor,
  targetSeen: Tensor,
): FrameDistance {
  const op = 'frameDistance';
  const { r, h, w, c } = expectShape(op, 'aligned', aligned, 'r h w c');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectShape(op, 'seen', seen, 'r h w 1', { r, h, w });
  expectShape(op, 'target', target, '1 h w c', { h, w, c });
  expectShape(op, 'targetSeen', targetSeen, '1 h w 1', { h, w });
  const inputs = [aligned, seen, target, targetSeen];
  expectSameDevice(op, inputs);
  const [distance, difference] = enqueue(
    'frame_distance',
    inputs,
    [{ shape: [r] }, { shape: [r, c] }],
    {},
  ) as [Tensor, Tensor];
  return { distance, difference };
}
