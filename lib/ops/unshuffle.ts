import { InpaintError } from '../errors.js';
import { expectInteger, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectCount } from './window.js';

/**
 * Moves factor x factor pixels into channels:
 *
 *   output[n, y, x, (c factor + dy) factor + dx] = input[n, y factor + dy, x factor + dx, c]
 *
 * Several inputs are read as if concatenated by channel. Source: F.pixel_unshuffle, which brings
 * the coarse frame to the decoder's size (ours).
 *
 * @param inputs one to four maps [n h w c], h and w multiples of factor
 * @param factor 1 to 16
 * @returns [n, h / factor, w / factor, factor^2 sum of c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function unshuffle(inputs: readonly Tensor[], factor: number): Tensor {
  const op = 'unshuffle';
  expectInteger(op, 'factor', factor, 1, 16);
  expectCount(op, 'inputs', inputs, 1, 4);
  const { n, h, w } = expectShape(op, 'inputs[0]', inputs[0], 'n h w c');
  inputs.forEach((input, i) => {
    expectShape(op, `inputs[${i}]`, input, 'n h w c', { n, h, w });
  });
  expectSameDevice(op, inputs);
  if (h % factor || w % factor) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected h and w to be multiples of ${factor}, got ${h} and ${w}`,
    );
  }
  const channels = inputs.reduce((sum, { shape }) => sum + (shape[3] as number), 0);
  const shape = [n, h / factor, w / factor, channels * factor * factor];
  const [output] = enqueue(op, inputs, [{ shape }], { factor });
  return output as Tensor;
}
