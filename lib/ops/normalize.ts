import { expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/**
 * Makes unit vectors: output = x / max(|x|, 1e-12), |x| the length over channels at each position.
 *
 * Source: F.normalize, before masked matching, paper 3.1.1.
 *
 * @param x [n h w c]
 * @returns [n h w c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function normalize(x: Tensor): Tensor {
  expectShape('normalize', 'x', x, 'n h w c');
  const [output] = enqueue('normalize', [x], [{ shape: x.shape }], {});
  return output as Tensor;
}
