import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  InpaintError,
  type InpaintedFrame,
  Inpainter,
  type InpainterOptions,
} from '../../lib/index.js';
import { estimateBytes, workingSizes } from '../../lib/video/completion.js';
import type { FramePair, Image } from '../../lib/video/image.js';
import { clip, type Scene } from './scenes.js';

const collect = async (
  inpainter: Inpainter,
  source: Iterable<FramePair> | AsyncIterable<FramePair>,
) => {
  const frames = [];
  for await (const frame of inpainter.inpaint(source)) frames.push(frame);
  return frames;
};

const within = async <T>(
  options: InpainterOptions,
  body: (inpainter: Inpainter) => Promise<T>,
): Promise<T> => {
  const inpainter = await Inpainter.create({ device: 'cpu', ...options });
  try {
    return await body(inpainter);
  } finally {
    await inpainter.dispose();
  }
};

/**
 * Number of bytes that differ further than `radius` from the mask, and of alpha bytes that differ
 * anywhere.
 */
const touched = (
  input: { frame: Image; mask: Image },
  output: Uint8Array,
  radius: number,
): number => {
  const { width, height, channels, data } = input.frame;
  let count = 0;
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      let near = false;
      for (let dy = -radius; dy <= radius && !near; ++dy) {
        for (let dx = -radius; dx <= radius && !near; ++dx) {
          const [u, v] = [x + dx, y + dy];
          near =
            dy * dy + dx * dx <= radius * radius &&
            u >= 0 &&
            v >= 0 &&
            u < width &&
            v < height &&
            input.mask.data[v * width + u] !== 0;
        }
      }
      for (let c = 0; c < channels; ++c) {
        const at = (y * width + x) * channels + c;
        if ((!near || c === 3) && data[at] !== output[at]) ++count;
      }
    }
  }
  return count;
};

/** Mean absolute difference inside the mask's own pixels. */
const holeError = (
  truth: Uint8Array,
  { mask, frame }: { mask: Image; frame: Image },
  output: Uint8Array,
): number => {
  let [sum, count] = [0, 0];
  mask.data.forEach((value, i) => {
    for (let c = 0; value && c < 3; ++c, ++count) {
      const at = i * frame.channels + c;
      sum += Math.abs((truth[at] as number) - (output[at] as number));
    }
  });
  return count ? sum / count : 0;
};

describe('Inpainter', () => {
  let inpainter: Inpainter;
  beforeAll(async () => {
    inpainter = await Inpainter.create({ device: 'cpu', referenceStride: 2 });
  });
  afterAll(() => inpainter.dispose());

  it('fills a hole with what other frames show', async () => {
    const frames = clip({
      width: 96,
      height: 64,
      frames: 9,
      pan: 3,
      hole: (t) => [30 + 4 * t, 20, 46 + 4 * t, 44],
    });
    const output = await collect(inpainter, frames);
    expect(output.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (const [t, frame] of frames.entries()) {
      const { data, width, height, channels } = output[t]!;
      expect({ width, height, channels }).toEqual({ width: 96, height: 64, channels: 3 });
      // A mean colour would be some 40 off.
      expect(holeError(frame.truth, frame, data)).toBeLessThan(8);
      expect(touched(frame, data, 4)).toBe(0);
    }
  });

  it('keeps native detail when the frame is larger than the working size', async () => {
    const frames = clip({
      width: 320,
      height: 192,
      frames: 9,
      detail: 30,
      hole: (t) => [40 + 20 * t, 60, 100 + 20 * t, 130],
    });
    const output = await within({ workSize: 96, referenceStride: 2 }, (other) =>
      collect(other, frames),
    );
    const mean = (picture: (frame: (typeof frames)[number], t: number) => Uint8Array) =>
      frames.reduce((sum, frame, t) => sum + holeError(frame.truth, frame, picture(frame, t)), 0) /
      frames.length;
    // What no working size of a third can beat: the truth itself, each 3 x 3 pixels averaged.
    const averaged = ({ truth, frame: { width, height } }: (typeof frames)[number]) =>
      truth.map((_, i) => {
        const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
        let sum = 0;
        for (let k = 0; k < 9; ++k) {
          const u = Math.min(width - 1, x - (x % 3) + (k % 3));
          const v = Math.min(height - 1, y - (y % 3) + Math.floor(k / 3));
          sum += truth[(v * width + u) * 3 + c] as number;
        }
        return Math.round(sum / 9);
      });
    expect(mean((_, t) => output[t]!.data)).toBeLessThan(mean(averaged));
    frames.forEach((frame, t) => expect(touched(frame, output[t]!.data, 13)).toBe(0));
  });

  it.each([
    [1, 1],
    [1, 9],
    [17, 3],
    [33, 65],
    [101, 51],
    [15, 16],
    [31, 129],
  ])('leaves every byte outside the mask as it was: %d x %d', async (width, height) => {
    for (const [workSize, channels] of [
      [512, 3],
      [16, 4],
      [48, 3],
    ] as const) {
      const scene: Scene = {
        width,
        height,
        channels,
        frames: 3,
        pan: 1,
        hole: (t) => [
          Math.floor(width / 3),
          Math.floor(height / 4) + t,
          Math.ceil((2 * width) / 3),
          height,
        ],
      };
      const frames = clip(scene);
      const output = await within({ workSize, dilate: 2, referenceStride: 1 }, (other) =>
        collect(other, frames),
      );
      const radius = workingSizes(height, width, workSize, 2).dilate;
      for (const [t, frame] of frames.entries()) {
        expect(output[t]).toMatchObject({ width, height, channels, index: t });
        expect(touched(frame, output[t]!.data, radius)).toBe(0);
      }
    }
  });

  it('passes frames without a hole through, untouched', async () => {
    const frames = clip({ width: 50, height: 40, frames: 4, channels: 4 });
    const output = await collect(inpainter, frames);
    frames.forEach((frame, t) => expect(output[t]!.data).toEqual(frame.frame.data));
    expect(output.map(({ coverage }) => coverage)).toEqual([1, 1, 1, 1]);
  });

  it('lets references of a long clip come and go', async () => {
    // Some frames have no hole, in runs of all lengths.
    const none = (t: number) => (t * t) % 11 < 4 || (t > 30 && t < 45);
    const hole = (t: number) =>
      none(t) ? undefined : ([8 + (t % 9), 4, 16 + (t % 9), 12] as const);
    const given = clip({ width: 32, height: 16, frames: 70, pan: 0.5, hole });
    const options = { maxReferences: 6, referenceStride: 4, dilate: 0 };
    const frames = await within(options, (other) => collect(other, given));
    expect(frames).toHaveLength(70);
    frames.forEach(({ data }, t) => {
      expect(touched(given[t]!, data, 0)).toBe(0);
    });
  });

  describe('one frame alone', () => {
    const options = { maxReferences: 6, referenceStride: 4, workSize: 64 };
    // A shot with clean frames before its holes, and one that is hidden throughout.
    const shots = (first: number, second: number) => {
      const size = { width: 48, height: 32, pan: 1 };
      const hole = (t: number) => [8 + (t % 9), 6, 20 + (t % 9), 24] as const;
      const clean = { ...size, frames: first, hole: (t: number) => (t < 45 ? undefined : hole(t)) };
      return [...clip(clean), ...clip({ ...size, frames: second, scene: 3, hole })];
    };
    const given = shots(60, 50);
    let whole: InpaintedFrame[];
    beforeAll(async () => {
      whole = await within(options, (other) => collect(other, given));
    });

    it('has the same references, and is the same where no output went before', async () => {
      expect([0, 59, 60, 109].map((at) => whole[at]!.shot)).toEqual([0, 0, 60, 60]);
      await within(options, async (other) => {
        for (const at of [0, 45, 60]) expect(await other.preview(given, at)).toEqual(whole[at]);
        for (const at of [46, 59, 61, 85, 109]) {
          const frame = await other.preview(given, at);
          expect(frame).toMatchObject({ index: at, shot: whole[at]!.shot });
          expect(frame.coverage).toBe(whole[at]!.coverage);
          const whenWhole = holeError(given[at]!.truth, given[at]!, whole[at]!.data);
          const alone = holeError(given[at]!.truth, given[at]!, frame.data);
          // A quarter of frame 85's hole is never shown: alone, it makes up anew what others carry on.
          if (at !== 85) expect(alone).toBeLessThan(whenWhole + 1);
        }
      });
    });

    it('reads no further than its references', async () => {
      let [read, isClosed] = [0, false];
      function* source() {
        try {
          for (const pair of given) {
            read += 1;
            yield pair;
          }
        } finally {
          isClosed = true;
        }
      }
      await within(options, (other) => other.preview(source(), 20));
      expect({ read, isClosed }).toEqual({ read: 33, isClosed: true });
    });

    it('goes on from there', async () => {
      const frames: InpaintedFrame[] = [];
      await within(options, async (other) => {
        const part = other.inpaint(given, { from: 58, to: 62 });
        for await (const frame of part) frames.push(frame);
      });
      expect(frames.map(({ index }) => index)).toEqual([58, 59, 60, 61, 62]);
      // The cut leaves nothing of what went before.
      for (const frame of frames.slice(2)) expect(frame).toEqual(whole[frame.index]);
    });

    it('has to be in the source', async () => {
      const preview = inpainter.preview(given.slice(0, 3), 3);
      await expect(preview).rejects.toThrow(/expected a source with a frame 3, got one that ends/);
      await expect(inpainter.preview(given, -1)).rejects.toThrow(/index to be .*got -1/);
      expect(() => inpainter.inpaint(given, { from: 2, to: 1 })).toThrow(/to to be .*got 1/);
    });
  });

  it('dilates by more than the frame has pixels', async () => {
    const frames = clip({ width: 400, height: 16, frames: 2, hole: () => [3, 3, 9, 9] });
    await within({ workSize: 16, dilate: 64 }, async (coarse) => {
      expect((await collect(coarse, frames)).map(({ coverage }) => coverage)).toEqual([0, 0]);
    });
    expect(workingSizes(2160, 3840, 512, 64).dilate).toBe(480);
    expect(workingSizes(400, 16, 16, 64).dilate).toBe(401);
  });

  it('completes frames that are all hole, or alone', async () => {
    const all = (frames: number) =>
      clip({ width: 40, height: 24, frames, hole: () => [0, 0, 40, 24] });
    for (const count of [1, 2, 3]) {
      const output = await collect(inpainter, all(count));
      expect(output.map(({ coverage }) => coverage)).toEqual(Array(count).fill(0));
    }
    const [alone] = await collect(
      inpainter,
      clip({ width: 40, height: 24, frames: 1, hole: () => [10, 5, 20, 15] }),
    );
    expect(alone?.coverage).toBe(0);
  });

  it('yields nothing for an empty source', async () => {
    expect(await collect(inpainter, [])).toEqual([]);
  });

  it('reports the share of the hole that references show', async () => {
    // A fixed camera and a hole whose left half is visible in the second frame only.
    const frames = clip({
      width: 64,
      height: 32,
      frames: 2,
      hole: (t) => (t === 0 ? [16, 8, 48, 24] : [32, 0, 64, 32]),
    });
    const [first] = await within({ referenceStride: 1, dilate: 0 }, (other) =>
      collect(other, frames),
    );
    expect(first?.coverage).toBeCloseTo(0.5, 1);
  });

  it('shows without a jump what is shown after something was made up there', async () => {
    // The hole stands still for longer than the references reach, then goes away.
    const hole = (t: number) => {
      const x = 36 + 8 * Math.max(t - 15, 0);
      return x < 88 ? ([x, 20, x + 24, 40] as const) : undefined;
    };
    const pairs = clip({ width: 112, height: 64, frames: 24, detail: 60, hole });
    const frames = await within({ referenceStride: 2, maxReferences: 4, dilate: 0 }, (it) =>
      collect(it, pairs),
    );
    const middle = frames.map(({ data, width, channels }) =>
      Float64Array.from({ length: 20 * 24 * 3 }, (_, i) => {
        const [y, x] = [20 + Math.floor(i / 72), 36 + Math.floor((i % 72) / 3)];
        return data[(y * width + x) * channels + (i % 3)] as number;
      }),
    );
    const off = (a = middle[0], b = middle[0]) =>
      (a as Float64Array).reduce((sum, x, i) => sum + Math.abs(x - (b?.[i] as number)), 0);
    const steps = middle.slice(1).map((it, i) => off(middle[i], it));
    expect(off(middle[0], middle[8])).toBeLessThan(0.2 * off(middle[0], middle.at(-1)));
    expect(Math.max(...steps)).toBeLessThan(0.5 * off(middle[0], middle.at(-1)));
  });

  it('never borrows across a cut', async () => {
    const hole = (): readonly [number, number, number, number] => [20, 16, 44, 32];
    const frames = [
      ...clip({ width: 64, height: 48, frames: 4, scene: 0 }),
      ...clip({ width: 64, height: 48, frames: 4, scene: 3, hole }),
      ...clip({ width: 64, height: 48, frames: 4, scene: 1 }),
    ];
    const output = await collect(inpainter, frames);
    expect(output.map(({ coverage }) => coverage)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
  });

  it('gives the same bytes however it is asked: one thread or two, alone or beside another', async () => {
    const frames = clip({
      width: 80,
      height: 48,
      frames: 5,
      pan: 2,
      hole: (t) => [20 + t, 10, 44 + t, 40],
    });
    const alone = await collect(inpainter, frames);
    const [a, b] = await Promise.all([collect(inpainter, frames), collect(inpainter, frames)]);
    const one = await within({ threads: 1, referenceStride: 2 }, (other) => collect(other, frames));
    for (const other of [a, b, one]) expect(other).toEqual(alone);
  });

  it('works beside a second inpainter', async () => {
    const frames = clip({ width: 64, height: 48, frames: 4, pan: 2, hole: () => [20, 10, 40, 40] });
    const first = await collect(inpainter, frames);
    await within({ referenceStride: 2 }, async (other) => {
      const both = await Promise.all([collect(inpainter, frames), collect(other, frames)]);
      for (const output of both) expect(output).toEqual(first);
    });
  });

  it('takes async sources and sources that reuse their buffers', async () => {
    const frames = clip({ width: 48, height: 32, frames: 6, pan: 2, hole: () => [10, 8, 30, 24] });
    const shared = {
      frame: { ...frames[0]!.frame, data: new Uint8Array(48 * 32 * 3) },
      mask: frames[0]!.mask,
    };
    async function* source() {
      for (const { frame } of frames) {
        shared.frame.data.set(frame.data);
        yield shared;
        shared.frame.data.fill(0);
      }
    }
    expect(await collect(inpainter, source())).toEqual(await collect(inpainter, frames));
  });

  it('tells how far it is', async () => {
    const seen: unknown[] = [];
    const frames = clip({ width: 32, height: 32, frames: 3, hole: () => [4, 4, 8, 8] });
    for await (const _ of inpainter.inpaint(frames, {
      onProgress: (progress) => seen.push(progress),
    }));
    expect(seen).toMatchObject([
      { frame: 1, frames: 3 },
      { frame: 2, frames: 3 },
      { frame: 3, frames: 3 },
    ]);
    for (const { fps } of seen as { fps: number }[]) expect(fps).toBeGreaterThan(0);
  });

  it('closes the source when the loop is left early', async () => {
    let closed = false;
    function* source() {
      try {
        yield* clip({ width: 32, height: 32, frames: 100, hole: () => [4, 4, 8, 8] });
      } finally {
        closed = true;
      }
    }
    for await (const { index } of inpainter.inpaint(source())) if (index === 1) break;
    expect(closed).toBe(true);
    const before = inpainter.device.memory().used;
    for await (const _ of inpainter.inpaint(source())) break;
    expect(inpainter.device.memory().used).toBe(before);
  });

  it('ends with ERR_ABORTED when aborted, also while the source hangs', async () => {
    const frames = clip({ width: 32, height: 32, frames: 9, hole: () => [4, 4, 8, 8] });
    const reason = new Error('enough');
    const run = async (source: AsyncIterable<FramePair> | FramePair[], signal: AbortSignal) => {
      for await (const _ of inpainter.inpaint(source, { signal }));
    };
    await expect(run(frames, AbortSignal.abort(reason))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      name: 'AbortError',
      cause: reason,
    });
    async function* hanging() {
      yield* frames;
      await new Promise(() => {});
    }
    await expect(run(hanging(), AbortSignal.timeout(100))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      name: 'AbortError',
    });
    expect((await collect(inpainter, frames)).length).toBe(9);
  });

  it('passes on what the source throws, and what is wrong with a frame', async () => {
    const pairs = clip({ width: 32, height: 32, frames: 2, hole: () => [4, 4, 8, 8] });
    const [first, second] = [pairs[0]!, pairs[1]!];
    async function* failing() {
      yield first;
      throw new RangeError('disk gone');
    }
    await expect(collect(inpainter, failing())).rejects.toThrow(new RangeError('disk gone'));
    const broken = {
      ...second,
      mask: { ...second.mask, width: 31, data: new Uint8Array(31 * 32) },
    };
    await expect(collect(inpainter, [first, broken])).rejects.toThrow(
      'inpaint: expected the mask of frame 1 to be 32 x 32 like the frame, got 31 x 32',
    );
  });

  it.each<[InpainterOptions, RegExp]>([
    [
      { workSize: 8 },
      /^Inpainter.create: expected workSize to be an integer from 16 to 4096, got 8$/,
    ],
    [{ dilate: -1 }, /expected dilate to be an integer from 0 to 64, got -1/],
    [{ maxReferences: 0 }, /expected maxReferences to be an integer from 1 to 64, got 0/],
    [{ referenceStride: 1.5 }, /expected referenceStride to be an integer from 1 to 1000, got 1.5/],
    [{ threads: '2' as never }, /expected threads to be an integer from 0 to 1024, got '2'/],
    [{ memoryLimit: Number.NaN }, /expected memoryLimit to be an integer from 1/],
    [{ device: 'tpu' as never }, /expected one of auto, cuda:0, cpu, got tpu/],
    [{ weights: '/nowhere.safetensors' }, /nowhere\.safetensors/],
    [{ weights: 1 as never }, /expected weights to be a path, got number/],
    [{ logger: 'x' as never }, /expected logger to be a function, got string/],
    [{ worksize: 256 } as never, /expected options named workSize, got worksize$/],
    [{ work_size: 256 } as never, /expected options named workSize, got work_size$/],
    [{ colour: 1 } as never, /expected options named device, threads, .*, got colour$/],
    [
      { memoryLimit: 2 ** 20 },
      /a memory limit well above the \d+ bytes of the weights, got 1048576/,
    ],
  ])('judges its options: %o', async (options, message) => {
    const made = Inpainter.create({ device: 'cpu', ...options });
    await expect(made).rejects.toBeInstanceOf(InpaintError);
    await expect(made).rejects.toThrow(message);
  });

  it('takes masks of grey and alpha by their grey, and images whose channels are any number', async () => {
    const [pair] = clip({ width: 32, height: 32, frames: 1, hole: () => [8, 8, 16, 16] });
    const { frame, mask } = pair as { frame: Image; mask: Image };
    const channels: number = 2; // a variable's type, as sharp's info has it
    const grey = Uint8Array.from({ length: 2 * 32 * 32 }, (_, i) =>
      i % 2 ? 255 - (i % 200) : (mask.data[i >> 1] as number),
    );
    const double = { data: grey, width: 32, height: 32, channels };
    const [[one], [two]] = [
      await collect(inpainter, [{ frame, mask }]),
      await collect(inpainter, [{ frame, mask: double }]),
    ];
    expect(two?.data).toEqual(one?.data);
    await expect(collect(inpainter, [{ frame: double, mask }])).rejects.toThrow(
      /frame 0 to have 3 or 4 channels/,
    );
    const five = { ...double, channels: 5 };
    await expect(collect(inpainter, [{ frame, mask: five }])).rejects.toThrow(
      /1 to 4 channels, got 5/,
    );
  });

  it('judges the options of inpaint at the call', () => {
    expect(() => inpainter.inpaint([], null as never)).toThrow(
      'inpaint: expected options to be an object, got null',
    );
    expect(() => inpainter.inpaint([], { signal: 1 as never })).toThrow(
      /expected signal to be an AbortSignal, got number/,
    );
    expect(() => inpainter.inpaint([], { onProgress: 1 as never })).toThrow(
      /expected onProgress to be a function/,
    );
    expect(() => inpainter.inpaint([], { frames: -1 })).toThrow(/expected frames to be an integer/);
    expect(() => inpainter.inpaint(null as never)).toThrow(/expected an iterable source/);
    expect(() => inpainter.inpaint([], { singal: null } as never)).toThrow(
      'inpaint: expected options named signal, onProgress, frames, from, to, got singal',
    );
  });

  it('gives references up to stay under the memory limit, says so, and stays under it', async () => {
    const frames = clip({
      width: 256,
      height: 256,
      frames: 12,
      pan: 2,
      hole: (t) => [60 + t, 60, 120 + t, 120],
    });
    const sizes = workingSizes(256, 256, 512, 4);
    const need = (references: number) =>
      Math.ceil(estimateBytes(sizes, { channels: 3, stride: 1, references }));
    const said: string[] = [];
    const options = {
      referenceStride: 1,
      maxReferences: 8,
      logger: (text: string) => said.push(text),
    };
    await within({ ...options, memoryLimit: need(2) }, async (limited) => {
      expect((await collect(limited, frames)).length).toBe(12);
      expect(said).toEqual([`references: 2 instead of 8, to stay under ${need(2)} bytes`]);
      expect(limited.device.memory().peak).toBeLessThan(need(2));
    });
    await within({ ...options, memoryLimit: need(1) - 1 }, async (limited) => {
      await expect(collect(limited, frames)).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    });
  });

  it('stays under the memory limit when a hole is all of a frame far over the working size', async () => {
    const [width, height] = [2000, 1500];
    const frames = clip({ width, height, frames: 3, hole: () => [0, 0, width, height] });
    const limit = Math.ceil(
      estimateBytes(workingSizes(height, width, 16, 4), { channels: 3, stride: 1, references: 1 }),
    );
    const options = { workSize: 16, maxReferences: 1, referenceStride: 1, memoryLimit: limit };
    await within(options, async (limited) => {
      expect((await collect(limited, frames)).length).toBe(3);
      const held = 3 * width * height * 4; // the frames themselves, with their masks
      expect(limited.device.memory().peak + held).toBeLessThan(limit);
    });
  });

  it('holds no more after the tenth video than after the second', async () => {
    const frames = clip({ width: 64, height: 48, frames: 5, pan: 2, hole: () => [20, 10, 40, 40] });
    const held: number[] = [];
    for (let i = 0; i < 10; ++i) {
      await collect(inpainter, frames);
      held.push(inpainter.device.memory().used);
    }
    expect(new Set(held.slice(1)).size).toBe(1);
  });

  it('fails with ERR_DISPOSED when disposed of in mid-work, and refuses work afterwards', async () => {
    const other = await Inpainter.create({ device: 'cpu' });
    const run = collect(
      other,
      clip({ width: 128, height: 128, frames: 30, hole: () => [10, 10, 100, 100] }),
    );
    const ended = expect(run).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await other.dispose();
    await other.dispose();
    await ended;
    expect(() => other.inpaint([])).toThrow(
      'inpaint: expected an inpainter in use, got one that was disposed of',
    );
  });
});
