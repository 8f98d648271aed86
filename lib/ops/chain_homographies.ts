import { InpaintError } from '../errors.js';
import { expectInteger, expectSameDevice } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectList, maxReferences } from './window.js';

/** The most steps that {@link chainHomographies} takes: as `max_steps` of the addon. */
const maxSteps = 320;

/**
 * Chains homographies between neighbouring frames to those from one frame to others. Step i takes
 * positions in frame i + 1 to frame i, so n steps relate the frames 0 to n. A frame f before the
 * target has step[f] step[f + 1] ... step[target - 1], one after it has step[f - 1]^-1 ...
 * step[target]^-1, each divided by its last entry. The target itself has the identity, exactly.
 *
 * Where a step is not finite, or has no inverse and needs one, what is beyond it is not finite.
 *
 * Source: the track of weights/training/alignment.py, `chain`.
 *
 * @param steps 1 to 320 homographies [1, 3, 3]
 * @param target a frame, 0 to n
 * @param references 1 to 64 frames, each 0 to n
 * @returns [r, 3, 3]: homography k takes the target to references[k]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function chainHomographies(
  steps: readonly Tensor[],
  target: number,
  references: readonly number[],
): Tensor {
  const op = 'chainHomographies';
  expectList(op, 'steps', steps, maxSteps, '1 3 3');
  expectInteger(op, 'target', target, 0, steps.length);
  const r = Array.isArray(references) ? references.length : 0;
  if (r < 1 || r > maxReferences) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      `expected references to be 1 to ${maxReferences} frames, got ${r}`,
    );
  }
  for (const [i, frame] of references.entries())
    expectInteger(op, `references[${i}]`, frame, 0, steps.length);
  expectSameDevice(op, steps);
  const [output] = enqueue('chain_homographies', steps, [{ shape: [r, 3, 3] }], {
    target,
    references,
  });
  return output as Tensor;
}
