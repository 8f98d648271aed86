import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { expectArray, expectInteger, expectSameDevice, expectTensor } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectFilled, expectPacked, packedBy, packMatrix } from './conv2d.js';
import { maxSide } from './window.js';

/** Weights and bias of a linear layer, arranged for one device. */
export interface PackedLinear {
  readonly weights: Tensor;
  readonly bias: Tensor;
  /** Values out. */
  readonly o: number;
  /** Values in. */
  readonly i: number;
  /** Frees both tensors. */
  dispose(): void;
}

/**
 * Arranges the weights of a linear layer for a device, once.
 *
 * @param weight [o, i] row major, as PyTorch keeps it
 * @param bias [o]
 * @throws InpaintError ERR_SHAPE, ERR_ARGUMENT
 */
export function packLinear(
  device: Device,
  weight: Float32Array,
  shape: readonly number[],
  bias: Float32Array,
): PackedLinear {
  const op = 'packLinear';
  expectArray(op, 'shape', shape);
  const [o = 0, i = 0] = shape;
  if (shape.length !== 2) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected shape to be [o, i], got [${shape.join(', ')}]`,
    );
  }
  expectInteger(op, 'shape[0]', o, 1, maxSide);
  expectInteger(op, 'shape[1]', i, 1, 1 << 24);
  expectFilled(op, 'weight', weight, shape);
  expectFilled(op, 'bias', bias, [o]);
  const weights = packMatrix(device, weight, { out: o, taps: 1, channels: [i] });
  const biases = device.upload(bias, [o]);
  return packedBy(op, {
    weights,
    bias: biases,
    o,
    i,
    dispose() {
      weights.dispose();
      biases.dispose();
    },
  });
}

/**
 * A linear layer: output[n, o] = bias[o] + sum over i of weight[o, i] x[n, i].
 *
 * Source: the last layer of the transformation estimator, paper 3.1.1.
 *
 * @param x [n, i], or maps [n h w c] read as if flattened, h w c = i
 * @returns [n, o]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function linear(x: Tensor, packed: PackedLinear): Tensor {
  const op = 'linear';
  expectPacked(op, 'packed', packed, 'packLinear');
  const { shape } = expectTensor(op, 'x', x);
  const [n = 0] = shape;
  if ((shape.length !== 2 && shape.length !== 4) || x.size !== n * packed.i) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected x to have shape [n, i=${packed.i}], or [n, h, w, c] alike, got [${shape.join(', ')}]`,
    );
  }
  const inputs = [x, packed.weights, packed.bias];
  expectSameDevice(op, inputs);
  const [output] = enqueue(op, inputs, [{ shape: [n, packed.o] }], {});
  return output as Tensor;
}
