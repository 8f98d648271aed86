import { expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/**
 * Puts an affine transform before a homography: output = outer o (identity + delta), per reference;
 * without outer, identity + delta. The rows of delta are those of an affine transform [[a, b, c],
 * [d, e, f]], whose third row is 0 0 1.
 *
 * Source: theta = I + T(C), iterated twice, paper 3.1.1 and `compose` of the reference (ours).
 *
 * @param outer [r, 3, 3]
 * @param delta [r, 6], as the estimator gives it
 * @returns [r, 3, 3]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function composeAffine(outer: Tensor | undefined, delta: Tensor): Tensor {
  const op = 'composeAffine';
  const { r } = expectShape(op, 'delta', delta, 'r 6');
  if (outer !== undefined) expectShape(op, 'outer', outer, 'r 3 3', { r });
  expectSameDevice(op, [outer, delta]);
  const [output] = enqueue('compose_affine', [outer, delta], [{ shape: [r, 3, 3] }], {});
  return output as Tensor;
}
