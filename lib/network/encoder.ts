import { conv2d, type PackedConv } from '../ops/conv2d.js';
import type { Tensor } from '../tensor.js';
import { chain } from './chain.js';
import type { Weights } from './weights.js';

/**
 * Strided convolutions to 1/4 of the size and four times the width, or to 1/8 with `extra` = 1. The
 * last layer has no activation.
 *
 * Source: E_h, E and E_f of the paper, 3.1; the sizes are ours.
 */
export class Encoder {
  readonly #layers: readonly { readonly conv: PackedConv; readonly stride: number }[];

  /** @param channels of each input */
  constructor(
    weights: Weights,
    name: string,
    channels: readonly number[],
    width: number,
    extra = 0,
  ) {
    const [double, quadruple] = [2 * width, 4 * width];
    const sizes: (readonly [i: readonly number[], o: number, k: number, stride: number])[] = [
      [channels, width, 5, 2],
      [[width], width, 3, 1],
      [[width], double, 3, 2],
      [[double], double, 3, 1],
    ];
    for (let i = 0; i < extra; i++) sizes.push([[double], double, 3, 2], [[double], double, 3, 1]);
    sizes.push([[double], quadruple, 3, 1], [[quadruple], quadruple, 3, 1]);
    this.#layers = sizes.map(([i, o, k, stride], index) => ({
      conv: weights.conv(`${name}.layers.${index}`, i, o, k),
      stride,
    }));
  }

  /** Features of maps read as if concatenated by channel. */
  encode(inputs: readonly [Tensor, ...Tensor[]]): Tensor {
    const steps = this.#layers.map(({ conv, stride }, i) => (x: Tensor) => {
      const activation = i < this.#layers.length - 1 ? 'leaky_relu' : 'none';
      return conv2d(i ? x : inputs, conv, { stride, activation });
    });
    return chain(inputs[0], ...steps);
  }
}
