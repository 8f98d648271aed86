// What a process takes at most for a file of large frames.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { estimateBytes, workingSizes } from '../../lib/video/completion.js';
import type { FileResult } from '../../lib/video/index.js';
import { makeClip, scratch } from './clips.js';

const at = scratch();
const [width, height, frames] = [1600, 900, 100];

const sizes = workingSizes(height, width, 128, 4);
const decoded = (width * height * 3) / 2;
const use = { channels: 3, stride: 10, stored: decoded, besides: 128 * decoded };

interface Told extends FileResult {
  readonly resident: number;
  readonly peak: number;
}

async function run(output: string, options: object): Promise<Told> {
  const hole = [600, 300, 900, 600] as const;
  const input = await makeClip(at('in.mp4'), {
    width,
    height,
    frames,
    options: { preset: 'ultrafast' },
  });
  const mask = await makeClip(at('mask.mp4'), {
    width,
    height,
    frames,
    options: { preset: 'ultrafast' },
    paint: ([y, u, v], [stride = 0]) => {
      y?.fill(16);
      u?.fill(128);
      v?.fill(128);
      for (let row = hole[1]; row < hole[3]; row++)
        y?.fill(235, row * stride + hole[0], row * stride + hole[2]);
    },
  });
  const script = fileURLToPath(new URL('inpaint_in_child.ts', import.meta.url));
  const settings = JSON.stringify({ workSize: 128, ...options });
  const args = ['--import', 'tsx', script, input, mask, at(output), settings];
  const { stdout } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  return JSON.parse(stdout);
}

it('holds frames ahead as they were decoded, and stays under what it says it needs', async () => {
  const told = await run('all.mp4', {});
  expect(told).toMatchObject({ frames, masked: frames, givenUp: 0 });
  expect(told.peak).toBeLessThan(estimateBytes(sizes, { ...use, references: 16 }));
  // With the bytes of all frames of the window, and their masks, it would be more.
  expect(told.peak - told.resident).toBeLessThan(82 * width * height * 4 + 28 * width * height * 4);
}, 600_000);

it('gives references up so that the process stays under the limit, and tells how many', async () => {
  const memoryLimit = Math.ceil(estimateBytes(sizes, { ...use, references: 8 }));
  const told = await run('some.mp4', { memoryLimit });
  expect(told.givenUp).toBe(8);
  expect(told.peak).toBeLessThan(memoryLimit);
}, 600_000);
