import { expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/**
 * Fills what is not seen smoothly from what is: P(x, w) with x the colours, w the weights.
 *
 * P halves, and fills the half by itself: cells of 2 x 2 pixels (at an odd border, what there is of
 * them) have the share s = mean w and the colour (mean x w) / max(s, 1e-6), and count min(6 s, 1).
 * The half is enlarged bilinearly (as resize does, corners not aligned, the border repeated) to u,
 * and P = x w + (1 - w) u. Where a side is 1, u = (sum x w) / max(sum w, 1e-6) for all pixels.
 *
 * Colours of weight 0 are not read into anything. Where all weights are 0, so is the output.
 *
 * Source: S. Gortler, R. Grzeszczuk, R. Szeliski, M. Cohen, The Lumigraph, SIGGRAPH 1996, 3.4.2;
 * `push_pull` of weights/training/alignment.py.
 *
 * @param colour [1 h w c]
 * @param weight [1 h w 1], in [0, 1]
 * @returns [1 h w c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function pushPull(colour: Tensor, weight: Tensor): Tensor {
  const op = 'pushPull';
  const { h, w, c } = expectShape(op, 'colour', colour, '1 h w c');
  expectShape(op, 'weight', weight, '1 h w 1', { h, w });
  expectSameDevice(op, [colour, weight]);
  const [output] = enqueue('push_pull', [colour, weight], [{ shape: [1, h, w, c] }], {});
  return output as Tensor;
}
