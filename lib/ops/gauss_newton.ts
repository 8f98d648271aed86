import { expectInteger, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectList, expectSeen, maxReferences } from './window.js';

/**
 * Sharpens the affine transform of each reference on the grey levels that both frames show: one
 * level of the refinement.
 *
 * Grey is 0.299 R + 0.587 G + 0.114 B, blurred by 1 4 6 4 1 over 16 in both directions with the
 * border repeated. Coordinates are those of Note [corners] in binding/ops/window.h; the reference
 * is read at theta (x, y, 1), bilinear, zeros outside, its gradients likewise (central differences,
 * zero at the border). A pixel takes part where the target is seen and the sampled visibility is
 * above 0.99. Each of `steps` steps, with the residual R = reference - target less its mean over
 * these pixels, solves
 *
 *   (J'WJ + diag(1e-3 J'WJ + 1e-4)) step = J'W R
 *   W = 1 / (1 + (R / sigma)^2),   sigma = 1.5 mean |R| + 1e-3
 *
 * and takes off the step, each of its six numbers clamped to [-0.1, 0.1], if more than 5 % of the
 * pixels take part. The outcome is kept, per reference, only where the mismatch falls: the mean of
 * min(|R|, 0.3), plus 0.3 when fewer than 5 % take part. A transform that is not finite is given
 * back as it is.
 *
 * Source: `refine`, `gauss_newton` and `mismatch` of the reference (ours).
 *
 * @param theta [r, 2, 3], target to reference coordinates
 * @param target [1 h w 3], RGB in [-1, 1]; h and w at least 3
 * @param targetSeen [1 h w 1], 0 or 1
 * @param references r maps [1 h w 3], at most 64
 * @param referencesSeen r maps [1 h w 1], 0 or 1
 * @param steps 0 to 64
 * @returns [r, 2, 3]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function gaussNewton(
  theta: Tensor,
  target: Tensor,
  targetSeen: Tensor,
  references: readonly Tensor[],
  referencesSeen: readonly Tensor[],
  steps: number,
): Tensor {
  const op = 'gaussNewton';
  const { h, w } = expectShape(op, 'target', target, '1 h w 3');
  expectInteger(op, 'the height of target', h, 3, 4096);
  expectInteger(op, 'the width of target', w, 3, 4096);
  expectShape(op, 'targetSeen', targetSeen, '1 h w 1', { h, w });
  expectList(op, 'references', references, maxReferences, '1 h w 3', { h, w });
  const r = references.length;
  expectSeen(op, 'referencesSeen', referencesSeen, r, { h, w });
  expectShape(op, 'theta', theta, 'r 2 3', { r });
  expectInteger(op, 'steps', steps, 0, 64);
  const inputs = [theta, target, targetSeen, ...references, ...referencesSeen];
  expectSameDevice(op, inputs);
  const [output] = enqueue('gauss_newton', inputs, [{ shape: [r, 2, 3] }], { steps });
  return output as Tensor;
}
