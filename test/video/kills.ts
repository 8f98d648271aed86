// Work that is killed and goes on, against work that is not: in the tests and in bench/kills.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Paint } from './clips.js';
import { texture } from './scenes.js';

/** A camera that moves slowly, and a cut at frame 64. */
const camera: Paint = (planes, strides, index) => {
  const scene = index < 64 ? 0 : 3;
  planes.forEach((plane, p) => {
    const stride = strides[p] ?? 1;
    const size = p ? 2 : 1;
    for (let i = 0; i < plane.length; i++) {
      const [x, y] = [(i % stride) * size, Math.floor(i / stride) * size];
      const level = texture(scene, x + index / 4, y, p);
      plane[i] = p ? 128 + (level - 128) / 4 : level;
    }
  });
};

/** What is worked on: two segments in which nothing, and one in which something is carried on. */
export const film = { frames: 330, fps: 25, audio: true, paint: camera };

const child = fileURLToPath(new URL('resume_in_child.ts', import.meta.url));

/** How a run went: what it said, and how long it took from its start of work. */
export interface Run {
  readonly text: string;
  readonly code: number | null;
  readonly milliseconds: number;
}

/** Runs the work in a process, which is killed so many milliseconds after it begins, if given. */
export async function work(input: string, output: string, killAfter?: number): Promise<Run> {
  const process_ = spawn(process.execPath, ['--import', 'tsx', child, input, output], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(process_, 'close') as Promise<[number | null]>;
  let text = '';
  let begun = 0;
  const started = new Promise<void>((resolve) => {
    process_.stdout.on('data', (data: Buffer) => {
      text += data;
      begun ||= performance.now();
      resolve();
    });
    process_.on('close', () => resolve());
  });
  await started;
  if (killAfter !== undefined) {
    await Promise.race([setTimeout(killAfter), ended]);
    process_.kill('SIGKILL');
  }
  const [code] = await ended;
  return { text, code, milliseconds: performance.now() - begun };
}

/** The bytes of a file, or of all files of a folder. */
export async function contentOf(path: string): Promise<Buffer[]> {
  const names = await readdir(path).catch(() => undefined);
  if (!names) return [await readFile(path)];
  return Promise.all(names.sort().map((name) => readFile(join(path, name))));
}

/**
 * Kills the work at these moments, one run after the other, and lets the last one end.
 *
 * @returns how the last one went, and how many runs were killed before they ended
 */
export async function killed(input: string, output: string, moments: readonly number[]) {
  await rm(output, { recursive: true, force: true });
  let kills = 0;
  for (const moment of moments) {
    const { code } = await work(input, output, moment);
    if (code === null) kills += 1;
    else await rm(output, { recursive: true, force: true });
  }
  return { ...(await work(input, output)), kills };
}
