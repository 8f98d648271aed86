import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { expectArray, expectInteger, expectObject, expectSameDevice } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import {
  expectCount,
  expectCover,
  expectRegion,
  expectWindow,
  expectWord,
  maxSide,
  type Region,
  type Windowed,
} from './window.js';

const mostInputs = 8;
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const activations = ['none', 'leaky_relu', 'rgb_gate'] as const;

/** Weights and bias of a convolution, arranged for one device. */
export interface PackedConv {
  readonly weights: Tensor;
  readonly bias: Tensor;
  /** Channels out. */
  readonly o: number;
  /** Channels of each input. */
  readonly channels: readonly number[];
  /** Side of the kernel. */
  readonly k: number;
  /** Frees both tensors. */
  dispose(): void;
}

/** How {@link conv2d} runs; everything may be left out. */
export interface Conv2dOptions {
  /** 1 to 8, default 1. */
  readonly stride?: number;
  /** 1 to 64, default 1. */
  readonly dilation?: number;
  /** Read the inputs as if enlarged twice, nearest. */
  readonly upsample?: boolean;
  /**
   * `leaky_relu` has slope 0.2; `rgb_gate` is 1.1 tanh of channels 0 to 2 and sigmoid of channel 3.
   */
  readonly activation?: (typeof activations)[number];
  /** [n h w o], added after the activation; it has to cover the region. */
  readonly residual?: Windowed;
  /** The part of the output plane to make, in pixels after striding; default all of it. */
  readonly region?: Region;
}

/** @internal Arranges a matrix [out, taps, all channels] for the device's matrix kernel. */
export function packMatrix(
  device: Device,
  matrix: Float32Array,
  layout: { readonly out: number; readonly taps: number; readonly channels: readonly number[] },
): Tensor {
  const source = device.upload(matrix, [layout.out, matrix.length / layout.out]);
  const shape = [device.packedSize(layout)];
  const packed = enqueue('conv2d_pack', [source], [{ shape }], layout);
  source.dispose();
  return packed[0] as Tensor;
}

/** What each set of packed weights was made by. */
const makers = new WeakMap<object, string>();

/** @internal Fixes packed weights as they are; {@link expectPacked} knows them again. */
export function packedBy<T extends object>(maker: string, packed: T): T {
  makers.set(packed, maker);
  return Object.freeze(packed);
}

/** @internal Checks that weights were packed by `maker`: their sizes are read, not judged again. */
export function expectPacked(op: string, name: string, value: object, maker: string): void {
  if (makers.get(value) === maker) return;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be what ${maker} returns, got ${makers.get(value) ?? typeof value}`,
  );
}

/** @internal Checks that an array fills a shape. */
export function expectFilled(
  op: string,
  name: string,
  data: Float32Array,
  shape: readonly number[],
): void {
  const count = shape.reduce((product, side) => product * side, 1);
  if (data instanceof Float32Array && data.length === count) return;
  const got = data instanceof Float32Array ? `${data.length}` : 'no Float32Array';
  throw new InpaintError(
    'ERR_SHAPE',
    op,
    `expected ${name} to hold ${count} values for [${shape.join(', ')}], got ${got}`,
  );
}

/**
 * Arranges the weights of a convolution for a device, once.
 *
 * @param weight [o, i, k, k] row major, as PyTorch keeps it; k odd, at most 15
 * @param bias [o]
 * @param channels of each of the inputs that are read as if concatenated, adding up to i; default
 *   [i]
 * @throws InpaintError ERR_SHAPE, ERR_ARGUMENT
 */
export function packConv2d(
  device: Device,
  weight: Float32Array,
  shape: readonly number[],
  bias: Float32Array,
  channels?: readonly number[],
): PackedConv {
  const op = 'packConv2d';
  expectArray(op, 'shape', shape);
  const [o = 0, i = 0, k = 0, kw = 0] = shape;
  if (shape.length !== 4 || k !== kw) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected shape to be [o, i, k, k], got [${shape.join(', ')}]`,
    );
  }
  expectInteger(op, 'shape[0]', o, 1, maxSide);
  expectInteger(op, 'shape[1]', i, 1, maxSide);
  expectInteger(op, 'shape[2]', k, 1, 15);
  if (k % 2 === 0) throw new InpaintError('ERR_ARGUMENT', op, `expected k to be odd, got ${k}`);
  expectFilled(op, 'weight', weight, shape);
  expectFilled(op, 'bias', bias, [o]);
  const inputs = Object.freeze([...(channels ?? [i])]);
  expectCount(op, 'channels', inputs, 1, mostInputs);
  for (const c of inputs) expectInteger(op, 'each of channels', c, 1, maxSide);
  if (sum(inputs) !== i) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected channels to add up to i=${i}, got ${inputs.join(' + ')}`,
    );
  }
  const taps = k * k;
  const matrix = new Float32Array(weight.length);
  for (let row = 0, read = 0; row < o; row++) {
    for (let channel = 0; channel < i; channel++) {
      for (let tap = 0; tap < taps; tap++)
        matrix[(row * taps + tap) * i + channel] = weight[read++] as number;
    }
  }
  const weights = packMatrix(device, matrix, { out: o, taps, channels: inputs });
  const biases = device.upload(bias, [o]);
  return packedBy(op, {
    weights,
    bias: biases,
    o,
    channels: inputs,
    k,
    dispose() {
      weights.dispose();
      biases.dispose();
    },
  });
}

/**
 * Convolution with zeros around the plane.
 *
 *   output[n, y, x, o] = residual[n, y, x, o] + f(bias[o] + sum over dy, dx, i of
 *     weight[o, i, dy, dx] input[n, y stride + dy dilation - p, x stride + dx dilation - p, i])
 *
 * with p = dilation (k - 1) / 2 and dy, dx from 0 to k - 1. Several inputs are read as if
 * concatenated by channel; with `upsample` they are read at y / 2, x / 2 rounded down. What lies
 * outside an input's window counts as zero, so an input that is a window has to hold what the
 * region reads, except beyond the plane's edge.
 *
 * Source: the layers of the encoders, the regressor, the residual pathway and the decoder, paper
 * 3.1 and 3.2.
 *
 * @param inputs one to eight maps [n h w c], of the channels that `conv` was packed for
 * @returns [n h w o], the region
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function conv2d(
  inputs: Windowed | readonly Windowed[],
  conv: PackedConv,
  options: Conv2dOptions = {},
): Tensor {
  const op = 'conv2d';
  const list: readonly Windowed[] = Array.isArray(inputs) ? inputs : [inputs];
  expectCount(op, 'inputs', list, 1, mostInputs);
  expectObject(op, 'options', options);
  const { stride = 1, dilation = 1, upsample = false, activation = 'none', residual } = options;
  expectPacked(op, 'conv', conv, 'packConv2d');
  const { o, k } = conv;
  expectInteger(op, 'stride', stride, 1, 8);
  expectInteger(op, 'dilation', dilation, 1, 64);
  if (typeof upsample !== 'boolean') {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      `expected upsample to be true or false, got ${typeof upsample}`,
    );
  }

  const first = expectWindow(op, 'inputs[0]', list[0] as Windowed, 'n h w c');
  const { n, h, w } = first.sides;
  const rest = list
    .slice(1)
    .map((it, j) => expectWindow(op, `inputs[${j + 1}]`, it, 'n h w c', { n }));
  const windows = [first, ...rest];
  const channels = windows.map(({ sides }) => sides.c);
  if (channels.join() !== conv.channels.join()) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected inputs of the channels that conv was packed for, [${conv.channels.join(', ')}], got [${channels.join(', ')}]`,
    );
  }

  const whole = windows.every(
    ({ y, x, sides }) => y === 0 && x === 0 && sides.h === h && sides.w === w,
  );
  if (!options.region && !whole) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected region to be given with windows, got undefined',
    );
  }
  const extent = (side: number) => Math.floor((side * (upsample ? 2 : 1) - 1) / stride) + 1;
  const region = options.region ?? { y: 0, x: 0, h: extent(h), w: extent(w) };
  const out = expectRegion(op, 'region', region);

  const code = expectWord(op, 'activation', activation, activations);
  if (activation === 'rgb_gate' && o !== 4) {
    throw new InpaintError('ERR_SHAPE', op, `expected rgb_gate to have 4 channels out, got ${o}`);
  }
  const added = residual && expectWindow(op, 'residual', residual, 'n h w o', { n, o });
  if (added) expectCover(op, 'residual', added, region);

  const tensors = [conv.weights, conv.bias, added?.tensor, ...windows.map(({ tensor }) => tensor)];
  expectSameDevice(op, tensors);
  const [output] = enqueue(op, tensors, [{ shape: [n, region.h, region.w, o] }], {
    ...out,
    kernel: k,
    stride,
    dilation,
    upsample,
    activation: code,
    inputCount: windows.length,
    inputY: windows.map(({ y }) => y),
    inputX: windows.map(({ x }) => x),
    residualY: added?.y ?? 0,
    residualX: added?.x ?? 0,
  });
  return output as Tensor;
}
