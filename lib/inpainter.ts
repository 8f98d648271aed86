import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Device, type DeviceName } from './device.js';
import { InpaintError } from './errors.js';
import { expectInteger, expectOptions } from './expect.js';
import { Network } from './network/network.js';
import {
  type Carried,
  Completion,
  type CompletionOptions,
  completed,
  type Queued,
} from './video/completion.js';
import type { FramePair } from './video/image.js';
import { lookAhead } from './video/references.js';
import type { ShotChange } from './video/shots.js';
import { Spread } from './video/spread.js';
import { FrameWindow, type HeldFrame, iteratorOf } from './video/window.js';

/** What an {@link Inpainter} is made with; everything may be left out. */
export interface InpainterOptions {
  /**
   * Default `auto`: the first usable GPU, else the CPU. Nothing falls back silently: see {@link
   * Inpainter.device}. Of several, each works on what follows a cut, when it is free; a limit of
   * memory is each one's own, and half a GiB of frames may wait for them. Parts of a video, previews and work with
   * `resume` run on the first.
   */
  readonly device?: DeviceName | readonly DeviceName[];
  /** Threads of the CPU device, by default as many as it has cores. */
  readonly threads?: number;
  /** How a GPU stores maps, by default `f16`; see {@link DeviceOptions}. The CPU has no say. */
  readonly precision?: 'f16' | 'f32';
  /**
   * Most bytes to hold, frames and device together, by default no limit. References are given up
   * until a video fits; one that fits not even with a single reference fails with
   * ERR_OUT_OF_MEMORY.
   */
  readonly memoryLimit?: number;
  /** Path of the weights, by default those that come with the package. */
  readonly weights?: string;
  /**
   * Longer side, in pixels, at which the network runs, 16 to 4096, default 512. What is borrowed
   * keeps the frame's own detail.
   */
  readonly workSize?: number;
  /** Pixels, at working size, by which holes grow, 0 to 64, default 4. */
  readonly dilate?: number;
  /** Most reference frames of a target, 1 to 64, default 16. */
  readonly maxReferences?: number;
  /**
   * Up to half of the references are within 5 frames of their target. Of all others every how many
   * frames may be one, 1 to 1000, default 10.
   */
  readonly referenceStride?: number;
  /** Told what a user may want to know: references given up for memory, and the like. */
  readonly logger?: (message: string) => void;
}

/** How far a video is. */
export interface Progress {
  /** Frames done. */
  readonly frame: number;
  /** Frames in all, when known. */
  readonly frames: number | undefined;
  /** Frames a second since the first. */
  readonly fps: number;
  /** Of the latest frame, see {@link InpaintedFrame.coverage}. */
  readonly coverage: number;
}

/** @internal How a video is worked on in segments, see lib/video/segments.ts. */
export interface Segmented {
  /** What frame `from` takes of those before it, as {@link InpaintedFrame.ended} told. */
  readonly carried?: Carried | undefined;
  /** Whether a segment ends before a frame, whose shot begins at `shot`. */
  readonly endsBefore: (index: number, shot: number) => boolean;
  /** What frames say of the shots before them, where that is known. */
  readonly changes?: Pick<ReadonlyMap<number, ShotChange>, 'get'>;
  /** Whether a frame is still to be completed; asked when it has come. */
  readonly goesOn?: (index: number) => Promise<boolean>;
}

/** How one video is inpainted; everything may be left out. */
export interface InpaintOptions {
  /** Ends the work with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Frames in all, for `onProgress`; known without it when the source is an array. */
  readonly frames?: number | undefined;
  /**
   * First frame to complete, counted from 0; by default 0. Those before it are read, and registered
   * where it can reach them, but not completed: it and those behind it lack these as previous
   * outputs.
   */
  readonly from?: number | undefined;
  /** Last frame to complete, by default the last there is. Nothing is read beyond its references. */
  readonly to?: number | undefined;
  /** @internal */
  readonly segmented?: Segmented | undefined;
}

/** A completed frame. The data is the caller's. */
export interface InpaintedFrame {
  /** Rows packed; outside the dilated mask the input's own bytes. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  /** As the input's; alpha passes through. */
  readonly channels: 3 | 4;
  /** Number of the frame, from 0. */
  readonly index: number;
  /**
   * Share of the hole's pixels that some reference shows, 0 to 1; the rest is made up. 1 when there
   * is no hole.
   */
  readonly coverage: number;
  /** Number of the first frame of its shot. */
  readonly shot: number;
  /** @internal On the last frame of a segment: what the frame behind it takes of those so far. */
  readonly ended?: { readonly carried: Carried | undefined };
  /** How many of `maxReferences` were given up to stay under the memory limit. */
  readonly givenUp: number;
}

const createOptions = [
  'device',
  'threads',
  'precision',
  'memoryLimit',
  'weights',
  'workSize',
  'dilate',
  'maxReferences',
  'referenceStride',
  'logger',
] satisfies (keyof InpainterOptions)[];

const inpaintOptions = [
  'signal',
  'onProgress',
  'frames',
  'from',
  'to',
] satisfies (keyof InpaintOptions)[];

/** The weights that come with the package. */
export const defaultWeights: string = fileURLToPath(
  new URL('../weights/align-and-attend.safetensors', import.meta.url),
);

/** Loads the network; says what its weights need where the device's limit is below that. */
async function loadNetwork(device: Device, weights: string, limit = 0): Promise<Network> {
  try {
    return await Network.load(device, weights);
  } catch (error) {
    const isFull = error instanceof InpaintError && error.code === 'ERR_OUT_OF_MEMORY';
    if (!isFull || !limit) throw error;
    using roomy = Device.create(device.name as DeviceName);
    const network = await Network.load(roomy, weights).catch(() => {
      throw error;
    });
    const { used } = roomy.memory();
    network.dispose();
    throw new InpaintError(
      'ERR_OUT_OF_MEMORY',
      'Inpainter.create',
      `expected a memory limit well above the ${used} bytes of the weights, got ${limit}`,
      { cause: error },
    );
  }
}

/** Waits for a promise, or for the signal, whichever comes first. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(
        new InpaintError('ERR_ABORTED', 'inpaint', 'expected to finish, got aborted', {
          cause: signal.reason,
        }),
      );
    };
  });
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Removes objects from video: Align-and-Attend (Woo, Kim, Park, Lee, Kweon, arXiv 1905.13066).
 *
 * ```ts
 * await using inpainter = await Inpainter.create();
 * for await (const { data } of inpainter.inpaint(source)) sink.write(data);
 * ```
 */
export class Inpainter implements AsyncDisposable {
  /** The device in use; of several, the first. */
  readonly device: Device;
  /** One for each further device. */
  readonly #others: readonly Inpainter[];
  readonly #network: Network;
  readonly #options: CompletionOptions;
  readonly #weights: string;
  readonly #precision: 'f16' | 'f32';

  private constructor(
    device: Device,
    network: Network,
    options: CompletionOptions,
    { weights, precision }: { readonly weights: string; readonly precision: 'f16' | 'f32' },
    others: readonly Inpainter[],
  ) {
    this.#others = others;
    this.device = device;
    this.#network = network;
    this.#options = options;
    this.#weights = weights;
    this.#precision = precision;
  }

  /**
   * Opens the device and loads the weights.
   *
   * @throws InpaintError (rejects) ERR_ARGUMENT, ERR_DEVICE, ERR_WEIGHTS, ERR_ADDON,
   *   ERR_OUT_OF_MEMORY
   */
  static async create(options: InpainterOptions = {}): Promise<Inpainter> {
    const op = 'Inpainter.create';
    expectOptions(op, 'options', options, createOptions);
    const { device: given, threads, precision, memoryLimit, weights, logger } = options;
    const [name, ...others] = given === undefined || typeof given === 'string' ? [given] : given;
    if (given?.length === 0)
      throw new InpaintError('ERR_ARGUMENT', op, 'expected at least one device, got none');
    const { workSize = 512, dilate = 4, maxReferences = 16, referenceStride = 10 } = options;
    expectInteger(op, 'workSize', workSize, 16, 4096);
    expectInteger(op, 'dilate', dilate, 0, 64);
    expectInteger(op, 'maxReferences', maxReferences, 1, 64);
    expectInteger(op, 'referenceStride', referenceStride, 1, 1000);
    if (weights !== undefined && typeof weights !== 'string') {
      throw new InpaintError(
        'ERR_ARGUMENT',
        op,
        `expected weights to be a path, got ${typeof weights}`,
      );
    }
    if (logger !== undefined && typeof logger !== 'function') {
      throw new InpaintError(
        'ERR_ARGUMENT',
        op,
        `expected logger to be a function, got ${typeof logger}`,
      );
    }
    const device = Device.create(name, {
      ...(threads === undefined ? {} : { threads }),
      ...(precision === undefined ? {} : { precision }),
      ...(memoryLimit === undefined ? {} : { memoryLimit }),
    });
    const further: Inpainter[] = [];
    try {
      for (const other of others)
        further.push(await Inpainter.create({ ...options, device: other as DeviceName }));
      const network = await loadNetwork(device, weights ?? defaultWeights, memoryLimit);
      const completion = {
        workSize,
        dilate,
        maxReferences,
        referenceStride,
        memoryLimit: memoryLimit ?? Number.POSITIVE_INFINITY,
        logger: logger ?? (() => {}),
      };
      const made = { weights: weights ?? defaultWeights, precision: precision ?? 'f16' };
      return new Inpainter(device, network, completion, made, further);
    } catch (error) {
      for (const other of further) await other.dispose();
      device.dispose();
      throw error;
    }
  }

  /** The devices in use. */
  get devices(): readonly Device[] {
    return [this.device, ...this.#others.map(({ device }) => device)];
  }

  /** @internal All that decides what a frame's bits are, beside the frames. */
  async settings(): Promise<Record<string, unknown>> {
    const { logger, ...options } = this.#options;
    const { name, kind, instructionSet } = this.device;
    const weights = createHash('sha256').update(await readFile(this.#weights));
    return {
      ...options,
      device: `${name} ${instructionSet}`,
      ...(kind === 'cuda' && { precision: this.#precision }),
      weights: weights.digest('hex'),
    };
  }

  /**
   * Completes a video, frame by frame, in order.
   *
   * The source is pulled ahead by half the reference window. Its frames have one size; they are
   * copied as they come. Leaving the loop early closes the source and frees everything; that waits
   * for the frame the source was asked for last, if it is still to come, as a generator cannot be
   * ended before. A signal waits for nothing. Several
   * videos may be inpainted at once; they share the device.
   *
   * @param source frames with their masks: any non-zero pixel of a mask is hole. An {@link Image},
   *   sharp's `{ data, info }` and ImageData are taken
   * @throws InpaintError ERR_ARGUMENT at the call; while it runs ERR_ARGUMENT, ERR_SHAPE (a frame),
   *   ERR_OUT_OF_MEMORY, ERR_DEVICE, ERR_ABORTED, ERR_DISPOSED, and whatever the source throws
   */
  inpaint(
    source: Iterable<FramePair> | AsyncIterable<FramePair>,
    options: InpaintOptions = {},
  ): AsyncGenerator<InpaintedFrame, void, void> {
    expectOptions('inpaint', 'options', options, inpaintOptions, ['segmented']);
    const {
      signal,
      onProgress,
      frames = Array.isArray(source) ? source.length : undefined,
    } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'inpaint',
        `expected signal to be an AbortSignal, got ${typeof signal}`,
      );
    }
    if (onProgress !== undefined && typeof onProgress !== 'function') {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'inpaint',
        `expected onProgress to be a function, got ${typeof onProgress}`,
      );
    }
    if (frames !== undefined)
      expectInteger('inpaint', 'frames', frames, 0, Number.MAX_SAFE_INTEGER);
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = options;
    expectInteger('inpaint', 'from', from, 0, Number.MAX_SAFE_INTEGER);
    expectInteger('inpaint', 'to', to, from, Number.MAX_SAFE_INTEGER);
    if (this.device.disposed) {
      throw new InpaintError(
        'ERR_DISPOSED',
        'inpaint',
        'expected an inpainter in use, got one that was disposed of',
      );
    }
    const { segmented } = options;
    const isWhole = from === 0 && options.to === undefined && !segmented;
    if (this.#others.length && isWhole) return this.#spread(source, { signal, onProgress, frames });
    const window = new FrameWindow(source, segmented?.changes);
    return this.#run(window, { signal, onProgress, frames, from, to, segmented });
  }

  /**
   * Completes one frame: what {@link inpaint} gives for it, with the same references, but without
   * previous outputs, as no frame before it is completed. So what is made up may differ; a frame is
   * the same to the byte where a shot begins, and where the two frames before it have no hole. The
   * source is read from its start to half the reference window behind the frame.
   *
   * @param index number of the frame, from 0
   * @throws InpaintError (rejects) what {@link inpaint} throws, and ERR_ARGUMENT when the source ends
   *   before the frame
   */
  async preview(
    source: Iterable<FramePair> | AsyncIterable<FramePair>,
    index: number,
    options: Pick<InpaintOptions, 'signal'> = {},
  ): Promise<InpaintedFrame> {
    const op = 'preview';
    expectOptions(op, 'options', options, ['signal']);
    expectInteger(op, 'index', index, 0, Number.MAX_SAFE_INTEGER);
    for await (const frame of this.inpaint(source, { ...options, from: index, to: index })) {
      return frame;
    }
    const message = `expected a source with a frame ${index}, got one that ends before`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }

  /**
   * @internal The shot that each frame belongs to when {@link inpaint} comes to it, which may be
   * before a dissolve is known; `changes` are those so far.
   */
  async *shots(
    source: AsyncIterable<FramePair>,
    signal?: AbortSignal,
  ): AsyncGenerator<{ shot: number; changes: ReadonlyMap<number, ShotChange> }, void, void> {
    const window = new FrameWindow(source);
    const completion = new Completion(this.device, this.#network, window, this.#options);
    try {
      for (let index = 0; ; ++index) {
        await orAborted(window.pull(index + 1), signal);
        const first = window.get(index);
        if (!first) return;
        await orAborted(window.pull(index + 1 + this.#ahead(completion, first)), signal);
        const { shot } = window.get(index) as HeldFrame;
        yield { shot, changes: window.changes };
        window.drop((frame) => frame.index > index);
      }
    } finally {
      completion.dispose();
      await window.close();
    }
  }

  /** Completes a video on all devices. */
  async *#spread(
    source: Iterable<FramePair> | AsyncIterable<FramePair>,
    { signal, onProgress, frames }: InpaintOptions,
  ): AsyncGenerator<InpaintedFrame, void, void> {
    const { maxReferences, referenceStride } = this.#options;
    const ahead = lookAhead(referenceStride, maxReferences);
    const started = performance.now();
    const spread = new Spread([this, ...this.#others], iteratorOf(source), ahead, signal);
    const results = spread.frames();
    try {
      for (;;) {
        const { value: frame, done } = await orAborted(results.next(), signal);
        if (done) return;
        const { index, coverage } = frame;
        const fps = ((index + 1) * 1000) / (performance.now() - started);
        onProgress?.({ frame: index + 1, frames, fps, coverage });
        yield frame;
      }
    } finally {
      const closed = results.return();
      if (signal?.aborted) closed.catch(() => {});
      else await closed;
    }
  }

  /** How many frames ahead of a target are looked at. */
  #ahead(completion: Completion, held: HeldFrame): number {
    return lookAhead(this.#options.referenceStride, completion.plan(held).maxReferences);
  }

  async *#run(
    window: FrameWindow,
    {
      signal,
      onProgress,
      frames,
      from,
      to,
      segmented,
    }: InpaintOptions & { readonly from: number; readonly to: number },
  ): AsyncGenerator<InpaintedFrame, void, void> {
    const completion = new Completion(this.device, this.#network, window, this.#options);
    const started = performance.now();
    type Ended = Promise<Carried | undefined> | undefined;
    let givenUp = 0;
    const finish = async (queued: Queued, { index, size, shot }: HeldFrame, ended: Ended) => {
      const { data, coverage } = await orAborted(completed(queued), signal);
      const { width, height, channels } = size;
      const fps = ((index + 1 - from) * 1000) / (performance.now() - started);
      onProgress?.({ frame: index + 1, frames, fps, coverage });
      const image = { data, width, height, channels: channels as 3 | 4 };
      const done = { ...image, index, coverage, shot, givenUp };
      return ended ? { ...done, ended: { carried: await orAborted(ended, signal) } } : done;
    };
    // A frame is waited for when the next one is queued: the device goes on with that meanwhile.
    let last: ((ended?: Ended) => Promise<InpaintedFrame>) | undefined;
    try {
      for (let index = 0; index <= to; ++index) {
        await orAborted(window.pull(index + 1), signal);
        const first = window.get(index);
        if (!first || (segmented?.goesOn && !(await segmented.goesOn(index)))) break;
        givenUp = this.#options.maxReferences - completion.plan(first).maxReferences;
        await orAborted(window.pull(index + 1 + this.#ahead(completion, first)), signal);
        const held = window.get(index) as HeldFrame; // its shot may be known only now
        if (index < from) {
          await orAborted(completion.skip(held, from), signal);
          continue;
        }
        const isEnd = index > from && segmented?.endsBefore(index, held.shot);
        const ended = isEnd ? completion.carry(held) : undefined;
        ended?.catch(() => {}); // heard with the frame
        if (index === from && segmented?.carried) completion.carryOn(held, segmented.carried);
        const queued = await orAborted(completion.queue(held), signal);
        if (last) yield await last(ended);
        last = (end) => finish(queued, held, end);
      }
      const next = segmented && window.get(to + 1);
      const isEnd = next && segmented.endsBefore(to + 1, next.shot);
      if (last) yield await last(isEnd ? completion.carry(next) : undefined);
    } finally {
      completion.dispose();
      const closed = window.close();
      // A source that hangs must not keep an abort waiting.
      if (signal?.aborted) closed.catch(() => {});
      else await closed;
    }
  }

  /** Ends work in hand (it fails with ERR_DISPOSED) and frees everything. May be called twice. */
  async dispose(): Promise<void> {
    this.#network.dispose();
    this.device.dispose();
    for (const other of this.#others) await other.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
