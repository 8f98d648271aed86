import { InpaintError } from '../errors.js';
import { expectObject, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';

/** What {@link pushPull} fills in part. */
export interface Guess {
  /** [1 h/4 w/4 c+1]: colour, and what its share is multiplied by, 0 or 1. */
  readonly colour: Tensor;
  /** [1 h/4 w/4 1]: logit of its share. */
  readonly trust: Tensor;
}

/**
 * Fills what is not seen smoothly from what is: P(x, w) with x the colours, w the weights.
 *
 * P halves, and fills the half by itself: cells of 2 x 2 pixels (at an odd border, what there is of
 * them) have the share s = mean w and the colour (mean x w) / max(s, 1e-6), and count min(6 s, 1).
 * The half is enlarged bilinearly (as resize does, corners not aligned, the border repeated) to u,
 * and P = x w + (1 - w) u. Where a side is 1, u = (sum x w) / max(sum w, 1e-6) for all pixels.
 *
 * With a guess g of trust t, u at a quarter of the size, halved twice, becomes u + m sigmoid(t)
 * (g - u), m being the guess's last channel.
 *
 * Colours of weight 0 are not read into anything. Where all weights are 0, so is the output without a
 * guess.
 *
 * Source: S. Gortler, R. Grzeszczuk, R. Szeliski, M. Cohen, The Lumigraph, SIGGRAPH 1996, 3.4.2;
 * `push_pull` of weights/training/alignment.py.
 *
 * @param colour [1 h w c]
 * @param weight [1 h w 1], in [0, 1]
 * @param guess with it, h and w have to be multiples of 8
 * @returns [1 h w c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function pushPull(colour: Tensor, weight: Tensor, guess?: Guess): Tensor {
  const op = 'pushPull';
  const { h, w, c } = expectShape(op, 'colour', colour, '1 h w c');
  expectShape(op, 'weight', weight, '1 h w 1', { h, w });
  const inputs = [colour, weight];
  if (guess !== undefined) {
    expectObject(op, 'guess', guess);
    if (h % 8 || w % 8) {
      throw new InpaintError(
        'ERR_SHAPE',
        op,
        `expected height and width to be multiples of 8 where there is a guess, got ${h} x ${w}`,
      );
    }
    const quarter = { g: c + 1, h: h / 4, w: w / 4 };
    expectShape(op, 'guess.colour', guess.colour, '1 h w g', quarter);
    expectShape(op, 'guess.trust', guess.trust, '1 h w 1', quarter);
    inputs.push(guess.colour, guess.trust);
  }
  expectSameDevice(op, inputs);
  const [output] = enqueue('push_pull', inputs, [{ shape: [1, h, w, c] }], {});
  return output as Tensor;
}
