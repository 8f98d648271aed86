import { expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/**
 * Puts affine transforms after each other: output = outer o (identity + delta), per reference;
 * without outer, identity + delta. A transform [[a, b, c], [d, e, f]] takes (x, y) to (a x + b y +
 * c, d x + e y + f).
 *
 * Source: theta = I + T(C), iterated twice, paper 3.1.1 and `compose` of the reference (ours).
 *
 * @param outer [r, 2, 3]
 * @param delta [r, 6], rows of the transforms, as the estimator gives them
 * @returns [r, 2, 3]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function composeAffine(outer: Tensor | undefined, delta: Tensor): Tensor {
  const op = 'composeAffine';
  const { r } = expectShape(op, 'delta', delta, 'r 6');
  if (outer !== undefined) expectShape(op, 'outer', outer, 'r 2 3', { r });
  expectSameDevice(op, [outer, delta]);
  const [output] = enqueue('compose_affine', [outer, delta], [{ shape: [r, 2, 3] }], {});
  return output as Tensor;
}
