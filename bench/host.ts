// How long JavaScript's thread is busy with a frame, on a device whose operations do nothing: with
// programs (lib/program.ts), and queued one by one. And what the processor works meanwhile, the
// copies of the stream's thread included, which tells more where others want the cores, too.
// `tsx bench/host.ts`, after `npm run build:test`: the device is the emulated GPU, so that bounds are
// rounded as on a GPU.
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { FramePair } from '../lib/video/image.js';

process.env.ALIGN_AND_ATTEND_PREBUILD = fileURLToPath(
  new URL('../build/emulator', import.meta.url),
);
const { Device } = await import('../lib/device.js');
const { defaultWeights } = await import('../lib/inpainter.js');
const { Network } = await import('../lib/network/network.js');
const { Completion, completed } = await import('../lib/video/completion.js');
const { FrameWindow } = await import('../lib/video/window.js');

const [width, height] = [432, 240];
const [frames, first] = [600, 200]; // of which so many do not count

/** A hole that moves around and changes its size, 12 % of the frame in the mean. */
function* source(): Generator<FramePair> {
  const data = new Uint8Array(width * height * 3).fill(90);
  for (let t = 0; t < frames + 100; ++t) {
    const mask = new Uint8Array(width * height);
    const [w, h] = [130 + 30 * Math.sin(t / 17), 95 + 20 * Math.sin(t / 23)].map(Math.round) as [
      number,
      number,
    ];
    const x = Math.round((width - w) * (0.5 + 0.3 * Math.sin(t / 61)));
    const y = Math.round((height - h) * (0.5 + 0.3 * Math.sin(t / 47)));
    for (let row = y; row < y + h; ++row) mask.fill(1, row * width + x, row * width + x + w);
    yield {
      frame: { data, width, height, channels: 3 },
      mask: { data: mask, width, height, channels: 1 },
    };
  }
}

async function time(withPrograms: boolean): Promise<void> {
  using device = Device.create('cuda:0', { idle: true });
  using network = await Network.load(device, defaultWeights);
  const window = new FrameWindow(source());
  const completion = new Completion(device, network, window, {
    workSize: 512,
    dilate: 4,
    maxReferences: 16,
    referenceStride: 10,
    memoryLimit: Number.POSITIVE_INFINITY,
    logger: () => {},
  });
  const times: number[] = [];
  let [reserved, worked] = [0, 0];
  for (let index = 0; index < frames; ++index) {
    await window.pull(index + 81);
    const held = window.get(index);
    if (!held) break;
    if (!withPrograms) network.programs.forget();
    const before = process.cpuUsage();
    const start = performance.now();
    const queued = await completion.queue(held);
    const taken = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    await completed(queued);
    if (index < first) reserved = device.memory().reserved;
    else {
      times.push(taken);
      worked += (user + system) / 1000;
    }
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(3);
  const grown = device.memory().reserved - reserved;
  console.log(
    `${withPrograms ? 'programs' : 'one by one'}: ms a frame ${at(0.5)} (median), ${at(0.1)} to ${at(0.9)} (10th to 90th percentile), ` +
      `${(worked / times.length).toFixed(3)} of processor time (mean); ` +
      `${grown} bytes of device memory taken after frame ${first}`,
  );
  completion.dispose();
  await window.close();
}

console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}; ${width}x${height}, 16 references, moving hole`,
);
for (const withPrograms of [false, true, false, true]) await time(withPrograms);
