import { conv2d, packConv2d } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { compared, type Layer, layersOf } from '../shapes.js';

/** Every layer of the network, on whole planes. */
export const cases = (feed: Feed): Case[] =>
  layersOf(feed.config, compared).map((layer) => convolution(feed, layer));

/** A layer on whole planes. */
export function convolution(feed: Feed, layer: Layer): Case {
  const { name, n, from, to, channels, i, o, k, stride, dilation, upsample } = layer;
  const { activation, residual } = layer;
  const weight = () => feed.weights.tensor(`${name}.weight`, [o, i, k, k]);
  const bias = () => feed.weights.tensor(`${name}.bias`, [o]);
  return {
    name: `${name.replace('.layers', '')} ${detail(layer)}`,
    bytes: 4 * (n * (from.h * from.w * i + to.h * to.w * o) + o * (i * k * k + 1)),
    flops: 2 * n * to.h * to.w * o * i * k * k,
    prepare: () => {
      const inputs = channels.map((c) => feed.map(from, c, n));
      const conv = feed.own(packConv2d(feed.device, weight(), [o, i, k, k], bias(), channels));
      const options = { stride, dilation, upsample, activation };
      const added = residual && inputs[0] ? { residual: inputs[0] } : {};
      return () => conv2d(inputs, conv, { ...options, ...added });
    },
    peer: (rival) => {
      const [h, w] = [to.h * stride, to.w * stride];
      const leakyRelu = activation === 'leaky_relu';
      return rival.conv({ n, h, w, c: i, o, kernel: k, stride, dilation, leakyRelu });
    },
  };
}

function detail({ n, to, i, o, k, stride, dilation, upsample }: Layer): string {
  const traits = [
    n > 1 && `of ${n}`,
    stride > 1 && `stride ${stride}`,
    dilation > 1 && `dilation ${dilation}`,
    upsample && 'enlarged',
  ];
  return [`${to.w}x${to.h} ${i}>${o} ${k}x${k}`, ...traits.filter(Boolean)].join(' ');
}
