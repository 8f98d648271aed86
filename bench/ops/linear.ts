import { linear, packLinear } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const { grid, hidden } = feed.config.homography;
  const product = (name: string, n: number, i: number, o: number): Case => ({
    name: `${name} ${n} x ${i} > ${o}`,
    bytes: 4 * (n * i + i * o + n * o),
    flops: 2 * n * i * o,
    prepare: () => {
      const [weight, bias] = [feed.random.values(i * o), feed.random.values(o)];
      const layer = feed.own(packLinear(feed.device, weight, [o, i], bias));
      const x = feed.upload(feed.random.values(n * i), n, i);
      return () => linear(x, layer);
    },
  });
  return [
    product('estimator', references, hidden * (grid / 4) ** 2, 6),
    product('square', 768, 768, 768),
  ];
};
