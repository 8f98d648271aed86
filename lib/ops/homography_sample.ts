import { expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectList, expectVisibility, maxReferences } from './window.js';

/** What {@link homographySample} gives. */
export interface HomographySampled {
  /** [r h w c]. */
  readonly output: Tensor;
  /** [r h w 1]: 1 where what was sampled is seen, else 0. */
  readonly visibility: Tensor;
}

/**
 * Samples each source under its homography, bilinear, with zeros outside.
 *
 * Output pixel (x, y) is at X = (x + 0.5) 2 / w - 1, Y likewise (Note [corners] in
 * binding/ops/window.h). With (a, b, d) = theta[r] (X, Y, 1), the source is read at a / d, b / d,
 * brought back to pixels by the same rule; d is at least 0.1, so that what lies behind the camera
 * comes from far away. `visibility` is sampled likewise and is 1 where the result is above 0.99, so where
 * all that was read is visible. A position that is not a number lies outside.
 *
 * Source: align, paper 3.1.2, with the homography of weights/training/alignment.py, `sample`.
 *
 * @param sources 1 to 64 maps [1 h w c]
 * @param visibility as many maps [1 h w 1], in [0, 1]
 * @param theta [r, 3, 3], output to source coordinates
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function homographySample(
  sources: readonly Tensor[],
  visibility: readonly Tensor[],
  theta: Tensor,
): HomographySampled {
  const op = 'homographySample';
  const { h, w, c } = expectList(op, 'sources', sources, maxReferences, '1 h w c');
  const r = sources.length;
  expectVisibility(op, 'visibility', visibility, r, { h, w });
  expectShape(op, 'theta', theta, 'r 3 3', { r });
  const inputs = [theta, ...sources, ...visibility];
  expectSameDevice(op, inputs);
  const [output, outputVisibility] = enqueue(
    'homography_sample',
    inputs,
    [{ shape: [r, h, w, c] }, { shape: [r, h, w, 1] }],
    {},
  ) as [Tensor, Tensor];
  return { output, visibility: outputVisibility };
}
