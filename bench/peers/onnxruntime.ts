// ONNX Runtime on the CPU as a peer: one convolution as a model of its own, written here byte by
// byte.
import { createRequire } from 'node:module';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Random } from '../../test/random.js';
import type { ConvShape, Peer, Rival } from '../harness.js';

type Field = readonly [number: number, value: number | string | Uint8Array | Float];
type Float = { readonly float: number };

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/**
 * A protobuf message: whole numbers as varints, floats as four bytes, all else with its length
 * before it.
 */
function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([number, value]) => {
    if (typeof value === 'number')
      return Uint8Array.from([...varint(number * 8), ...varint(value)]);
    const bytes =
      typeof value === 'string'
        ? new TextEncoder().encode(value)
        : value instanceof Uint8Array
          ? value
          : new Uint8Array(Float32Array.of(value.float).buffer);
    const head =
      value instanceof Object && 'float' in value
        ? varint(number * 8 + 5)
        : [...varint(number * 8 + 2), ...varint(bytes.length)];
    return Buffer.concat([Uint8Array.from(head), bytes]);
  });
  return Buffer.concat(parts);
}

const FLOAT = 1;

const tensor = (name: string, dims: readonly number[], data: Float32Array) =>
  message(
    ...dims.map((dim): Field => [1, dim]),
    [2, FLOAT],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  );

const valueInfo = (name: string, dims: readonly number[]) => {
  const shape = message(...dims.map((dim): Field => [1, message([1, dim])]));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, shape])])]);
};

const whole = (name: string, values: readonly number[]) =>
  message([1, name], ...values.map((value): Field => [8, value]), [20, 7]);

const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: readonly Uint8Array[],
) =>
  message(
    ...inputs.map((input): Field => [1, input]),
    [2, output],
    [4, op],
    ...attributes.map((attribute): Field => [5, attribute]),
  );

function outputDims({ n, h, w, o, stride }: ConvShape): number[] {
  return [n, o, Math.ceil(h / stride), Math.ceil(w / stride)];
}

/** The model's bytes, `n c h w` as ONNX has it; weight is `o c kernel kernel`. */
function convModel(shape: ConvShape, weight: Float32Array, bias: Float32Array): Uint8Array {
  const { n, h, w, c, o, kernel, stride, dilation, leakyRelu } = shape;
  const pad = dilation * (kernel >> 1);
  const conv = node('Conv', ['x', 'weight', 'bias'], leakyRelu ? 'sum' : 'y', [
    whole('kernel_shape', [kernel, kernel]),
    whole('strides', [stride, stride]),
    whole('dilations', [dilation, dilation]),
    whole('pads', [pad, pad, pad, pad]),
  ]);
  const alpha = message([1, 'alpha'], [2, { float: 0.2 }], [20, 1]);
  const nodes: Field[] = [[1, conv]];
  if (leakyRelu) nodes.push([1, node('LeakyRelu', ['sum'], 'y', [alpha])]);
  const graph = message(
    ...nodes,
    [2, 'conv'],
    [5, tensor('weight', [o, c, kernel, kernel], weight)],
    [5, tensor('bias', [o], bias)],
    [11, valueInfo('x', [n, c, h, w])],
    [12, valueInfo('y', outputDims(shape))],
  );
  return message([1, 8], [8, message([1, ''], [2, 13])], [7, graph]);
}

/**
 * A session of the model that runs on its own input and output tensors, so that a call computes and
 * nothing else.
 */
async function convPeer(shape: ConvShape, random: Random, threads: number): Promise<Peer> {
  const { n, h, w, c, o, kernel } = shape;
  const [weight, bias] = [random.values(o * c * kernel ** 2), random.values(o)];
  const session = await InferenceSession.create(convModel(shape, weight, bias), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const x = new Tensor('float32', random.values(n * c * h * w), [n, c, h, w]);
  const dims = outputDims(shape);
  const y = new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b)), dims);
  return {
    run: async (calls) => {
      for (let i = 0; i < calls; i++) await session.run({ x }, { y });
    },
    release: () => session.release(),
  };
}

/** ONNX Runtime with that many threads. */
export function onnxRuntime(random: Random, threads: number): Rival {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  return {
    name: `onnxruntime-node ${version}, ${threads} threads, n c h w, float32`,
    conv: (shape) => convPeer(shape, random, threads),
    close: () => {},
  };
}
