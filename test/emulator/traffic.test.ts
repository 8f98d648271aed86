// What the kernels ask of memory at the network's channel counts, as the emulator counts it.
//
// Useful is what the loads of a launch ask for, of the 32-byte sectors that they touch. Both are
// counted an instruction of a warp at a time: bytes that several lanes ask for count once, sectors
// that several instructions touch count for each, as if no cache helped.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainName } from '../../bench/gpu.js';
import { type Layer, layersOf } from '../../bench/shapes.js';
import { Device } from '../../lib/device.js';
import {
  conv2d,
  flowWarp,
  gaussNewton,
  homographySample,
  localDistance,
  maskedCorrelation,
  packConv2d,
  pushPull,
  windowedAttention,
} from '../../lib/ops/index.js';
import { scope } from '../../lib/scope.js';
import type { Tensor } from '../../lib/tensor.js';
import { Random } from '../random.js';
import { available, counters, type LaunchCounters, reason, set } from './probe.js';

const widths = {
  homography: { width: 16, hidden: 64, size: 32, grid: 16, iterations: 2, levels: [] },
  inpainter: { width: 32, flowWidth: 16 },
};
const layers = layersOf(widths, { h: 32, w: 64 });
// The decoder's first layer as the paper has it, without the coarse frame: 322 channels.
const first = layers.find(({ name }) => name === 'inpainter.d1') as Layer;
const paper: Layer = { ...first, name: 'of 322 channels', channels: [128, 128, 64, 1, 1], i: 322 };

describe.skipIf(!available)(available ? 'traffic' : `traffic: ${reason}`, () => {
  const random = new Random(17);
  let device: Device;
  beforeEach(() => {
    set({ races: false, uninitialised: false, threads: 2 });
    device ??= Device.create('cuda:0');
  });
  afterEach(() => set({ count: false, races: true, uninitialised: true, threads: 1 }));
  afterAll(() => device?.dispose());

  const map = (n: number, h: number, w: number, c: number) =>
    device.upload(random.values(n * h * w * c), [n, h, w, c]);
  const bits = (h: number, w: number) => device.upload(random.bits(h * w), [1, h, w, 1]);
  const each = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

  /** Counters of the kernels named, each of which has to run. */
  async function count(kernels: readonly string[], body: () => Tensor | { output: Tensor }) {
    const marker = device.upload(new Float32Array(1), [1]);
    await marker.read(); // what was queued before is not counted
    set({ count: true });
    counters();
    const made = scope(body);
    const output = 'output' in made ? made.output : made;
    await output.read();
    set({ count: false });
    const all = counters().filter(({ kernel }) =>
      kernels.includes(plainName(kernel).replace(/<.*$/, '')),
    );
    for (const name of kernels) expect(all.map(({ kernel }) => kernel).join()).toContain(name);
    return all;
  }
  const sum = (list: readonly LaunchCounters[], of: 'loadBytes' | 'loadSectors' | 'memory') =>
    list.reduce((total, it) => total + it[of], 0);
  const useful = (list: readonly LaunchCounters[]) =>
    sum(list, 'loadBytes') / (32 * sum(list, 'loadSectors'));
  const conflicts = (list: readonly LaunchCounters[]) => {
    expect(list.every((it) => it.mma > 0 && it.sharedAccesses > 0)).toBe(true);
    return list.reduce((total, it) => total + it.sharedConflicts, 0);
  };

  function convolve(layer: Layer) {
    const { from, channels, o, i, k, stride, dilation, upsample, activation } = layer;
    const narrow = channels.some((c) => c % 8);
    const n = Math.min(layer.n, 2);
    const inputs = channels.map((c) => map(n, from.h, from.w, c));
    const weight = random.values(o * i * k * k);
    const conv = packConv2d(device, weight, [o, i, k, k], random.values(o), channels);
    const residual = layer.residual ? { residual: inputs[0] as Tensor } : {};
    const options = { stride, dilation, upsample, activation, ...residual };
    const kernels = narrow ? ['join', 'convolve'] : ['convolve'];
    return count(kernels, () => conv2d(inputs, conv, options));
  }
  // Neighbours of a 5 x 5 kernel of stride 2 lie two pixels of 8 channels apart: where a step holds a
  // single tap of a row of the kernel, it takes half of every sector. All other layers fill them.
  const isFirst = ({ k }: Layer) => k === 5;

  it.each([...layers, paper].map((layer) => [layer.name, layer] as const))(
    'of a convolution: %s',
    async (_, layer) => {
      const launches = await convolve(layer);
      const products = launches.filter(({ kernel }) => kernel.includes('convolve'));
      expect(useful(products)).toBeGreaterThan(isFirst(layer) ? 0.84 : 0.95);
      // Of pixels of 3 channels a thread reads one after the other, and its neighbours meet the same
      // sectors each time.
      const others = launches.filter((it) => !products.includes(it));
      if (others.length) expect(useful(others)).toBeGreaterThan(0.2);
      expect(conflicts(products)).toBe(0);
    },
  );

  it('of the parts of a split sum', async () => {
    const [n, h, w, c] = [1, 8, 16, 256];
    const conv = packConv2d(device, random.values(c * c * 9), [c, c, 3, 3], random.values(c));
    const inputs = map(n, h, w, c);
    const launches = await count(['add_parts'], () => conv2d(inputs, conv, { residual: inputs }));
    expect(useful(launches)).toBe(1);
  });

  // Of 3 channels, a warp reads 64 bytes of a row in one go: two sectors, mostly lying across three.
  // Of features, 512; `bytes` is for an access to memory, those that store or share taps among them.
  it.each([
    [16, 16, 64, 0.95, 120],
    [16, 32, 128, 0.95, 120],
    [32, 64, 3, 0.65, 16],
  ])('of sampling: %i x %i, %i channels', async (h, w, c, least, bytes) => {
    const sources = each(4, () => map(1, h, w, c));
    const visibility = each(4, () => bits(h, w));
    const theta = device.upload(random.homographies(4, 0.02), [4, 3, 3]);
    const launches = await count(['sample'], () => homographySample(sources, visibility, theta));
    expect(useful(launches)).toBeGreaterThan(least);
    expect(sum(launches, 'loadBytes') / sum(launches, 'memory')).toBeGreaterThan(bytes);
  });

  // Halving reads every other pixel of a row, and those between one instruction later.
  it('of push-pull', async () => {
    const [colour, weight] = [map(1, 128, 160, 3), bits(128, 160)];
    const launches = await count(['halve', 'enlarge'], () => pushPull(colour, weight));
    expect(useful(launches)).toBeGreaterThan(0.55);
  });

  it('of warping features along a flow', async () => {
    const [source, flow] = [map(1, 16, 32, 64), random.smooth(16, 32, 3)];
    const along = device.upload(flow, [1, 16, 32, 3]);
    const launches = await count(['warp_map'], () =>
      flowWarp(source, along, { scaleX: 4, scaleY: 4 }),
    );
    expect(useful(launches)).toBeGreaterThan(0.9);
  });

  // Rows are read as they lie, and handed out through shared memory.
  it('of the local distance', async () => {
    const [aligned, target] = [map(4, 32, 256, 3), map(1, 32, 256, 3)];
    const visibility = (n: number) => device.upload(random.bits(n * 32 * 256, 1), [n, 32, 256, 1]);
    const launches = await count(
      ['add_colours', 'add_sizes'],
      () => localDistance(aligned, visibility(4), target, visibility(1), 24).distance,
    );
    for (const launch of launches) {
      expect(useful([launch]), launch.kernel).toBeGreaterThan(0.95);
      expect(launch.sharedConflicts, launch.kernel).toBe(0);
    }
  });

  // Features are read in whole sectors; what is shown a third at a time, two bytes of six.
  it('of attention', async () => {
    const [h, w, c, r] = [16, 24, 128, 4];
    const options = {
      scale: 4,
      pool: 20,
      sigma: 2,
      reach: 6,
      x: map(1, h, w, c),
      query: bits(h, w),
    };
    const [keys, colours, offset] = [map(r, h, w, c), map(r, h, w, 3), map(r, h, w, 3)];
    const visibility = device.upload(random.bits(r * h * w, 1), [r, h, w, 1]);
    const distance = map(r, h, w, 1);
    const launches = await count(['attend'], () =>
      windowedAttention({ ...options, keys, visibility, colours, offset, distance }),
    );
    expect(useful(launches)).toBeGreaterThan(0.85);
    expect(conflicts(launches)).toBe(0);
  });

  // Of 4096 places, which are eight parts. Blocks of a reference that meet share them; each passes the
  // barriers of all exchanges, so together they pass more.
  it('of refinement, by one block or by several', async () => {
    const [h, w, steps] = [64, 64, 2];
    const visibility = random.bits(h * w, 0.9);
    const smooth = random.smooth(h, w, 3);
    const plane = Float32Array.from({ length: h * w * 4 }, (_, i) =>
      i % 4 === 3 ? visibility[(i - 3) / 4]! : smooth[Math.floor(i / 4) * 3 + (i % 4)]!,
    );
    const target = device.upload(plane, [1, h, w, 4]);
    const near = device.upload(random.values(h * w, 0.01, 1), [1, h, w, 1]);
    const theta = device.upload(random.homographies(2, 0.02), [2, 3, 3]);
    const references = [target, target];
    const barriers: number[] = [];
    const outputs: unknown[] = [];
    for (const settings of [{ together: 1 }, { together: 3 }, { together: 8 }, { threads: 4 }]) {
      set({ threads: 1, together: 1, ...settings });
      const made: Tensor[] = [];
      const launches = await count(['refine'], () => {
        made.push(gaussNewton({ theta, target, near, references, steps, robust: 1.5 }));
        return made[0] as Tensor;
      });
      outputs.push(await made[0]?.read());
      barriers.push(launches.reduce((total, it) => total + it.barriers, 0));
      const conflicts = launches.reduce((total, it) => total + it.sharedConflicts, 0);
      const cycles = launches.reduce((total, it) => total + it.sharedCycles, 0);
      expect(conflicts / cycles).toBeLessThan(0.01);
      expect(useful(launches)).toBeGreaterThan(0.5);
    }
    set({ threads: 1, together: 1 });
    const [alone, three, all] = barriers as [number, number, number];
    expect(three).toBeGreaterThan(alone);
    expect(all).toBeGreaterThan(three);
    for (const other of outputs.slice(1)) expect(other).toEqual(outputs[0]);
  });

  it('of correlation', async () => {
    const [target, visibility] = [map(1, 16, 16, 64), bits(16, 16)];
    const references = each(4, () => map(1, 16, 16, 64));
    const masks = each(4, () => bits(16, 16));
    const launches = await count(['correlate'], () =>
      maskedCorrelation(target, visibility, references, masks, 20),
    );
    expect(useful(launches)).toBeGreaterThan(0.95);
    expect(conflicts(launches)).toBe(0);
  });
});
