// Every operation with arguments that are right, nearly right, or wrong: it makes something, or
// throws an InpaintError.
import { Device } from '../../lib/device.js';
import { InpaintError } from '../../lib/errors.js';
import * as ops from '../../lib/ops/index.js';
import { scope } from '../../lib/scope.js';
import { Tensor } from '../../lib/tensor.js';
import type { Random } from '../random.js';
import { Feed, mutate, pick } from './mutate.js';

type Arguments = (feed: Feed, random: Random) => unknown[];

/** Right arguments of each operation, small. */
export const operations: Readonly<Record<string, Arguments>> = {
  blend: (f, random) => {
    const isFirst = random.next() < 0.5;
    const map = (c: number) => ({ tensor: f.map(1, 6, 7, c), y: 1, x: 2 });
    const region = { y: 2, x: 3, h: 4, w: 5 };
    const all = { decoded: map(4), coarse: f.map(1, 8, 9, 3), known: f.flags(1, 8, 9, 1), region };
    return [isFirst ? all : { ...all, previous: map(3), motion: map(3) }];
  },
  chainHomographies: (f) => [[f.thetas(1), f.thetas(1), f.thetas(1)], 1, [0, 2, 3]],
  composeAffine: (f, random) => [random.next() < 0.5 ? undefined : f.thetas(2), f.map(2, 6)],
  composite: (f, random) => {
    const isByte = random.next() < 0.5;
    return [
      { tensor: f.map(1, 4, 5, 3), y: 1, x: 1 },
      { tensor: f.flags(1, 4, 5, 1), y: 1, x: 1 },
      isByte ? f.bytes(1, 8, 8, 4) : f.map(1, 8, 8, 3),
      isByte ? f.bytes(1, 8, 8, 1) : f.flags(1, 8, 8, 1),
    ];
  },
  packConv2d: (f) => [f.device, f.floats(5 * 3 * 9), [5, 3, 3, 3], f.floats(5)],
  conv2d: (f, random) => {
    const k = pick(random, [1, 3, 5]);
    const packed = ops.packConv2d(
      f.device,
      f.floats(4 * 5 * k * k),
      [4, 5, k, k],
      f.floats(4),
      [3, 2],
    );
    const activation = pick(random, ['none', 'leaky_relu', 'rgb_gate']);
    return [
      [f.map(1, 9, 8, 3), f.map(1, 9, 8, 2)],
      packed,
      { stride: pick(random, [1, 2]), activation },
    ];
  },
  flowWarp: (f, random) =>
    random.next() < 0.5
      ? [f.map(1, 8, 9, 5), f.map(1, 8, 9, 3), { scaleX: 4, scaleY: 4 }]
      : [f.bytes(1, 8, 9, 3), f.map(1, 4, 5, 3), { scaleX: 4, scaleY: 4, y: 1, x: 2 }],
  gaussNewton: (f, random) => [
    {
      theta: f.thetas(2),
      target: f.map(1, 8, 12, 4),
      near: f.flags(1, 4, 4, 1),
      references: [f.map(1, 8, 12, 4), f.map(1, 8, 12, 4)],
      steps: 2,
      robust: 0.1,
      ...(random.next() < 0.3 && {
        anchor: { theta: f.thetas(2), box: { y: 1, x: 1, h: 4, w: 4 }, within: 2 },
      }),
      ...(random.next() < 0.3 && { best: true }),
    },
  ],
  homographySample: (f) => [
    [f.map(1, 7, 8, 3), f.map(1, 7, 8, 3)],
    [f.flags(1, 7, 8, 1), f.flags(1, 7, 8, 1)],
    f.thetas(2),
  ],
  packLinear: (f) => [f.device, f.floats(30), [6, 5], f.floats(6)],
  linear: (f) => [f.map(2, 5), ops.packLinear(f.device, f.floats(30), [6, 5], f.floats(6))],
  localDistance: (f) => [
    f.map(2, 8, 12, 3),
    f.flags(2, 8, 12, 1),
    f.map(1, 8, 12, 3),
    f.flags(1, 8, 12, 1),
    6,
  ],
  maskedCorrelation: (f) => [
    f.map(1, 4, 4, 8),
    f.flags(1, 4, 4, 1),
    [f.map(1, 4, 4, 8)],
    [f.flags(1, 4, 4, 1)],
    3,
  ],
  meanField: (f) => [
    f.map(1, 8, 9, 1),
    f.map(1, 8, 9, 1),
    f.map(1, 8, 9, 3),
    { radius: 2, weight: 1, range: 0.1, spread: 2 },
  ],
  normalize: (f) => [f.map(2, 4, 5, 8)],
  packFrame: (f, random) => [
    f.bytes(1, 20, 30, pick(random, [3, 4])),
    f.bytes(1, 20, 30, 1),
    { dilate: 2, scaled: { h: 10, w: 15 }, plane: { h: 16, w: 16 } },
  ],
  paintNative: (f, random) => {
    const c = pick(random, [3, 4]);
    const frame = () => ({ frame: f.bytes(1, 20, 24, c), visibility: f.bytes(1, 20, 24, 1) });
    return [
      {
        target: frame(),
        references: [frame(), frame()],
        theta: f.thetas(2),
        distance: f.map(2, 4, 4, 1),
        offset: f.map(2, 4, 4, 3),
        scale: 5,
        doubt: 0.1,
        slope: 60,
        bounds: { y: 3, x: 4, h: 10, w: 12 },
        plane: { h: 16, w: 16 },
        extent: { h: 20, w: 24 },
        coarse: f.map(1, 16, 16, 3),
        decoded: { tensor: f.map(1, 16, 16, 4), y: 0, x: 0 },
        ...(random.next() < 0.5 && { motion: f.map(1, 4, 4, 3), previous: f.bytes(1, 20, 24, c) }),
        flowScale: 16,
      },
    ];
  },
  pushPull: (f, random) => [
    f.map(1, 16, 24, 3),
    f.flags(1, 16, 24, 1),
    ...(random.next() < 0.5 ? [{ colour: f.map(1, 4, 6, 4), trust: f.map(1, 4, 6, 1) }] : []),
  ],
  refinementLevel: (f, random) => [
    f.map(1, 8, 12, 3),
    f.flags(1, 8, 12, 1),
    2,
    ...(random.next() < 0.5 ? [3] : []),
  ],
  resize: (f, random) => [
    f.map(2, 7, 8, 3),
    {
      h: 5,
      w: 11,
      mode: pick(random, ['bilinear', 'nearest', 'area']),
      ...(random.next() < 0.2 && { below: 0.5 }),
    },
  ],
  synthesize: (f, random) => [
    {
      frame: f.map(1, 16, 16, 3),
      known: f.flags(1, 16, 16, 1),
      decoded: { tensor: f.map(1, 8, 8, 4), y: 4, x: 4 },
      ...(random.next() < 0.5 && {
        carried: f.map(1, 16, 16, 3),
        carriedKnown: f.flags(1, 16, 16, 1),
      }),
      seed: 1,
    },
  ],
  temporalPool: (f, random) => [
    {
      aligned: f.map(2, 8, 8, 3),
      visibility: f.flags(2, 8, 8, 1),
      distance: f.map(2, 2, 2, 1),
      scale: 4,
      target: f.map(1, 8, 8, 3),
      targetVisibility: f.flags(1, 8, 8, 1),
      ...(random.next() < 0.5 && { offset: f.map(2, 2, 2, 3) }),
      ...(random.next() < 0.5 && { doubt: 0.1, slope: 60 }),
    },
  ],
  unshuffle: (f) => [[f.map(1, 8, 12, 3), f.map(1, 8, 12, 1)], 4],
  windowMatch: (f) => [
    f.map(1, 8, 8, 3),
    f.map(2, 8, 8, 3),
    f.flags(2, 8, 8, 1),
    f.flags(2, 8, 8, 1),
    { radius: 2, slope: 1, toll: 0.1 },
  ],
  windowedAttention: (f) => [
    {
      x: f.map(1, 6, 8, 16),
      query: f.flags(1, 6, 8, 1),
      keys: f.map(2, 6, 8, 16),
      visibility: f.flags(2, 6, 8, 1),
      colours: f.map(2, 6, 8, 3),
      offset: f.map(2, 6, 8, 3),
      distance: f.map(2, 6, 8, 1),
      scale: 2,
      pool: 2,
      sigma: 2,
      reach: 2,
    },
  ],
};

const names = Object.keys(operations);

/** How many calls did something, by operation. */
export const accepted = new Map<string, number>();

let feed: Feed | undefined;

/** What is no refusal is a bug. */
function expectRefusal(name: string, error: unknown): void {
  if (!(error instanceof InpaintError))
    throw new Error(`${name} fails otherwise`, { cause: error });
  const poisoned = ['ERR_OUT_OF_MEMORY', 'ERR_DEVICE'].includes(error.code);
  if (!poisoned) return;
  feed?.dispose();
  feed = undefined;
}

export async function fuzzOperation(random: Random): Promise<void> {
  const name = pick(random, names);
  feed ??= new Feed(random);
  const own = feed;
  const chance = pick(random, [0, 0.02, 0.1, 0.3]);
  let reading: Promise<unknown> = Promise.resolve();
  try {
    scope(() => {
      const given = (operations[name] as Arguments)(own, random);
      const args = given.map((it) => (it instanceof Device ? it : mutate(it, random, own, chance)));
      const made = (ops as unknown as Record<string, (...args: unknown[]) => unknown>)[name]?.(
        ...args,
      );
      accepted.set(name, (accepted.get(name) ?? 0) + 1);
      const parts = made instanceof Tensor ? [made] : Object.values(made ?? {});
      const tensors = parts.filter((it) => it instanceof Tensor);
      if (random.next() < 0.1) reading = Promise.all(tensors.map((it) => it.read()));
      reading.catch(() => {});
      for (const tensor of tensors) if (random.next() < 0.3) tensor.dispose();
    });
    await reading;
  } catch (error) {
    expectRefusal(name, error);
  }
}
