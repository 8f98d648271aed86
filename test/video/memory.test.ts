// What a process takes at most for a file of large frames.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { estimateBytes, workingSizes } from '../../lib/video/completion.js';
import type { FileResult } from '../../lib/video/index.js';
import { Random } from '../random.js';
import { makeClip, type Paint, scratch } from './clips.js';

const at = scratch();
const [width, height, frames] = [1600, 900, 100];

const sizes = workingSizes(height, width, 128, 4);
const decoded = (width * height * 3) / 2;
const use = { channels: 3, stride: 10, stored: decoded, besides: 128 * decoded };

interface Told extends FileResult {
  readonly resident: number;
  readonly peak: number;
}

const hole = [600, 300, 900, 600] as const;
const options = { preset: 'ultrafast' };

/** Rows of noise that move. */
const texture: Paint = ([y, u, v], [stride = 0], index) => {
  const noise = new Random(1).bytes(2 * stride);
  for (let row = 0; row < height; row++) {
    const from = (97 * row + 2 * index) % stride;
    y?.set(noise.subarray(from, from + stride), row * stride);
  }
  u?.fill(128);
  v?.fill(128);
};

beforeAll(async () => {
  const clip = { width, height, frames, options };
  await makeClip(at('in.mp4'), { ...clip, paint: texture });
  await makeClip(at('mask.mp4'), {
    ...clip,
    paint: ([y, u, v], [stride = 0]) => {
      y?.fill(16);
      u?.fill(128);
      v?.fill(128);
      for (let row = hole[1]; row < hole[3]; row++)
        y?.fill(235, row * stride + hole[0], row * stride + hole[2]);
    },
  });
}, 300_000);

async function run(output: string, options: object): Promise<Told> {
  const script = fileURLToPath(new URL('inpaint_in_child.ts', import.meta.url));
  const settings = JSON.stringify({ workSize: 128, ...options });
  const args = ['--import', 'tsx', script, at('in.mp4'), at('mask.mp4'), at(output), settings];
  const { stdout } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  return JSON.parse(stdout);
}

it('holds frames ahead as they were decoded, and stays under what it says it needs', async () => {
  const told = await run('all.mp4', {});
  expect(told).toMatchObject({ frames, masked: frames, givenUp: 0 });
  expect(told.peak).toBeLessThan(estimateBytes(sizes, { ...use, references: 16 }));
  // Codecs and network, and the frames of the window: with their bytes it would be over that.
  const window = 82 * width * height * 4;
  expect(told.peak - told.resident).toBeLessThan(window + use.besides + 128 * 2 ** 20);
}, 600_000);

it('gives references up so that the process stays under the limit, and tells how many', async () => {
  const memoryLimit = Math.ceil(estimateBytes(sizes, { ...use, references: 8 }));
  const told = await run('some.mp4', { memoryLimit });
  expect(told.givenUp).toBe(8);
  expect(told.peak).toBeLessThan(memoryLimit);
}, 600_000);
