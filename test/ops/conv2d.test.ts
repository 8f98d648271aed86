import { expect, it } from 'vitest';
import { conv2d, packConv2d, type Tensor } from '../../lib/ops/index.js';
import { type Backend, describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { cut, type Plane, Random } from '../random.js';
import { type Conv, conv2d as reference } from '../reference/conv2d.js';

const random = new Random(2);

function layer(i: number, o: number, k: number, rest: Partial<Conv> = {}): Conv {
  const size = 1 / Math.sqrt(i * k * k);
  return {
    weight: random.values(o * i * k * k, -size, size),
    bias: random.values(o),
    o,
    i,
    k,
    ...rest,
  };
}

/** @param channels of the inputs */
function pack(backend: Backend, { weight, bias, o, i, k }: Conv, channels = [i]) {
  const shape = [o, i, k, k];
  const values = [weight, bias] as [Float32Array, Float32Array];
  return packConv2d(backend.device, values[0], shape, values[1], channels);
}

/** The whole output plane of inputs that are whole planes. */
function whole({ h, w }: Plane, { stride = 1, upsample = false }: Conv) {
  const side = (n: number) => Math.floor((n * (upsample ? 2 : 1) - 1) / stride) + 1;
  return { y: 0, x: 0, h: side(h), w: side(w) };
}

type Case = [title: string, h: number, w: number, channels: number[], o: number, Partial<Conv>?];

const shapes: Case[] = [
  ['one pixel', 1, 1, [1], 1],
  ['one row', 1, 25, [2], 3],
  ['one column', 25, 1, [3], 7],
  ['smaller than the kernel', 2, 3, [4], 5, { k: 5 }],
  ['primes', 13, 11, [7], 13],
  ['a tile of pixels less one', 8, 23, [5], 15],
  ['a tile of pixels', 8, 24, [5], 16],
  ['a tile of pixels and one', 9, 25, [5], 17],
  ['a panel of channels and one', 4, 5, [9], 33],
  ['panels of channels less one', 4, 5, [8], 63],
  ['a large kernel', 9, 10, [2], 3, { k: 9 }],
  ['1 x 1', 7, 9, [31], 31, { k: 1 }],
  ['stride on odd sizes', 13, 15, [6], 9, { stride: 2 }],
  ['stride on even sizes', 12, 16, [6], 8, { stride: 2 }],
  ['stride 3 of a 1 x 1', 10, 11, [3], 4, { k: 1, stride: 3 }],
  ['stride and dilation', 15, 17, [3], 4, { stride: 2, dilation: 2 }],
  ['dilation', 13, 14, [5], 6, { dilation: 3 }],
  ['dilation beyond the plane', 7, 5, [6], 16, { dilation: 16 }],
  ['upsampling', 5, 7, [6], 9, { upsample: true }],
  ['upsampling, stride and dilation', 6, 5, [2], 3, { upsample: true, stride: 2, dilation: 2 }],
  ['several inputs', 7, 6, [3, 1, 8, 2], 10],
  ['eight inputs', 3, 4, [1, 2, 3, 4, 5, 6, 7, 8], 5],
  ['leaky ReLU', 7, 9, [6], 17, { activation: 'leaky_relu' }],
];

// With 8 channels or more, 3 x 3 convolutions of stride 1 are made in tiles of 4 x 4.
const tiled: Case[] = [
  ['less than a tile', 3, 2, [8], 8],
  ['tiles less one', 7, 11, [9], 7],
  ['tiles', 8, 12, [8], 9],
  ['tiles and one', 9, 13, [17], 16],
  ['one row', 1, 21, [15], 33],
  ['many tiles', 41, 38, [8], 8, { activation: 'leaky_relu' }],
  ['several inputs', 10, 9, [3, 9, 1, 20], 17],
  ['dilation', 18, 17, [11], 10, { dilation: 4 }],
  ['dilation beyond the plane', 7, 5, [10], 9, { dilation: 16, activation: 'leaky_relu' }],
  ['upsampling', 7, 9, [12], 10, { upsample: true }],
  ['upsampling and dilation', 6, 7, [9], 8, { upsample: true, dilation: 2 }],
];

const network: Case[] = [
  ['frames', 14, 18, [4], 32, { k: 5, stride: 2, activation: 'leaky_relu' }],
  ['previous outputs', 14, 18, [3, 3], 16, { k: 5, stride: 2, activation: 'leaky_relu' }],
  ['matches', 16, 16, [256], 64, { k: 1, activation: 'leaky_relu' }],
  ['a residual layer', 5, 7, [128], 128, { dilation: 8, activation: 'leaky_relu' }],
  ['flow features', 5, 6, [128, 64], 64, { stride: 2, activation: 'leaky_relu' }],
  ['flow', 6, 7, [32], 3],
  ['d1', 3, 4, [128, 128, 64, 1, 1, 64], 128, { activation: 'leaky_relu' }],
  ['features without the coarse frame', 4, 5, [128, 128, 64, 1, 1], 24],
  ['d3', 4, 5, [128], 64, { upsample: true, activation: 'leaky_relu' }],
  ['d6', 7, 9, [32, 4], 32, { activation: 'leaky_relu' }],
  ['d7', 9, 25, [32], 4, { activation: 'rgb_gate' }],
  ['pixels for large tiles', 32, 33, [16], 130],
  ['a longer sum than a block is told of at once', 1, 1, [2080], 3520, { k: 1 }],
];

describeBackends('conv2d', (backend) => {
  const check = async (h: number, w: number, channels: number[], n: number, conv: Conv) => {
    const inputs = channels.map((c) => random.plane(n, h, w, c));
    const { stride, dilation, upsample, activation } = conv;
    const given = Object.entries({ stride, dilation, upsample, activation });
    const options = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    const out = await backend.run(() =>
      conv2d(
        inputs.map((it) => backend.map(it)),
        pack(backend, conv, channels),
        options,
      ),
    );
    const region = whole(inputs[0]!, conv);
    expectClose(out, (round) => reference(inputs, conv, region, undefined, round));
  };
  const sum = (channels: number[]) => channels.reduce((a, b) => a + b);

  it.each(shapes)('matches the reference: %s', async (_, h, w, channels, o, rest = {}) => {
    await check(h, w, channels, 1, layer(sum(channels), o, rest.k ?? 3, rest));
  });

  it.each(tiled)('matches the reference in tiles: %s', async (_, h, w, channels, o, rest = {}) => {
    await check(h, w, channels, 1, layer(sum(channels), o, 3, rest));
  });

  it.each(network)(
    'matches the reference on the network: %s',
    async (_, h, w, cs, o, rest = {}) => {
      await check(h, w, cs, 1, layer(sum(cs), o, rest.k ?? 3, rest));
    },
  );

  it('matches the reference on a batch', async () => {
    await check(5, 7, [3, 4], 3, layer(7, 11, 3, { activation: 'leaky_relu' }));
    await check(5, 7, [6, 4], 3, layer(10, 11, 3, { activation: 'leaky_relu' }));
  });

  it.each([
    ['', [3, 2], 1, {}],
    [' strided', [3, 2], 2, {}],
    [' dilated', [3, 2], 1, { dilation: 2 }],
    [' enlarged', [3, 2], 1, { upsample: true }],
    [' tiled', [9, 7], 1, {}],
    [' tiled dilated', [9, 7], 1, { dilation: 2 }],
    [' tiled enlarged', [9, 7], 1, { upsample: true }],
  ])('makes a region of%s windows as of the whole plane', async (_, [c1, c2], stride, rest) => {
    const planes = [random.plane(1, 20, 24, c1!), random.plane(1, 20, 24, c2!)];
    const conv = layer(c1! + c2!, 6, 3, { stride, activation: 'leaky_relu', ...rest });
    const region = { y: 6, x: 7, h: 3, w: 4 };
    // Each with its own margin beyond what the region reads at most: rows 2 to 17, columns 3 to 21.
    const inputs = [cut(planes[0]!, 2, 3, 16, 19), cut(planes[1]!, 1, 3, 18, 20)];
    const add = random.plane(1, 5, 6, 6, 5, 6);
    const out = await backend.run(() =>
      conv2d(
        inputs.map((it) => backend.map(it)),
        pack(backend, conv, [c1!, c2!]),
        { stride, ...rest, region, activation: 'leaky_relu', residual: backend.map(add) },
      ),
    );
    expectClose(out, (round) => reference(planes, conv, region, add, round));
  });

  it.each([3, 10])('reads zeros outside a window of %i channels', async (c) => {
    const input = random.plane(2, 4, 5, c, 6, 7);
    const conv = layer(c, 4, 3);
    const region = { y: 4, x: 0, h: 9, w: 14 };
    const out = await backend.run(() =>
      conv2d(backend.map(input), pack(backend, conv), { region }),
    );
    expectClose(out, (round) => reference([input], conv, region, undefined, round));
    const far = { y: 400, x: 5000, h: 1, w: 2 };
    const bias = await backend.run(() =>
      conv2d(backend.map(input), pack(backend, conv), { region: far }),
    );
    expectSame(
      bias,
      [...Array(4)].flatMap(() => [...(conv.bias as Float32Array)]),
    );
  });

  it.each([1, 3])('returns its input under a kernel of %i that is one in the middle', async (k) => {
    const c = 19;
    const x = random.values(6 * 7 * c);
    const weight = new Float32Array(c * c * k * k);
    for (let i = 0; i < c; i++) weight[(i * c + i) * k * k + (k === 3 ? 4 : 0)] = 1;
    const out = await backend.run(() =>
      conv2d(
        backend.upload(x, 1, 6, 7, c),
        packConv2d(backend.device, weight, [c, c, k, k], new Float32Array(c)),
      ),
    );
    // Tiles round even where the sum has but one term.
    if (k === 1) expectSame(out, x);
    else expectClose(out, () => x, 16);
  });

  it('adds the residual after the activation', async () => {
    const x = backend.upload(new Float32Array(12), 1, 2, 2, 3);
    const residual = random.values(8);
    const conv = packConv2d(
      backend.device,
      new Float32Array(6),
      [2, 3, 1, 1],
      Float32Array.of(-1, 1),
    );
    const out = await backend.run(() =>
      conv2d(x, conv, {
        activation: 'leaky_relu',
        residual: backend.upload(residual, 1, 2, 2, 2),
      }),
    );
    x.dispose();
    conv.dispose();
    expectClose(out, () => residual.map((value, i) => value + (i % 2 ? 1 : -0.2)));
  });

  it('gates from 0 to 1 and keeps colours within 1.1', async () => {
    const x = Float32Array.of(-100, -1, 0, 1, 100);
    const conv = layer(1, 4, 1, { activation: 'rgb_gate' });
    const strong = { ...conv, weight: Float32Array.of(1, 1, 1, 1), bias: new Float32Array(4) };
    const out = await backend.run(() =>
      conv2d(backend.upload(x, 1, 1, 5, 1), pack(backend, strong), { activation: 'rgb_gate' }),
    );
    const plane = { data: x, n: 1, h: 1, w: 5, c: 1, y: 0, x: 0 };
    const region = { y: 0, x: 0, h: 1, w: 5 };
    expectClose(out, (round) => reference([plane], strong, region, undefined, round));
    expect(Math.max(...out)).toBeLessThanOrEqual(Math.fround(1.1));
  });

  it('rejects what it cannot take', () => {
    const x = (c = 3, n = 1) => backend.upload(random.values(n * 20 * c), n, 4, 5, c);
    const conv = () => pack(backend, layer(3, 2, 3));
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `conv2d: expected ${message}`);

    rejects(
      () => conv2d(x(4), conv()),
      'ERR_SHAPE',
      'inputs of the channels that conv was packed for, [3], got [4]',
    );
    rejects(() => conv2d([], conv()), 'ERR_ARGUMENT', 'inputs to hold 1 to 8 tensors, got 0');
    rejects(
      () => conv2d([x(1, 2), x(2, 1)], conv()),
      'ERR_SHAPE',
      'inputs[1] to have shape [n=2, h, w, c], got [1, 4, 5, 2]',
    );
    rejects(
      () => conv2d({ tensor: x(), y: 1, x: 0 }, conv()),
      'ERR_ARGUMENT',
      'region to be given with windows, got undefined',
    );
    rejects(
      () => conv2d({ tensor: x(), y: -1, x: 0 }, conv()),
      'ERR_ARGUMENT',
      'inputs[0].y to be an integer from 0 to 65536, got -1',
    );
    rejects(
      () => conv2d(x(), conv(), { region: { y: 0, x: 0, h: 0, w: 1 } }),
      'ERR_ARGUMENT',
      'region.h to be an integer from 1 to 65536, got 0',
    );
    rejects(
      () => conv2d(x(), conv(), { stride: 1.5 }),
      'ERR_ARGUMENT',
      'stride to be an integer from 1 to 8, got 1.5',
    );
    rejects(
      () => conv2d(x(), conv(), { activation: 'relu' as 'none' }),
      'ERR_ARGUMENT',
      'activation to be one of none, leaky_relu, rgb_gate, got relu',
    );
    rejects(
      () => conv2d(x(), conv(), { activation: 'rgb_gate' }),
      'ERR_SHAPE',
      'rgb_gate to have 4 channels out, got 2',
    );
    rejects(
      () => conv2d(x(), conv(), { residual: x(3) }),
      'ERR_SHAPE',
      'residual to have shape [n=1, h, w, o=2], got [1, 4, 5, 3]',
    );
    rejects(
      () => conv2d(x(), conv(), { residual: { tensor: x(2), y: 1, x: 0 } }),
      'ERR_SHAPE',
      'residual to cover rows 0 to 3 and columns 0 to 4, got rows 1 to 4 and columns 0 to 4',
    );
    backend.rejects(
      () => packConv2d(backend.device, new Float32Array(8), [1, 2, 2, 2], new Float32Array(1)),
      'ERR_ARGUMENT',
      'packConv2d: expected k to be odd, got 2',
    );
    backend.rejects(
      () => packConv2d(backend.device, new Float32Array(8), [1, 2, 3, 3], new Float32Array(1)),
      'ERR_SHAPE',
      'packConv2d: expected weight to hold 18 values for [1, 2, 3, 3], got 8',
    );
    rejects(
      () => conv2d(x(), { ...conv(), o: 1000 }),
      'ERR_ARGUMENT',
      'conv to be what packConv2d returns, got object',
    );
    rejects(
      () => conv2d(x(), conv(), { upsample: 1 as never }),
      'ERR_ARGUMENT',
      'upsample to be true or false, got number',
    );
    const gap = (list: Tensor[]) => {
      list.length += 1;
      return list;
    };
    rejects(
      () => conv2d(gap([x()]), conv()),
      'ERR_ARGUMENT',
      'inputs[1] to be a Tensor, got undefined',
    );
  });
});
