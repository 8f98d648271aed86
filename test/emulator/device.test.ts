// The CUDA device on the emulated GPU, whose streams do nothing that nobody waits for: a forgotten
// wait gives old data every time.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Device, type DeviceOptions } from '../../lib/device.js';
import { conv2d, packConv2d } from '../../lib/ops/conv2d.js';
import { localDistance } from '../../lib/ops/local_distance.js';
import { normalize } from '../../lib/ops/normalize.js';
import { pushPull } from '../../lib/ops/push_pull.js';
import { unshuffle } from '../../lib/ops/unshuffle.js';
import { scope } from '../../lib/scope.js';
import type { Tensor } from '../../lib/tensor.js';
import { Random } from '../random.js';
import * as emulator from './probe.js';

const skipped = emulator.available ? '' : `: ${emulator.reason}`;

const values = (seed: number, count: number): Float32Array => {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => 2 * random.next() - 1);
};

/** What a read rejects with. */
async function rejection(tensor: Tensor): Promise<unknown> {
  return tensor.read().then(
    () => 'nothing',
    (error: unknown) => error,
  );
}

describe.skipIf(skipped)(`the CUDA device${skipped}`, () => {
  const devices: Device[] = [];
  const open = (options: DeviceOptions = {}): Device => {
    const device = Device.create('cuda', options);
    devices.push(device);
    return device;
  };

  beforeEach(() => emulator.reset());
  afterEach(() => {
    emulator.set({ capacity: 2 ** 34 });
    for (const device of devices.splice(0)) device.dispose();
    emulator.reset();
  });

  describe('graphs', () => {
    const channels = 16;
    const weights = values(1, channels * channels * 9);

    /** Queues a frame of h x h: kernels with and without scratch memory, copies and, with poison, fills. */
    function frame(device: Device, seed: number, h: number): Promise<unknown[]> {
      const bias = values(2, channels);
      const { out, distance } = scope(() => {
        const conv = packConv2d(device, weights, [channels, channels, 3, 3], bias);
        const x = device.upload(values(seed, h * h * channels), [1, h, h, channels]);
        const seen = device.upload(new Float32Array(h * h).fill(1), [1, h, h, 1]);
        const a = normalize(x);
        const filled = pushPull(a, seen);
        const colour = device.upload(values(seed, h * h * 3), [1, h, h, 3]);
        const { distance } = localDistance(normalize(colour), seen, colour, seen, 8);
        return { out: conv2d(filled, conv), distance };
      });
      const reads = Promise.all([out.read(), distance.read()]);
      out.dispose();
      distance.dispose();
      return reads;
    }

    it.each([
      { precision: 'f16', poison: false },
      { precision: 'f32', poison: true },
    ] as const)('give the bits of single launches: %o', async (options) => {
      const sizes = [8, 8, 8, 8, 12, 12, 8, 12, 12, 8];
      // On a device of its own everything comes for the first time.
      const wanted: unknown[] = [];
      for (const [t, h] of sizes.entries()) {
        const device = open(options);
        wanted.push(await frame(device, t, h));
        device.dispose();
      }
      expect(emulator.graphs()).toMatchObject({ made: 0, launched: 0 });

      const device = open(options);
      for (const [t, h] of sizes.entries()) expect(await frame(device, t, h)).toEqual(wanted[t]);
      // A graph for each of the two sizes: most nodes differ. Of either, the first frame is single
      // launches; the second read is a single copy.
      expect(emulator.graphs()).toMatchObject({ made: 2, launched: sizes.length - 2 });
    });

    it('settle on the same memory, so that nothing is left to set', async () => {
      const device = open();
      for (let t = 0; t < 6; ++t) await frame(device, t, 8);
      const { made, set } = emulator.graphs();
      const { reserved } = device.memory();
      for (let t = 0; t < 4; ++t) await frame(device, t, 8);
      expect(emulator.graphs()).toMatchObject({ made, launched: 9, set });
      expect(device.memory().reserved).toBe(reserved);
    });

    it('take the parameters of the batch that is played', async () => {
      const device = open();
      const held: Tensor[] = [];
      for (let t = 0; t < 9; ++t) {
        const data = values(t, 64);
        const x = device.upload(data, [64]);
        held.push(x, device.upload(data, [64])); // so every frame has memory of its own
        expect(await x.read()).toEqual(data);
      }
      expect(emulator.graphs()).toMatchObject({ made: 1, launched: 8 });
      expect(emulator.graphs().set).toBeGreaterThanOrEqual(7);
      for (const x of held) x.dispose();
    });

    it('are made of at most so many launches, and few are kept', async () => {
      const device = open();
      const x = device.upload(values(1, 64), [1, 2, 2, 16]);
      for (let round = 0; round < 2; ++round) {
        for (let i = 0; i < 200; ++i) normalize(x).dispose();
        await x.read();
      }
      // Of a round's 200 operations and the read, three batches are full.
      expect(emulator.graphs().launched).toBeGreaterThanOrEqual(3);
      const play = async (code: number) => {
        for (let bit = 1; bit < 128; bit *= 2)
          (code & bit ? normalize(x) : unshuffle([x], 2)).dispose();
        await x.read();
      };
      for (let round = 0; round < 2; ++round) {
        for (let code = 0; code < 70; ++code) await play(code);
      }
      // All 70 were forgotten before they came again.
      const { made } = emulator.graphs();
      await play(69);
      expect(emulator.graphs().made).toBe(made + 1);
      x.dispose();
    });
  });

  describe('copies', () => {
    it.each(['f16', 'f32'] as const)(
      'are in order with the work on memory that is used again: %s',
      async (precision) => {
        const device = open({ precision });
        const shape = [1, 8, 8, 16];
        const reads: Promise<ArrayLike<number>>[] = [];
        const data = Array.from({ length: 8 }, (_, i) =>
          new Float32Array(1024).fill(i + 1).map((v, j) => (j % 16 === i ? 8 * v : v)),
        );
        for (const one of data) {
          using x = device.upload(one, shape); // each in the memory of the last
          using y = normalize(x);
          reads.push(y.read(), x.read());
        }
        expect(device.memory().used).toBe(0);
        const got = await Promise.all(reads);
        data.forEach((one, i) => {
          expect(Array.from(got[2 * i + 1] ?? [])).toEqual([...one]);
          const norm = Math.hypot(...one.slice(0, 16));
          for (const [j, value] of Array.from(got[2 * i] ?? []).entries())
            expect(Math.abs(value - (one[j] as number) / norm)).not.toBeGreaterThan(1e-3);
        });
      },
    );

    it('pass bytes as they are, of any length', async () => {
      const device = open();
      for (const length of [1, 2, 3, 63, 64, 65, 4097, 70001]) {
        const data = Uint8Array.from({ length }, (_, i) => (i * 37) % 251);
        using x = device.upload(data, [length]);
        data.fill(0); // the caller's again
        const wanted = Uint8Array.from({ length }, (_, i) => (i * 37) % 251);
        expect(await x.read()).toEqual(wanted);
      }
    });

    it('use the same staging memory again', async () => {
      const device = open();
      const copy = async () => {
        using x = device.upload(new Uint8Array(1 << 20), [1 << 20]);
        await x.read();
      };
      await copy();
      const { reserved } = device.memory();
      for (let i = 0; i < 10; ++i) await copy();
      expect(device.memory().reserved).toBe(reserved);
    });

    it('count in what the device holds, until it is trimmed', async () => {
      const device = open();
      const nothing = device.memory().reserved;
      const bytes = 1 << 20;
      const x = device.upload(new Uint8Array(bytes), [bytes]);
      await x.read();
      x.dispose();
      // The pool's segment, and blocks for an upload and a read, each twice.
      expect(device.memory().reserved).toBe(nothing + (16 << 20) + 4 * bytes);
      device.trim();
      expect(device.memory().reserved).toBe(nothing);
    });

    it('that nobody reads are done when the device is trimmed', async () => {
      const device = open();
      const nothing = device.memory().reserved;
      device.upload(new Uint8Array(1000), [1000]).dispose();
      while (device.memory().reserved > nothing) {
        device.trim();
        await new Promise(setImmediate);
      }
    });
  });

  describe('faults', () => {
    /** Two kernels between an upload and a read, which are kernels too. */
    function queue(device: Device): Tensor {
      return scope(() => {
        const x = device.upload(values(1, 64), [1, 2, 2, 16]);
        return normalize(unshuffle([normalize(x)], 2));
      });
    }

    it.each([
      [1, 'upload'],
      [2, 'normalize'],
      [3, 'unshuffle'],
      [4, 'normalize'],
      [5, 'read'],
    ])('in kernel %i are told with the name of the operation: %s', async (failLaunch, op) => {
      const device = open();
      emulator.set({ failLaunch });
      const y = queue(device);
      const fault = {
        code: 'ERR_DEVICE',
        op,
        message: `${op}: expected to finish, got unspecified launch failure`,
      };
      expect(await rejection(y)).toMatchObject(fault);
      expect(await rejection(y)).toMatchObject(fault);
      expect(() => normalize(y)).toThrow(expect.objectContaining(fault));
      expect(() => device.upload(new Uint8Array(1), [1])).toThrow(expect.objectContaining(fault));
    });

    it('in a graph are told with the names of its operations', async () => {
      const device = open();
      for (let i = 0; i < 3; ++i) {
        using y = queue(device);
        await y.read();
      }
      emulator.set({ failLaunch: 3 });
      const y = queue(device);
      const op = 'upload or normalize or unshuffle or read';
      expect(await rejection(y)).toMatchObject({ code: 'ERR_DEVICE', op });
    });

    it('spare what was read before, and name the first of several batches', async () => {
      const device = open();
      emulator.set({ failLaunch: 5 }); // behind 3 of the first read, 1 of the second
      const x = device.upload(values(1, 64), [1, 2, 2, 16]);
      const good = normalize(x);
      const [first, second] = [good.read(), good.read()];
      const bad = normalize(unshuffle([x], 2));
      // Made before the first read of these starts their batch: a device that has failed makes none.
      const behind = normalize(good);
      const reads = await Promise.allSettled([bad.read(), good.read(), behind.read()]);
      expect((await first).length).toBe(64);
      expect((await second).length).toBe(64);
      for (const read of reads)
        expect(read).toMatchObject({ status: 'rejected', reason: { op: 'unshuffle' } });
    });

    it('leave a device that can be disposed of, and the next one works', async () => {
      const device = open();
      emulator.set({ failLaunch: 2 });
      await rejection(queue(device));
      device.dispose();
      emulator.reset();
      using y = queue(open());
      expect((await y.read()).length).toBe(64);
    });
  });

  describe('memory', () => {
    const work = async (device: Device) => {
      const conv = packConv2d(device, values(1, 16 * 16 * 9), [16, 16, 3, 3], values(2, 16));
      using x = device.upload(values(3, 6 * 6 * 16), [1, 6, 6, 16]);
      using seen = device.upload(new Float32Array(36).fill(1), [1, 6, 6, 1]);
      // Copies that are done leave their memory to the next: what is allocated when does not depend
      // on how fast they are.
      await seen.read();
      using filled = pushPull(x, seen);
      using out = conv2d(filled, conv);
      const read = await out.read();
      conv.dispose();
      return read;
    };

    it('that is short at the start is the reason of the refusal', () => {
      emulator.set({ capacity: 0 });
      expect(() => open()).toThrow(
        expect.objectContaining({
          code: 'ERR_OUT_OF_MEMORY',
          message: expect.stringMatching(
            /expected \d+ bytes .* got none: .*0 of the GPU's 0 are free/,
          ),
        }),
      );
    });

    it('that is short is told with the bytes that were asked for and those that are free', async () => {
      const device = open({ memoryLimit: 24 << 20 });
      const x = device.upload(new Uint8Array(1 << 20), [1 << 20]);
      const free = /, \d+ of the GPU's \d+ are free$/;
      // Pool, staging: all count.
      expect(() => device.upload(new Uint8Array(20 << 20), [20 << 20])).toThrow(
        expect.objectContaining({
          code: 'ERR_OUT_OF_MEMORY',
          message: expect.stringMatching(free),
        }),
      );
      expect(() => device.upload(new Uint8Array(4 << 20), [4 << 20])).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(/^upload: expected 8388608 bytes for a copy/),
        }),
      );
      expect((await x.read()).length).toBe(1 << 20);
      expect(device.memory().peak).toBeLessThanOrEqual(24 << 20);
      emulator.set({ capacity: 1 });
      const other = device.upload.bind(device, new Uint8Array(3 << 20), [3 << 20]);
      expect(other).toThrow(expect.objectContaining({ message: expect.stringMatching(free) }));
      x.dispose();
    });

    it('that the system refuses once, anywhere, does no lasting harm', async () => {
      const wanted = await work(open());
      const allocations = 30; // more than there are
      let refused = 0;
      for (let n = 1; n <= allocations; ++n) {
        emulator.set({ failAllocation: n });
        let device: Device | undefined;
        try {
          device = open();
          expect(await work(device)).toEqual(wanted);
        } catch (error) {
          ++refused;
          expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
        }
        device?.dispose();
      }
      expect(refused).toBeGreaterThan(1);
    });
  });

  it('computes beside another, which may go at any time', async () => {
    const [a, b] = [open(), open({ precision: 'f32' })];
    const [x, y] = [1, 2].map((seed) => values(seed, 64)) as [Float32Array, Float32Array];
    const [wanted] = await Promise.all([normalize(b.upload(y, [1, 2, 2, 16])).read()]);
    for (let i = 0; i < 3; ++i) {
      const first = normalize(a.upload(x, [1, 2, 2, 16]));
      const second = normalize(b.upload(y, [1, 2, 2, 16]));
      const reads = [first.read(), second.read(), first.read()];
      expect((await Promise.all(reads))[1]).toEqual(wanted);
    }
    const pending = normalize(a.upload(x, [1, 2, 2, 16])).read();
    const kept = normalize(b.upload(y, [1, 2, 2, 16])).read();
    a.dispose();
    await expect(pending).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await kept).toEqual(wanted);
  });
});
