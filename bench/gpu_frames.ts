// What npm run gpu does in processes of its own: frames through the public class, one line a result.
//
//   tsx bench/gpu_frames.ts demo DEVICE SECONDS     the demo's clip on the device and on the CPU
//   tsx bench/gpu_frames.ts speed DEVICE SECONDS    frames a second at five sizes
//   tsx bench/gpu_frames.ts small DEVICE PRECISION  a few small frames, for sanitizers and profilers
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DeviceName } from '../lib/device.js';
import { Inpainter, type InpainterOptions } from '../lib/inpainter.js';
import type { FramePair } from '../lib/video/image.js';
import { openMask, openVideo, pairFrames } from '../lib/video/index.js';
import { texture } from '../test/video/scenes.js';
import { holeOf, references, share, text } from './shapes.js';

const [what, device = 'cpu', given = '60'] = process.argv.slice(2);
const name = device as DeviceName;
const end = performance.now() + 1000 * Number(given);
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Differences in the hole, where either changed the input. */
async function demo(): Promise<void> {
  const frames: FramePair[] = [];
  const video = await openVideo(at('../demo/room.mp4'));
  const masks = await openMask(at('../demo/room-mask.mp4'), video);
  for await (const { frame, mask } of pairFrames(video, masks)) frames.push({ frame, mask });
  await using ours = await Inpainter.create({ device: name });
  await using cpu = await Inpainter.create({ device: 'cpu' });
  const others = cpu.inpaint(frames);
  let [count, pixels, squares, most, outside, coverage] = [0, 0, 0, 0, 0, 0];
  for await (const frame of ours.inpaint(frames)) {
    const { value } = await others.next();
    if (!value) break;
    const input = frames[frame.index]?.frame.data as Uint8Array;
    frame.data.forEach((level, i) => {
      const other = value.data[i] as number;
      const far = Math.abs(level - other);
      if (level !== input[i] || other !== input[i]) {
        pixels += 1;
        squares += far * far;
      } else if (far) outside += 1;
      most = Math.max(most, far);
    });
    coverage = Math.max(coverage, Math.abs(frame.coverage - value.coverage));
    count += 1;
    if (performance.now() > end) break;
  }
  const psnr = 10 * Math.log10((255 * 255 * pixels) / squares);
  console.log(
    `${count} of ${frames.length} frames of ${video.width}x${video.height}, ${device} against the CPU:`,
  );
  console.log(`PSNR in the hole ${squares ? `${psnr.toFixed(1)} dB` : 'infinite: the same bits'}`);
  console.log(`largest difference ${most} of 255; values changed outside by one alone: ${outside}`);
  console.log(`coverage ${coverage ? `differs by ${coverage}` : 'equal'}`);
}

/** The share of time that nvidia-smi says the GPU is busy, sampled until the answer is called. */
function busy(): () => string {
  if (!name.startsWith('cuda')) return () => '-';
  const index = name.split(':')[1] ?? '0';
  const query = ['--query-gpu=utilization.gpu', '--format=csv,noheader,nounits'];
  const child = spawn('nvidia-smi', [...query, '-lms', '100', '-i', index]);
  const samples: number[] = [];
  child.on('error', () => {});
  createInterface(child.stdout).on('line', (line) => samples.push(Number(line)));
  return () => {
    child.kill();
    const mean = samples.reduce((a, b) => a + b, 0) / samples.length;
    return samples.length ? `${mean.toFixed(0)} %` : 'no nvidia-smi';
  };
}

/** Frames in memory, to and fro: the camera pans over a picture, the hole moves. */
function* moving(w: number, h: number): Generator<FramePair> {
  const length = Math.max(4, Math.min(24, Math.floor(2e8 / (4 * w * h))));
  const wide = w + 2 * length;
  const picture = new Uint8Array(wide * h * 3);
  for (let y = 0, i = 0; y < h; y++)
    for (let x = 0; x < wide; x++) for (let c = 0; c < 3; c++) picture[i++] = texture(0, x, y, c);
  const frames = Array.from({ length }, (_, t) => {
    const data = new Uint8Array(w * h * 3);
    for (let y = 0; y < h; y++) {
      const from = 3 * (y * wide + 2 * t);
      data.set(picture.subarray(from, from + 3 * w), 3 * y * w);
    }
    const mask = holeOf({ h, w }, (t / length - 0.5) / 2);
    return {
      frame: { data, width: w, height: h, channels: 3 as const },
      mask: { data: mask, width: w, height: h, channels: 1 as const },
    };
  });
  for (let i = 0; ; i++) {
    const t = i % (2 * length - 2);
    yield frames[t < length ? t : 2 * length - 2 - t] as FramePair;
  }
}

async function speed(): Promise<void> {
  const sizes = [
    { w: 256, h: 256 },
    { w: 432, h: 240 },
    { w: 640, h: 360 },
    { w: 1920, h: 1080 },
    { w: 3840, h: 2160 },
  ];
  const options: InpainterOptions = { device: name, workSize: 512, maxReferences: references };
  await using inpainter = await Inpainter.create(options);
  console.log(
    `${references} references, ${100 * share} % moving hole, working size 512, frames in memory`,
  );
  for (const [i, { w, h }] of sizes.entries()) {
    const source = moving(w, h);
    const pairs = [source.next().value as FramePair]; // makes the frames before the clock starts
    const frames = (function* () {
      yield* pairs;
      yield* source;
    })();
    const until = performance.now() + (end - performance.now()) / (sizes.length - i);
    const stop = busy();
    const times: number[] = [performance.now()];
    for await (const _ of inpainter.inpaint(frames)) {
      times.push(performance.now());
      if (performance.now() > until || times.length > 500) break;
    }
    const all = ((times.length - 1) * 1000) / ((times.at(-1) ?? 0) - (times[0] ?? 0));
    const later = times.slice(Math.floor(times.length / 2));
    const steps = later
      .slice(1)
      .map((time, j) => time - (later[j] ?? 0))
      .sort((a, b) => a - b);
    const median = steps[Math.floor(steps.length / 2)] ?? Number.NaN;
    console.log(
      `${text({ w, h }).padEnd(10)} ${all.toFixed(1)} frames/s over ${times.length - 1}, ` +
        `${steps.length ? median.toFixed(1) : '-'} ms a frame at the median of the later half, GPU busy ${stop()}`,
    );
  }
}

/** 96x64 by default; FRAMES and SIZE of the environment say otherwise. */
async function small(): Promise<void> {
  const [w = 96, h = 64] = (process.env.SIZE ?? '96x64').split('x').map(Number);
  const precision = given === 'f32' ? 'f32' : 'f16';
  await using inpainter = await Inpainter.create({ device: name, precision });
  const most = Number(process.env.FRAMES ?? 6);
  const source = moving(w, h);
  const frames = Array.from({ length: most }, () => source.next().value as FramePair);
  for await (const _ of inpainter.inpaint(frames));
  console.log(`${most} frames of ${w}x${h}, ${precision}`);
}

await { demo, speed, small }[what as 'demo']();
