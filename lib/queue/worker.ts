import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ConnectionOptions, FlowJob, FlowProducer, Job, Queue, Worker } from 'bullmq';
import { Device, type DeviceName, devices } from '../device.js';
import { InpaintError } from '../errors.js';
import { expectInteger, expectOptions } from '../expect.js';
import { Inpainter, type InpainterOptions } from '../inpainter.js';
import { isPath } from '../video/masks.js';
import { completePart, joinParts, type Part, planParts } from '../video/parts.js';
import { carriedName, segmentName } from '../video/work.js';
import {
  cancelled,
  type FilmData,
  type JobResult,
  type PartData,
  type PartDone,
  queueName,
  reasonOf,
  stateKey,
} from './job.js';
import { bullmq } from './peers.js';
import { fileStorage, type Storage } from './storage.js';

/** How a worker works. */
export interface WorkerOptions {
  /** Redis: its URL, or what BullMQ takes. */
  readonly connection: ConnectionOptions | string;
  /** Default `queueName`. */
  readonly queue?: string | undefined;
  /** One or several; by default all GPUs that are usable, or the CPU. */
  readonly device?: DeviceName | readonly DeviceName[] | undefined;
  /** Parts that each device works on at a time, by default 1. */
  readonly concurrency?: number | undefined;
  /** By default `fileStorage()`. */
  readonly storage?: Storage | undefined;
  /** Threads of the CPU device, by default as many as it has cores. */
  readonly threads?: number | undefined;
  /** Path of the weights, by default those of the package. */
  readonly weights?: string | undefined;
  /** Milliseconds after which another worker takes over what a dead one was at, by default 30000. */
  readonly takeOver?: number | undefined;
  /** Told what the worker does, and what goes wrong. */
  readonly logger?: ((message: string) => void) | undefined;
}

const workerOptions = [
  'connection',
  'queue',
  'device',
  'concurrency',
  'storage',
  'threads',
  'weights',
  'takeOver',
  'logger',
] satisfies (keyof WorkerOptions)[];

/** How often a part is taken over before it counts as what ends its workers. */
const mostTakeOvers = 3;

/** Milliseconds between looks at whether a job was cancelled. */
const lookInterval = 1000;

/** The inpainters of a device, by their options: one, and those still at work. */
class Inpainters {
  readonly #options: InpainterOptions;
  readonly #all = new Map<string, { inpainter: Promise<Inpainter>; users: number }>();

  constructor(options: InpainterOptions) {
    this.#options = options;
  }

  async use<T>(options: InpainterOptions, work: (inpainter: Inpainter) => Promise<T>): Promise<T> {
    const key = JSON.stringify(options);
    for (const [other, { users }] of this.#all)
      if (other !== key && !users) await this.#drop(other);
    const entry = this.#all.get(key) ?? {
      inpainter: Inpainter.create({ ...this.#options, ...options }),
      users: 0,
    };
    this.#all.set(key, entry);
    entry.users += 1;
    try {
      return await work(await entry.inpainter);
    } catch (error) {
      // A device that failed stays so; the next try begins with another.
      if (entry.users === 1) await this.#drop(key);
      throw error;
    } finally {
      entry.users -= 1;
    }
  }

  async #drop(key: string): Promise<void> {
    const entry = this.#all.get(key);
    this.#all.delete(key);
    await (await entry?.inpainter.catch(() => undefined))?.dispose();
  }

  async dispose(): Promise<void> {
    for (const key of [...this.#all.keys()]) await this.#drop(key);
  }
}

/** What is fetched for a job stays until another comes. */
class Fetched {
  readonly #storage: Storage;
  readonly #folder: string;
  readonly #jobs = new Map<string, { users: number; paths: Map<string, Promise<string>> }>();

  constructor(storage: Storage, folder: string) {
    this.#storage = storage;
    this.#folder = folder;
  }

  /** Works with a job whose input and masks are local paths. */
  async use<T>(
    id: string,
    film: FilmData['film'],
    work: (film: FilmData['film']) => Promise<T>,
  ): Promise<T> {
    for (const [other, { users }] of this.#jobs) {
      if (other === id || users) continue;
      this.#jobs.delete(other);
      await rm(join(this.#folder, other), { recursive: true, force: true });
    }
    const job = this.#jobs.get(id) ?? { users: 0, paths: new Map() };
    this.#jobs.set(id, job);
    job.users += 1;
    const folder = join(this.#folder, id);
    const local = (key: string) => {
      const known = job.paths.get(key) ?? this.#storage.fetch(key, folder);
      job.paths.set(key, known);
      known.catch(() => job.paths.delete(key));
      return known;
    };
    try {
      await mkdir(folder, { recursive: true });
      const input = await local(film.input);
      const { mask } = film;
      const specs = typeof mask === 'object' && Symbol.iterator in mask ? mask : [mask];
      const masks = await Promise.all(specs.map((it) => (isPath(it) ? local(it) : it)));
      return await work({ ...film, input, mask: masks });
    } finally {
      job.users -= 1;
    }
  }
}

/** What the workers of a process share. */
interface Shared {
  readonly library: Awaited<ReturnType<typeof bullmq>>;
  readonly queue: Queue;
  readonly flows: FlowProducer;
  readonly storage: Storage;
  readonly scratch: string;
  readonly fetched: Fetched;
  readonly logger: (message: string) => void;
}

/** Looks now and then whether a job goes on, and tells how far it is. */
class Watch implements Disposable {
  readonly #abort = new AbortController();
  readonly #shared: Shared;
  readonly #id: string;
  readonly #look: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #done: Record<string, number> = {};
  #frames: number | undefined;

  constructor(shared: Shared, id: string) {
    this.#shared = shared;
    this.#id = id;
    this.#look = async () => {
      try {
        await this.tell();
      } catch (error) {
        this.#shared.logger(`redis: ${(error as Error).message}`); // the next look may succeed
      }
      this.#timer = this.#timer && setTimeout(this.#look, lookInterval);
    };
    this.#timer = setTimeout(this.#look, lookInterval);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** So many frames of a part are done, of so many in all. */
  set(part: Part, done: number, frames: number | undefined): void {
    this.#done = { [part.from]: done };
    this.#frames = frames;
  }

  /** Tells how far it is; aborts when the job was cancelled or is over. */
  async tell(): Promise<void> {
    const { queue } = this.#shared;
    const key = stateKey(queue, this.#id);
    const client = await queue.getBackend().client;
    const { alive, cancelled: isCancelled, ...parts } = await client.hgetall(key);
    if (!alive || isCancelled) {
      this.#abort.abort(cancelled);
      return;
    }
    if (!Object.keys(this.#done).length) return;
    await client.hset(key, this.#done);
    const counts = Object.values({ ...parts, ...this.#done });
    const frame = counts.reduce<number>((sum, count) => sum + Number(count), 0);
    const job = await queue.getJob(this.#id);
    await job?.updateProgress({ frame, frames: this.#frames });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The jobs of parts that need each other, the last of them outermost. */
function flowOf(parts: readonly Part[], whole: Job<FilmData>, frames: number | undefined): FlowJob {
  const { film, inpainter, folder, retry } = whole.data;
  let flow: FlowJob | undefined;
  for (const part of parts) {
    const data: PartData = { film, inpainter, folder, whole: whole.id as string, part, frames };
    const isLast = part === parts.at(-1);
    const opts = {
      ...retry,
      jobId: `${whole.id}-${part.from}`,
      continueParentOnFailure: true,
      removeOnComplete: true,
      removeOnFail: true,
      ...(isLast && { parent: { id: whole.id as string, queue: whole.queueQualifiedName } }),
    };
    const own = { name: 'part', queueName: whole.queueName, data, opts };
    flow = flow ? ({ ...own, children: [flow] } as FlowJob) : own;
  }
  return flow as FlowJob;
}

/** What parts told, together. */
function sumOf(parts: readonly PartDone[]): PartDone {
  const sum = (of: (part: PartDone) => number) => parts.reduce((all, part) => all + of(part), 0);
  return {
    masked: sum((part) => part.masked),
    covered: sum((part) => part.covered),
    settings: [...new Set(parts.flatMap((part) => part.settings))],
  };
}

/** Does the jobs of a queue, on one device. */
class Processor {
  readonly #shared: Shared;
  readonly #inpainters: Inpainters;

  constructor(shared: Shared, inpainters: Inpainters) {
    this.#shared = shared;
    this.#inpainters = inpainters;
  }

  async process(job: Job, token: string | undefined): Promise<JobResult | PartDone> {
    const { UnrecoverableError, WaitingChildrenError } = this.#shared.library;
    const isPart = job.name === 'part';
    try {
      return await (isPart ? this.#part(job) : this.#film(job, token as string));
    } catch (error) {
      if (error instanceof WaitingChildrenError) throw error;
      const { code } = error as InpaintError;
      const isFinal =
        error instanceof UnrecoverableError ||
        (error instanceof InpaintError && /ABORTED|ARGUMENT|SHAPE/.test(code)) ||
        job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
      if (isFinal && !isPart) await this.#end(job);
      const Kind = isFinal ? UnrecoverableError : Error;
      throw new Kind(reasonOf(error));
    }
  }

  async #failureOf(job: Job): Promise<string | undefined> {
    const [reason] = Object.values(await job.getIgnoredChildrenFailures());
    return reason;
  }

  /** Plans a whole job, waits for its parts, and joins them. */
  async #film(job: Job<FilmData>, token: string): Promise<JobResult> {
    const { queue, fetched, library } = this.#shared;
    const id = job.id as string;
    const client = await queue.getBackend().client;
    await client.hset(stateKey(queue, id), { alive: 1 });
    using watch = new Watch(this.#shared, id);
    await watch.tell();
    const { film } = job.data;
    if (!job.data.plan && !watch.signal.aborted)
      await fetched.use(id, film, (local) => this.#plan(job, local, watch.signal));
    for (const isSecond of [false, true]) {
      if (watch.signal.aborted) throw new InpaintError('ERR_ABORTED', 'inpaintFile', cancelled);
      const reason = await this.#failureOf(job);
      if (reason !== undefined) throw new library.UnrecoverableError(reason);
      if (!isSecond && (await job.moveToWaitingChildren(token)))
        throw new library.WaitingChildrenError();
    }
    const result = await fetched.use(id, film, (local) => this.#join(job, local));
    await job.updateProgress({ frame: result.frames, frames: result.frames });
    await this.#end(job);
    return result;
  }

  async #plan(job: Job<FilmData>, film: FilmData['film'], signal: AbortSignal): Promise<void> {
    const { flows, logger } = this.#shared;
    const { data } = job;
    let added = data.added ?? 0;
    let frames: number | undefined;
    const onProgress = (_: number, all: number | undefined) => {
      frames = all;
    };
    await this.#inpainters.use(data.inpainter, async (inpainter) => {
      const planning = planParts(inpainter, film, data.lengths, { signal, onProgress });
      const parts: number[] = [];
      for (let index = 0; ; index++) {
        const { value, done } = await planning.next();
        if (done) {
          const { frames, concealed, warnings } = value;
          await job.updateData({ ...data, plan: { frames, concealed, warnings, parts } });
          logger(`${job.id}: ${parts.length} parts of ${frames} frames`);
          return;
        }
        parts.push(...value.map(({ from }) => from));
        if (index < added) continue; // by a worker that ended early
        await flows.add(flowOf(value, job, frames));
        added = index + 1;
        await job.updateData({ ...data, added });
      }
    });
  }

  async #part(job: Job<PartData>): Promise<PartDone> {
    const { storage, scratch, fetched, library, logger } = this.#shared;
    const { film, inpainter: options, folder, whole, part, frames } = job.data;
    const reason = await this.#failureOf(job);
    if (reason !== undefined) throw new library.UnrecoverableError(reason);
    using watch = new Watch(this.#shared, whole);
    await watch.tell();
    const { signal } = watch;
    const own = await mkdtemp(join(scratch, 'part-'));
    const started = performance.now();
    try {
      const result = await fetched.use(whole, film, (local) =>
        this.#inpainters.use(options, async (inpainter) => {
          const carried = part.isCarriedOn
            ? await storage.fetch(`${folder}/${carriedName(part.from)}`, own)
            : undefined;
          const onFrame = (done: number) => watch.set(part, done, frames);
          const made = await completePart(inpainter, local, part, join(own, 'work'), {
            carried,
            signal,
            onFrame,
          });
          return { ...made, settings: JSON.stringify(await inpainter.settings()) };
        }),
      );
      const { segment, carried, masked, covered, settings } = result;
      if (carried !== undefined)
        await storage.save(carried, `${folder}/${carriedName(part.to + 1)}`);
      await storage.save(segment, `${folder}/${segmentName(part.from)}`);
      await watch.tell();
      // What is kept after the end of the job no one would remove.
      if (signal.aborted) {
        await storage.remove(folder);
        throw new InpaintError('ERR_ABORTED', 'inpaintFile', cancelled);
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      logger(`${whole}: frames ${part.from} to ${part.to} in ${seconds} s`);
      return sumOf([
        { masked, covered, settings: [settings] },
        ...Object.values(await job.getChildrenValues<PartDone>()),
      ]);
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  async #join(job: Job<FilmData>, film: FilmData['film']): Promise<JobResult> {
    const { storage, scratch } = this.#shared;
    const { folder, plan } = job.data;
    const { frames, concealed, warnings, parts } = plan as NonNullable<typeof plan>;
    const own = await mkdtemp(join(scratch, 'join-'));
    try {
      const segments: string[] = [];
      for (const from of parts)
        segments.push(await storage.fetch(`${folder}/${segmentName(from)}`, own));
      const output = join(own, basename(film.output));
      const joined = await joinParts({ ...film, output }, frames, segments, join(own, 'work'));
      await storage.save(output, film.output);
      const told = (text: string) => text.replaceAll(output, film.output);
      const result = {
        output: film.output,
        frames,
        parts: parts.length,
        concealed,
        encoding: joined.encoding,
      };
      return { ...result, ...(await this.#sum(job, [...warnings, ...joined.warnings.map(told)])) };
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  /** What the parts told. */
  async #sum(job: Job<FilmData>, warnings: string[]) {
    const done = Object.values(await job.getChildrenValues<PartDone>());
    const { masked, covered, settings } = sumOf(done);
    if (settings.length > 1)
      warnings.push('parts were completed by devices of several kinds, whose frames may differ');
    if (!masked) warnings.push('the mask has no hole in any frame; they are unchanged');
    return { masked, coverage: masked ? covered / masked : 1, warnings };
  }

  /** Forgets all that was kept of a job. */
  async #end(job: Job<FilmData>): Promise<void> {
    const { queue, storage } = this.#shared;
    const client = await queue.getBackend().client;
    await client.del(stateKey(queue, job.id as string));
    await job.removeUnprocessedChildren();
    await storage.remove(job.data.folder);
  }
}

/** Workers of a process, one for each device. */
export class QueueWorker implements AsyncDisposable {
  /** The devices in use. */
  readonly devices: readonly DeviceName[];
  readonly #workers: readonly Worker[];
  readonly #free: () => Promise<void>;

  /** @internal */
  constructor(names: readonly DeviceName[], workers: readonly Worker[], free: () => Promise<void>) {
    this.devices = names;
    this.#workers = workers;
    this.#free = free;
  }

  /** Finishes the parts in hand, and takes no more. May be called twice. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await this.#free();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** All GPUs that are usable, or the CPU. */
function usable(): DeviceName[] {
  const gpus = devices().filter(({ name, usable }) => usable && name.startsWith('cuda'));
  return gpus.length ? gpus.map(({ name }) => name as DeviceName) : ['cpu'];
}

/**
 * Starts to work on what is in a queue, with one worker for each device.
 *
 * @throws InpaintError (rejects) ERR_ARGUMENT, also when bullmq or ioredis is not installed
 */
export async function createWorker(options: WorkerOptions): Promise<QueueWorker> {
  const op = 'createWorker';
  expectOptions(op, 'options', options, workerOptions);
  const { queue: name = queueName, device, concurrency = 1, takeOver = 30_000 } = options;
  const { storage = fileStorage(), threads, weights, logger = () => {} } = options;
  expectInteger(op, 'concurrency', concurrency, 1, 1000);
  expectInteger(op, 'takeOver', takeOver, 100, 86_400_000);
  const { connection: given } = options;
  if (!given) {
    const message = `expected connection to be the URL of a Redis, or its options, got ${given}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  const connection = typeof given === 'string' ? { url: given } : given;
  const names = device === undefined ? usable() : typeof device === 'string' ? [device] : device;
  if (!names.length) {
    throw new InpaintError('ERR_ARGUMENT', op, 'expected at least one device, got none');
  }
  for (const each of names) Device.create(each).dispose(); // told now, not by the first job
  const library = await bullmq(op);
  const scratch = await mkdtemp(join(tmpdir(), 'align-and-attend-queue-'));
  const queue = new library.Queue(name, { connection });
  const flows = new library.FlowProducer({ connection });
  const fetched = new Fetched(storage, scratch);
  const shared: Shared = { library, queue, flows, storage, scratch, fetched, logger };
  const told = (error: Error) => logger(`redis: ${error.message}`);
  queue.on('error', told);
  flows.on('error', told);
  const all: Inpainters[] = [];
  const workers = names.map((each) => {
    const made = {
      device: each,
      logger,
      ...(threads !== undefined && { threads }),
      ...(weights !== undefined && { weights }),
    };
    const inpainters = new Inpainters(made);
    all.push(inpainters);
    const processor = new Processor(shared, inpainters);
    const worker = new library.Worker(name, (job, token) => processor.process(job, token), {
      connection,
      concurrency,
      lockDuration: takeOver,
      stalledInterval: takeOver,
      maxStalledCount: mostTakeOvers,
    });
    worker.on('error', told);
    worker.on('failed', (job, error) => logger(`${job?.id}: ${error.message}`));
    return worker;
  });
  return new QueueWorker(names, workers, async () => {
    for (const inpainters of all) await inpainters.dispose();
    await queue.close();
    await flows.close();
    await rm(scratch, { recursive: true, force: true });
  });
}
