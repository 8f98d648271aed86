import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/** What {@link meanField} takes for neighbours, and how much they count. */
export interface MeanFieldOptions {
  /** How many pixels away neighbours may be in either direction, 1 to 16. */
  readonly radius: number;
  /** The logit that neighbours of one label give, 0 to 100. */
  readonly weight: number;
  /** What a squared difference of colours takes off the logarithm of a neighbour's weight, 0 to 1e4. */
  readonly range: number;
  /** What a squared distance in pixels takes off it, 0 to 100. */
  readonly spread: number;
}

/**
 * One step of mean field inference over two labels: each pixel is drawn to the labels of the pixels
 * around it that look like it.
 *
 *   output[p] = unary[p] + weight sum over q of k(p, q) tanh(state[q] / 2) / (sum of k(p, q) + 1e-6)
 *   k(p, q) = exp(-range |colour[p] - colour[q]|^2 - spread |p - q|^2)
 *
 * over the pixels q of the plane other than p and at most `radius` away in either direction. unary,
 * state and output are logits; the first step's state is the unary.
 *
 * Source: Kraehenbuehl and Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge
 * Potentials, arXiv 1210.5644; the window, and that weights sum to 1, are ours.
 *
 * @param unary [1 h w 1]
 * @param state [1 h w 1]
 * @param colour [1 h w 3]
 * @returns [1 h w 1]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function meanField(
  unary: Tensor,
  state: Tensor,
  colour: Tensor,
  options: MeanFieldOptions,
): Tensor {
  const op = 'meanField';
  expectObject(op, 'options', options);
  const { radius, weight, range, spread } = options;
  const { h, w } = expectShape(op, 'unary', unary, '1 h w 1');
  expectShape(op, 'state', state, '1 h w 1', { h, w });
  expectShape(op, 'colour', colour, '1 h w 3', { h, w });
  expectInteger(op, 'radius', radius, 1, 16);
  expectNumber(op, 'weight', weight, 0, 100);
  expectNumber(op, 'range', range, 0, 1e4);
  expectNumber(op, 'spread', spread, 0, 100);
  const inputs = [unary, state, colour];
  expectSameDevice(op, inputs);
  const [output] = enqueue('mean_field', inputs, [{ shape: [1, h, w, 1] }], {
    radius,
    weight,
    range,
    spread,
  });
  return output as Tensor;
}
