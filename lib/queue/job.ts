import { randomUUID } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Job, Queue } from 'bullmq';
import { type ErrorCode, InpaintError } from '../errors.js';
import { expectInteger, expectOptions } from '../expect.js';
import type { InpainterOptions } from '../inpainter.js';
import type { FileJob } from '../video/file.js';
import { expectJoinable, type Part, type PartJob } from '../video/parts.js';
import type { SegmentLengths } from '../video/segments.js';

/** The queue that workers serve if no other is named. */
export const queueName = 'align-and-attend';

type InpainterSettings = Pick<
  InpainterOptions,
  'precision' | 'memoryLimit' | 'workSize' | 'dilate' | 'maxReferences' | 'referenceStride'
>;
type FileSettings = Omit<PartJob, 'input' | 'mask' | 'output'>;

/** How a job is done: as `Inpainter.create` and `inpaintFile` say, and how it is divided. */
export interface JobOptions extends InpainterSettings, FileSettings {
  /** Most frames of a part, by default 600. Only cuts let parts run at the same time. */
  readonly partFrames?: number | undefined;
  /** How often a part is tried, by default 3. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second try, by default 1000; twice as many before each further one. */
  readonly backoff?: number | undefined;
}

const inpainterNames = [
  'precision',
  'memoryLimit',
  'workSize',
  'dilate',
  'maxReferences',
  'referenceStride',
] satisfies (keyof InpainterSettings)[];
const fileNames = [
  'fps',
  'deinterlace',
  'onError',
  'invert',
  'from',
  'to',
  'codec',
  'crf',
  'preset',
  'pixelFormat',
  'format',
] satisfies (keyof FileSettings)[];

/** A file to inpaint. What is named is found in the storage of the workers. */
export interface QueueJob {
  /** A video. */
  readonly input: string;
  /** What to remove, see `openMask`. */
  readonly mask: FileJob['mask'];
  /** A video. */
  readonly output: string;
  readonly options?: JobOptions | undefined;
}

/** @internal What a worker is told of a whole job. */
export interface FilmData {
  readonly film: FileSettings & Pick<FileJob, 'input' | 'mask' | 'output'>;
  readonly inpainter: InpainterSettings;
  readonly lengths: SegmentLengths;
  /** Where the parts are kept. */
  readonly folder: string;
  readonly retry: {
    readonly attempts: number;
    readonly backoff: { readonly type: 'exponential'; readonly delay: number };
  };
  /** How many lists of parts are in the queue. */
  readonly added?: number;
  readonly plan?: {
    readonly frames: number;
    readonly concealed: readonly number[];
    readonly warnings: readonly string[];
    /** First frames of all parts. */
    readonly parts: readonly number[];
  };
}

/** @internal What a worker is told of a part. */
export interface PartData extends Pick<FilmData, 'film' | 'inpainter' | 'folder'> {
  /** The whole job. */
  readonly whole: string;
  readonly part: Part;
  readonly frames: number | undefined;
}

/** @internal What is told of a part that is finished, and of those before it that it needed. */
export interface PartDone {
  readonly masked: number;
  readonly covered: number;
  /** What decided their bits. */
  readonly settings: readonly string[];
}

/** How far a job is. */
export interface JobProgress {
  /** Frames completed, in whatever parts. */
  readonly frame: number;
  /** Frames in all, once they are known. */
  readonly frames?: number | undefined;
}

/** What became of a job. */
export interface JobResult {
  readonly output: string;
  readonly frames: number;
  readonly parts: number;
  /** Frames that had a hole. */
  readonly masked: number;
  /** Mean share of the hole that some reference shows, over the frames with one; 1 if none. */
  readonly coverage: number;
  /** Numbers of the frames of which damage made the decoder conceal a part. */
  readonly concealed: readonly number[];
  /** How the output is encoded, for people. */
  readonly encoding: string;
  /** What a user should know. */
  readonly warnings: readonly string[];
}

/** @internal The reason of a job that was cancelled. */
export const cancelled = 'expected to finish, got cancelled';

/** @internal The error as a reason that {@link QueuedJob.finished} reads. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as InpaintError;
  return error instanceof InpaintError ? `${message} [${code}]` : message;
}

/** @internal Where is kept how far a job's parts are, while it goes on. */
export const stateKey = (queue: Pick<Queue, 'toKey'>, id: string) => queue.toKey(`${id}:state`);

/** A job in a queue, which may be looked at from any process. */
export class QueuedJob {
  readonly id: string;
  readonly #queue: Queue;

  /** @internal */
  constructor(queue: Queue, id: string) {
    this.#queue = queue;
    this.id = id;
  }

  async #job(): Promise<Job> {
    const job = (await this.#queue.getJob(this.id)) as Job | undefined;
    if (job) return job;
    const message = `expected job ${this.id} to be in queue ${this.#queue.name}, got none`;
    throw new InpaintError('ERR_ARGUMENT', 'getJob', message);
  }

  /**
   * How far it is.
   *
   * @throws InpaintError (rejects) ERR_ARGUMENT when the queue has forgotten it
   */
  async progress(): Promise<JobProgress> {
    const { progress } = await this.#job();
    return typeof progress === 'object' ? (progress as JobProgress) : { frame: 0 };
  }

  /**
   * Ends the job. Workers stop within a second or so, and remove what is finished of it; a job that
   * is done stays so.
   */
  async cancel(): Promise<void> {
    const job = await this.#job();
    if ((await job.isCompleted()) || (await job.isFailed())) return;
    const client = await this.#queue.getBackend().client;
    await client.hset(stateKey(this.#queue, this.id), { cancelled: 1 });
  }

  /**
   * Waits for the end.
   *
   * @param options.signal ends the waiting, not the job
   * @throws InpaintError (rejects) ERR_ABORTED when it was cancelled, what made a part fail, and
   *   ERR_ARGUMENT when the queue has forgotten it
   */
  async finished({
    signal,
    onProgress,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((progress: JobProgress) => void) | undefined;
  } = {}): Promise<JobResult> {
    for (let told = -1; ; await setTimeout(250, undefined, signal && { signal })) {
      const job = await this.#job();
      const { frame = 0, frames } = job.progress as Partial<JobProgress>;
      if (frame > told) onProgress?.({ frame, frames });
      told = Math.max(told, frame);
      if (await job.isCompleted()) return job.returnvalue as JobResult;
      if (!(await job.isFailed())) continue;
      const { failedReason } = await this.#job();
      const [, text = failedReason, code = 'ERR_DEVICE'] =
        /^(.*) \[(ERR_\w+)\]$/s.exec(failedReason) ?? [];
      throw new InpaintError(code as ErrorCode, `job ${this.id}`, text);
    }
  }
}

/**
 * Puts a file to be inpainted into a queue, whose workers divide it at cuts, complete its parts and
 * join them: the frames are those of one process.
 *
 * @param queue a queue of BullMQ: `new Queue(queueName, { connection })`
 * @throws InpaintError (rejects) ERR_ARGUMENT
 */
export async function addJob(queue: Queue, job: QueueJob): Promise<QueuedJob> {
  const op = 'addJob';
  const jobNames = ['input', 'mask', 'output', 'options'] satisfies (keyof QueueJob)[];
  expectOptions(op, 'job', job, jobNames);
  const { input, mask, output, options = {} } = job;
  const known = [...inpainterNames, ...fileNames, 'partFrames', 'attempts', 'backoff'];
  expectOptions(op, 'options', options, known);
  const { partFrames = 600, attempts = 3, backoff = 1000 } = options;
  expectInteger(op, 'partFrames', partFrames, 1, Number.MAX_SAFE_INTEGER);
  expectInteger(op, 'attempts', attempts, 1, 1000);
  expectInteger(op, 'backoff', backoff, 0, 86_400_000);
  for (const [name, path] of Object.entries({ input, output })) {
    if (typeof path === 'string') continue;
    const message = `expected ${name} to be a path, got ${typeof path}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  const pick = (names: readonly string[]) =>
    Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
  const film = { input, mask, output, ...pick(fileNames) };
  expectJoinable(film);
  const id = randomUUID();
  const retry = { attempts, backoff: { type: 'exponential', delay: backoff } } as const;
  const data: FilmData = {
    film,
    inpainter: pick(inpainterNames),
    lengths: { shortest: Math.min(60, partFrames), longest: partFrames },
    folder: `${dirname(output)}/.${basename(output)}.${id}.parts`,
    retry,
  };
  await queue.add('film', data, { jobId: id, ...retry });
  return new QueuedJob(queue, id);
}

/** A job that was put into a queue, by its id. */
export function getJob(queue: Queue, id: string): QueuedJob {
  return new QueuedJob(queue, id);
}
