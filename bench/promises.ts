// What is promised of behaviour rather than of speed, measured: memory that does not grow with
// length, an event loop that is not blocked, native detail. `tsx bench/promises.ts
// memory|loop|window|detail [--work-size n]`
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Inpainter } from '../lib/index.js';
import type { FramePair } from '../lib/video/image.js';
import { FrameWindow } from '../lib/video/window.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'work-size': { type: 'string', default: '512' } },
});
const workSize = Number(values['work-size']);

/**
 * Discs upon discs of all sizes, each striped: like a photograph it has edges and texture at every
 * scale, and no place looks like another.
 */
function picture(width: number, height: number): Uint8Array {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const canvas = new Uint8Array(width * height * 3);
  for (let i = 0; i < (width * height) / 60; ++i) {
    const radius = Math.min(160, 3 / Math.sqrt(random()));
    const [x, y] = [random() * width, random() * height];
    const colour = [random(), random(), random()].map((value) => 30 + 180 * value);
    const [u, v] = [random() * 4 - 2, random() * 4 - 2];
    const from = Math.max(0, Math.ceil(y - radius));
    const end = Math.min(height, y + radius);
    for (let row = from; row < end; ++row) {
      const half = Math.sqrt(radius ** 2 - (row - y) ** 2);
      const last = Math.min(width, x + half);
      for (let column = Math.max(0, Math.ceil(x - half)); column < last; ++column) {
        const stripe = 20 * Math.sin(u * column + v * row);
        for (let c = 0; c < 3; ++c) {
          canvas[(row * width + column) * 3 + c] = (colour[c] as number) + stripe;
        }
      }
    }
  }
  return canvas;
}

interface Pan {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Pixels a frame. */
  readonly step: number;
  readonly hole: readonly [left: number, top: number, right: number, bottom: number];
}

/**
 * A camera that moves to the right, and back, over the picture; the hole stays where it is in the
 * frame and is painted grey.
 */
function* pan({
  width,
  height,
  frames,
  step,
  hole,
}: Pan): Generator<FramePair & { truth: Uint8Array }> {
  const [left, top, right, bottom] = hole;
  const reach = 60 * step;
  const canvas = picture(width + reach, height);
  const mask = new Uint8Array(width * height);
  for (let y = top; y < bottom; ++y) mask.fill(255, y * width + left, y * width + right);
  for (let t = 0; t < frames; ++t) {
    const phase = t % 120;
    const x = (phase < 60 ? phase : 120 - phase) * step;
    const truth = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; ++y) {
      const at = (y * (width + reach) + x) * 3;
      truth.set(canvas.subarray(at, at + width * 3), y * width * 3);
    }
    const data = truth.slice();
    for (let y = top; y < bottom; ++y)
      data.fill(127, (y * width + left) * 3, (y * width + right) * 3);
    const size = { width, height };
    yield {
      frame: { data, ...size, channels: 3 },
      mask: { data: mask, ...size, channels: 1 },
      truth,
    };
  }
}

const small = (frames: number): Pan => ({
  width: 640,
  height: 360,
  frames,
  step: 3,
  hole: [220, 110, 400, 260],
});

const tasks: Record<string, () => Promise<void>> = {
  /**
   * Peak memory of a long video against a short one's, each in a process of its own; then ten
   * videos in one process.
   */
  async memory() {
    const child = (task: string, ...args: string[]) => {
      const script = fileURLToPath(import.meta.url);
      const flags = ['--import', 'tsx', script, task, ...args, '--work-size', String(workSize)];
      return execFileSync(process.execPath, flags, { encoding: 'utf8' }).trim();
    };
    const [short, long] = [300, 2000].map((frames) => Number(child('peak', String(frames)))) as [
      number,
      number,
    ];
    const size = `640x360, working size ${workSize}`;
    console.log(
      `${size}: peak ${short} MiB with 300 frames, ${long} MiB with 2000: ${(long / short).toFixed(3)} times`,
    );
    console.log(`${size}: resident after each of ten videos of 30 frames, MiB: ${child('ten')}`);
  },
  async peak() {
    await using inpainter = await Inpainter.create({ workSize });
    for await (const _ of inpainter.inpaint(pan(small(Number(positionals[1])))));
    console.log(Math.round(process.resourceUsage().maxRSS / 1024));
  },
  async ten() {
    await using inpainter = await Inpainter.create({ workSize });
    const resident: number[] = [];
    for (let i = 0; i < 10; ++i) {
      for await (const _ of inpainter.inpaint(pan(small(30))));
      resident.push(Math.round(process.memoryUsage().rss / 2 ** 20));
    }
    console.log(resident.join(' '));
  },
  /** How late a timer of 10 ms is while a clip is inpainted. */
  async loop() {
    await using inpainter = await Inpainter.create({ workSize });
    const frames = [...pan(small(60))];
    const late: number[] = [];
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      late.push(now - last - 10);
      last = now;
    }, 10);
    for await (const _ of inpainter.inpaint(frames));
    clearInterval(timer);
    late.sort((a, b) => b - a);
    const share = late.filter((ms) => ms > 30).length;
    console.log(
      `a timer of 10 ms, ${late.length} times: latest ${(late[0] ?? 0).toFixed(1)} ms, ${share} later than 30 ms`,
    );
  },
  /** What it takes to pull a frame into the window, and how much of that holds the event loop. */
  async window() {
    for (const [width, height, frames] of [
      [432, 240, 2000],
      [3840, 2160, 100],
    ] as const) {
      for (const maskChannels of [1, 4] as const) {
        // Several, so that they are not in a cache because they were copied last.
        const pairs = Array.from({ length: 8 }, (): FramePair => {
          const mask = new Uint8Array(width * height * maskChannels);
          for (let y = height >> 2; y < height >> 1; ++y) {
            const from = y * width * maskChannels;
            const [left, right] = [(width >> 2) * maskChannels, (width >> 1) * maskChannels];
            mask.fill(255, from + left, from + right);
          }
          const data = new Uint8Array(width * height * 3).fill(99);
          return {
            frame: { data, width, height, channels: 3 },
            mask: { data: mask, width, height, channels: maskChannels },
          };
        });
        const source = (function* () {
          for (let i = 0; ; ++i) yield pairs[i % pairs.length] as FramePair;
        })();
        const window = new FrameWindow(source);
        const pull = async (count: number) => {
          for (let i = 0; i < count; ++i) {
            await window.pull(window.pulled + 1);
            window.drop(({ index }) => index > window.pulled - 8);
          }
        };
        await pull(Math.floor(frames / 10)); // compiles the code and allocates the memory
        const before = performance.eventLoopUtilization();
        const start = performance.now();
        await pull(frames);
        const total = (performance.now() - start) / frames;
        const held = performance.eventLoopUtilization(before).active / frames;
        await window.close();
        console.log(
          `${width}x${height}, a mask of ${maskChannels} channels: ${total.toFixed(3)} ms a frame, ` +
            `the event loop is held for ${held.toFixed(3)} of them`,
        );
      }
    }
  },
  /**
   * PSNR in the hole of a large pan, with the native pixel path and with the whole done at working
   * size and enlarged.
   */
  async detail() {
    const [width, height] = [1920, 1080];
    const scene: Pan = { width, height, frames: 60, step: 10, hole: [860, 20, 1080, 1060] };
    const [left, top, right, bottom] = scene.hole;
    const psnr = (truth: Uint8Array, output: Uint8Array) => {
      let sum = 0;
      for (let y = top; y < bottom; ++y) {
        for (let i = (y * width + left) * 3; i < (y * width + right) * 3; ++i) {
          sum += ((truth[i] as number) - (output[i] as number)) ** 2;
        }
      }
      return 10 * Math.log10((255 ** 2 * (bottom - top) * (right - left) * 3) / sum);
    };
    const { default: sharp } = await import('sharp');
    const resize = async (
      data: Uint8Array,
      from: [number, number],
      to: [number, number],
      channels: 1 | 3,
    ) => {
      const kernel = from[0] > to[0] ? 'lanczos3' : 'cubic';
      const raw = { width: from[0], height: from[1], channels };
      const image = sharp(data, { raw }).resize(to[0], to[1], { fit: 'fill', kernel });
      const { data: bytes } = await (channels === 1 ? image.toColourspace('b-w') : image)
        .raw()
        .toBuffer({ resolveWithObject: true });
      return new Uint8Array(bytes);
    };
    const work: [number, number] = [workSize, Math.round((height * workSize) / width)];
    async function* shrunk(): AsyncGenerator<FramePair> {
      const size = { width: work[0], height: work[1] };
      for (const { frame, mask } of pan(scene)) {
        const data = await resize(frame.data as Uint8Array, [width, height], work, 3);
        const hole = await resize(mask.data as Uint8Array, [width, height], work, 1);
        yield { frame: { data, ...size, channels: 3 }, mask: { data: hole, ...size, channels: 1 } };
      }
    }
    await using inpainter = await Inpainter.create({ workSize });
    const truths = pan(scene);
    const next = () => (truths.next().value as { truth: Uint8Array }).truth;
    let native = 0;
    for await (const { data } of inpainter.inpaint(pan(scene)))
      native += psnr(next(), data) / scene.frames;
    const again = pan(scene);
    let enlarged = 0;
    for await (const { data } of inpainter.inpaint(shrunk())) {
      const { truth } = again.next().value as { truth: Uint8Array };
      enlarged += psnr(truth, await resize(data, work, [width, height], 3)) / scene.frames;
    }
    console.log(
      `${width}x${height}, working size ${workSize}: PSNR in the hole ${native.toFixed(2)} dB, ` +
        `${enlarged.toFixed(2)} dB when done at working size and enlarged: ${(native - enlarged).toFixed(2)} dB more`,
    );
  },
};

const [task = ''] = positionals;
const run = tasks[task];
if (!run) throw new RangeError(`expected memory, loop, window or detail, got ${task}`);
if (!['peak', 'ten'].includes(task)) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}`);
}
await run();
