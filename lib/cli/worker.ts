import { once } from 'node:events';
import type { DeviceName } from '../device.js';
import { InpaintError } from '../errors.js';
import { stoppable } from './signals.js';

/** What `worker` is asked for. */
export interface WorkerCommandOptions {
  readonly redis?: string;
  readonly queue?: string;
  readonly device?: DeviceName[];
  readonly concurrency?: number;
  readonly root?: string;
  readonly bucket?: string;
  readonly endpoint?: string;
  readonly threads?: number;
  readonly weights?: string;
  readonly quiet?: boolean;
}

/**
 * Works on what is in a queue until a signal ends it; parts in hand are finished first.
 *
 * @returns the exit code
 */
export async function worker(options: WorkerCommandOptions): Promise<number> {
  const { redis, queue, device, concurrency, threads, weights, quiet = false } = options;
  const { root, bucket, endpoint } = options;
  if (redis === undefined) {
    const message = 'expected --redis to say where the queue is, got none';
    throw new InpaintError('ERR_ARGUMENT', 'worker', message);
  }
  const { createWorker, fileStorage, s3Storage } = await import('../queue/index.js');
  using stop = stoppable();
  const storage =
    bucket === undefined
      ? fileStorage(root)
      : s3Storage({ bucket, client: endpoint ? { endpoint, forcePathStyle: true } : undefined });
  const print = (message: string) => {
    if (!quiet) process.stderr.write(`${message}\n`);
  };
  const settings = { queue, device, concurrency, storage, threads, weights, logger: print };
  await using running = await createWorker({ connection: redis, ...settings });
  print(`works on ${running.devices.join(', ')}`);
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  print('finishes the parts in hand; once more ends at once');
  return stop.code;
}
