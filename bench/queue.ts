// A film of 640x360 with 40 cuts, over one process and over 1, 2 and 4 workers of a queue: time, and
// whether the frames are the same. `tsx bench/queue.ts --out DIR [--seconds n] [--workers 1,2,4]
// [--threads n] [--work-size n]` makes the film first; it needs Debian's redis-server.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Inpainter } from '../lib/index.js';
import { addJob, queueName } from '../lib/queue/index.js';
import { inpaintFile, openVideo } from '../lib/video/index.js';
import { planParts } from '../lib/video/parts.js';
import { Redis } from '../test/queue/redis.js';
import { makeClip, type Paint } from '../test/video/clips.js';
import { texture } from '../test/video/scenes.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '' },
    seconds: { type: 'string', default: '600' },
    workers: { type: 'string', default: '1,2,4' },
    threads: { type: 'string', default: '1' },
    'work-size': { type: 'string', default: '256' },
  },
});
const { out } = values;
const [seconds, threads] = [Number(values.seconds), Number(values.threads)];
const workSize = Number(values['work-size']);
const fps = 25;
const mask = '240,120,120,100';

async function digest(path: string): Promise<string> {
  const hash = createHash('sha1');
  await using video = await openVideo(path);
  for await (const { data } of video) {
    hash.update(data);
    video.timings.length = 0;
  }
  return hash.digest('hex');
}

mkdirSync(out, { recursive: true });
const input = join(out, `film-${seconds}.mp4`);
if (!existsSync(input)) {
  const frames = seconds * fps;
  const paint: Paint = (planes, strides, index) => {
    const scene = Math.floor((index * 41) / frames);
    planes.forEach((plane, p) => {
      const stride = strides[p] ?? 1;
      const size = p ? 2 : 1;
      for (let i = 0; i < plane.length; i++) {
        const [x, y] = [(i % stride) * size + index / 2, Math.floor(i / stride) * size];
        const level = texture(scene * 1.3, x / 4, y / 4, p);
        plane[i] = p ? 128 + (level - 128) / 4 : level;
      }
    });
  };
  const options = { qp: '18', preset: 'veryfast' };
  const clip = { width: 640, height: 360, frames, fps, paint, options, audio: true };
  await makeClip(join(out, 'making.mp4'), clip);
  await rename(join(out, 'making.mp4'), input);
}
const print = (what: string, time: number, isSame?: boolean) => {
  const same = isSame === undefined ? '' : isSame ? ', the same frames' : ', OTHER FRAMES';
  console.log(`${what}: ${time.toFixed(1)} s${same}`);
};
const timed = async (work: () => Promise<unknown>) => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};
await using inpainter = await Inpainter.create({ device: 'cpu', threads, workSize });
const whole = join(out, 'whole.mkv');
const alone = await timed(() =>
  inpaintFile(inpainter, { input, mask, output: whole, codec: 'ffv1' }),
);
const wanted = await digest(whole);
print('one process', alone);
const planning = await timed(async () => {
  const lengths = { shortest: 60, longest: 600 };
  const job = { input, mask, output: whole };
  for await (const _ of planParts(inpainter, job, lengths));
});
print(`the plan alone (${((100 * planning) / alone).toFixed(1)} %)`, planning);
await using redis = await Redis.start(join(out, 'redis'));
const queue = new Queue(queueName, { connection: { url: redis.url } });
const main = join(import.meta.dirname, '../lib/cli/main.ts');
for (const count of values.workers.split(',').map(Number)) {
  const workers = Array.from({ length: count }, () =>
    spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        main,
        'worker',
        '--redis',
        redis.url,
        '--device',
        'cpu',
        '--threads',
        `${threads}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
  for (const { stderr } of workers) await once(stderr, 'data'); // it works
  for (const { stderr } of workers) stderr.resume();
  const output = join(out, `workers-${count}.mkv`);
  rmSync(output, { force: true });
  const options = { workSize, codec: 'ffv1' } as const;
  const time = await timed(async () => {
    const job = await addJob(queue, { input, mask, output, options });
    await job.finished();
  });
  const more = ((100 * time) / alone - 100).toFixed(1);
  const isSame = (await digest(output)) === wanted;
  print(`${count} worker${count > 1 ? 's' : ''} (${more} % against one process)`, time, isSame);
  for (const worker of workers) {
    worker.kill('SIGTERM');
    await once(worker, 'exit');
  }
}
await queue.close();
