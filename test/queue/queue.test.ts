import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Inpainter } from '../../lib/index.js';
import {
  addJob,
  createWorker,
  fileStorage,
  type JobOptions,
  queueName,
} from '../../lib/queue/index.js';
import { inpaintFile, openVideo } from '../../lib/video/index.js';
import { fixturePath } from '../network/fixtures.js';
import { makeClip, type Paint, scratch } from '../video/clips.js';
import { texture } from '../video/scenes.js';
import { missing, Redis } from './redis.js';

const at = scratch();
const frames = 400;
const options = { workSize: 32, maxReferences: 4, referenceStride: 3 } as const;
const settings = {
  ...options,
  device: 'cpu',
  threads: 1,
  weights: fixturePath('narrow.safetensors'),
} as const;
const mask = '20,12,20,20';

/** A camera that moves, and cuts; the last shot is long. */
const film: Paint = (planes, strides, index) => {
  const scene = [60, 121, 200].filter((cut) => cut <= index).length;
  planes.forEach((plane, p) => {
    const stride = strides[p] ?? 1;
    const size = p ? 2 : 1;
    for (let i = 0; i < plane.length; i++) {
      const [x, y] = [(i % stride) * size + index / 4, Math.floor(i / stride) * size];
      const level = texture(scene, x, y, p);
      plane[i] = p ? 128 + (level - 128) / 4 : level;
    }
  });
};

async function framesOf(path: string): Promise<string[]> {
  const all: string[] = [];
  await using video = await openVideo(path);
  for await (const { data } of video) all.push(createHash('sha1').update(data).digest('hex'));
  return all;
}

/** Waits until something is so. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(50);
}

const child = fileURLToPath(new URL('worker_in_child.ts', import.meta.url));

describe.skipIf(missing)('a queue', () => {
  let redis: Redis;
  let queue: Queue;
  let whole: string[];
  const children: ChildProcess[] = [];

  /** A worker in a process of its own; `text` is what it said so far. */
  const startWorker = () => {
    const started = spawn(process.execPath, ['--import', 'tsx', child, redis.url, at('')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(started);
    const worker = {
      text: '',
      kill: async () => {
        started.kill('SIGKILL');
        await once(started, 'exit');
      },
    };
    started.stdout.on('data', (data: Buffer) => {
      worker.text += data;
    });
    return worker;
  };
  const add = (output: string, changes: JobOptions = {}) =>
    addJob(queue, {
      input: 'film.mp4',
      mask,
      output,
      options: { ...options, codec: 'ffv1', partFrames: 100, ...changes },
    });
  const work = (changes = {}) =>
    createWorker({
      connection: redis.url,
      storage: fileStorage(at('')),
      device: 'cpu',
      threads: 1,
      takeOver: 2000,
      weights: settings.weights,
      ...changes,
    });
  /** What there is beside inputs and outputs. */
  const leftovers = async () => (await readdir(at(''))).filter((name) => name.startsWith('.'));

  beforeAll(async () => {
    redis = await Redis.start(at('redis'));
    queue = new Queue(queueName, { connection: { url: redis.url } });
    queue.on('error', () => {}); // Redis is restarted
    await makeClip(at('film.mp4'), { frames, fps: 25, audio: true, paint: film });
    await using inpainter = await Inpainter.create(settings);
    const job = { input: at('film.mp4'), mask, output: at('whole.mkv'), codec: 'ffv1' } as const;
    await inpaintFile(inpainter, job);
    whole = await framesOf(at('whole.mkv'));
  });
  afterEach(() => {
    for (const started of children.splice(0)) started.kill('SIGKILL');
  });
  afterAll(async () => {
    await queue?.close();
    await redis?.[Symbol.asyncDispose]();
  });

  it('has the frames of one process', async () => {
    await using worker = await work();
    expect(worker.devices).toEqual(['cpu']);
    const job = await add('out.mkv');
    const told: number[] = [];
    const result = await job.finished({ onProgress: ({ frame }) => told.push(frame) });
    expect(result).toMatchObject({ frames, parts: 5, masked: frames, output: 'out.mkv' });
    expect(told.at(-1)).toBe(frames);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(await framesOf(at('out.mkv'))).toEqual(whole);
    expect(await leftovers()).toEqual([]);
  });

  it('loses at most the part of a worker that is killed', async () => {
    const first = startWorker();
    const job = await add('killed.mkv');
    await until(() => /frames 60 to/.test(first.text)); // the next part has begun
    await until(async () => (await queue.getActiveCount()) === 1);
    await setTimeout(300);
    await first.kill();
    const second = startWorker();
    const result = await job.finished();
    expect(result.frames).toBe(frames);
    const parts = (text: string) => [...text.matchAll(/frames (\d+) to/g)].map(([, from]) => from);
    // No part is made twice but the one that was lost, of which nothing was told.
    const all = [...parts(first.text), ...parts(second.text)].map(Number);
    expect(all.sort((a, b) => a - b)).toEqual([0, 60, 121, 200, 300]);
    expect(parts(first.text).length).toBeGreaterThan(0);
    expect(await framesOf(at('killed.mkv'))).toEqual(whole);
    expect(await leftovers()).toEqual([]);
  });

  it('loses nothing when Redis is restarted', async () => {
    const messages: string[] = [];
    await using _ = await work({ logger: (message: string) => messages.push(message) });
    const job = await add('restarted.mkv');
    await until(() => messages.some((message) => / 0 to/.test(message)));
    await redis.kill();
    await setTimeout(500);
    await redis.start();
    const result = await job.finished();
    expect(result.frames).toBe(frames);
    const parts = messages.flatMap((message) => /frames (\d+) to/.exec(message)?.[1] ?? []);
    expect(new Set(parts)).toEqual(new Set(['0', '60', '121', '200', '300']));
    expect(await framesOf(at('restarted.mkv'))).toEqual(whole);
    expect(await leftovers()).toEqual([]);
  });

  it('is done by several workers, which share the parts', async () => {
    const workers = [startWorker(), startWorker()];
    await until(() => workers.every(({ text }) => text.includes('started')));
    const job = await add('shared.mkv', { partFrames: 50 });
    await job.finished();
    for (const { text } of workers) expect(text).toMatch(/frames \d+ to/);
    expect(await framesOf(at('shared.mkv'))).toEqual(whole);
  });

  it('ends a job that is cancelled, and removes what there is of it', async () => {
    const messages: string[] = [];
    await using _ = await work({ logger: (message: string) => messages.push(message) });
    const job = await add('cancelled.mkv');
    await until(() => messages.some((message) => / 0 to/.test(message)));
    await job.cancel();
    const error = await job.finished().catch((reason) => reason);
    expect(error).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
    await until(async () => (await queue.getActiveCount()) === 0);
    expect(await leftovers()).toEqual([]);
    expect((await readdir(at(''))).includes('cancelled.mkv')).toBe(false);
    for (const left of await queue.getJobs(['waiting', 'delayed', 'waiting-children']))
      expect(left.id).not.toContain(job.id);
  });

  it('tries a part again, and fails a job with the reason of a part that always fails', async () => {
    const files = fileStorage(at(''));
    let failures = 0;
    const storage = {
      ...files,
      save: async (path: string, key: string) => {
        if (!key.endsWith('000000121.segment')) return files.save(path, key);
        failures += 1;
        if (failures < 3 || key.includes('always')) throw new Error('the disk is on fire');
        return files.save(path, key);
      },
    };
    await using _ = await work({ storage });
    const job = await add('sometimes.mkv', { backoff: 50 });
    expect((await job.finished()).frames).toBe(frames);
    expect(failures).toBe(3);
    expect(await framesOf(at('sometimes.mkv'))).toEqual(whole);
    const other = await add('always.mkv', { backoff: 50, attempts: 2 });
    await expect(other.finished()).rejects.toThrow('the disk is on fire');
    expect(failures).toBe(5);
    await until(async () => (await queue.getActiveCount()) === 0);
    expect(await leftovers()).toEqual([]);
  });

  it('tells what is wrong with a job', async () => {
    await using _ = await work();
    const bad = await addJob(queue, {
      input: 'none.mp4',
      mask,
      output: 'x.mkv',
      options: { attempts: 1 },
    });
    await expect(bad.finished()).rejects.toMatchObject({
      code: 'ERR_MEDIA',
      message: /none.mp4.*no such file/,
    });
    const shape = await addJob(queue, { input: 'film.mp4', mask: '900,0,20,20', output: 'x.mkv' });
    await expect(shape.finished()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const add = (job: object) =>
      addJob(queue, { input: 'film.mp4', mask, output: 'x.mkv', ...job });
    await expect(add({ output: 'folder' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(add({ input: '-' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(add({ options: { worksize: 3 } })).rejects.toThrow('workSize');
    await expect(add({ options: { partFrames: 0 } })).rejects.toThrow('partFrames');
  });
});
