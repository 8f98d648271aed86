import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InpaintError } from '../errors.js';
import type { Carried } from './completion.js';
import type { Copies } from './copies.js';
import { fileError } from './ffmpeg.js';
import { type Image, toImage } from './image.js';
import { isRunning, syncFolder } from './lock.js';
import type { VideoReader } from './reader.js';
import type { Sums, WorkFolder } from './work.js';

const op = 'createWriter';

/** What is being written, to be removed should the process exit. */
const unfinished = new Set<string>();
let watching = false;

/** Tells machines apart that share a folder. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/**
 * A name beside the final one, so that the rename at the end is within one file system. It tells
 * whose it is.
 */
function temporaryPath(path: string): string {
  if (!watching) {
    process.on('exit', () => {
      for (const left of unfinished) rmSync(left, { recursive: true, force: true });
    });
    watching = true;
  }
  const extension = extname(path);
  const owner = `${host}-${process.pid}-${randomBytes(2).toString('hex')}`;
  const name = `.${basename(path, extension)}.${owner}.part${extension}`;
  const temporary = join(dirname(path), name);
  unfinished.add(temporary);
  return temporary;
}

/**
 * @internal Removes what processes that are gone were writing of an output.
 *
 * @returns the names
 */
export async function clearLeftovers(output: string): Promise<string[]> {
  const path = resolve(output);
  const [folder, extension] = [dirname(path), extname(path)];
  const start = `.${basename(path, extension)}.${host}-`;
  const names = await readdir(folder).catch(() => []);
  const cleared: string[] = [];
  for (const name of names) {
    if (!name.startsWith(start) || !name.endsWith(`.part${extension}`)) continue;
    const left = join(folder, name);
    const pid = Number.parseInt(name.slice(start.length), 10);
    const { mtimeMs } = await stat(left).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    // The number of a process is given again, to this one too.
    const isOld = pid === process.pid && mtimeMs < performance.timeOrigin;
    if (!isOld && isRunning(pid)) continue;
    await rm(left, { recursive: true, force: true });
    cleared.push(name);
  }
  return cleared;
}

/**
 * Writes frames to a video file or a folder of PNG. What is written appears under its name with
 * {@link close}, and only when it is whole; a writer that is disposed of before leaves nothing
 * behind, nor does a process that exits. What is no file (the standard output, a pipe, a device, a
 * URL) is written to as frames come.
 *
 * Wherever a frame has the colours that its reader gave, the source's own samples are encoded, at
 * their own depth.
 */
export abstract class VideoWriter implements AsyncDisposable {
  readonly path: string;
  /** Streams that the container cannot hold, for people: `subtitle stream 2 (ass)`. Never audio. */
  readonly dropped: readonly string[] = [];
  /** Whether the source has chapters that the output cannot hold. */
  abstract readonly dropsChapters: boolean;
  /** How frames are encoded, for people: `h264 (crf 16, preset fast, yuv420p)`. */
  abstract readonly encoding: string;
  /** FFmpeg's name of the codec of the source, if the output has another. */
  abstract readonly changesCodec: string | undefined;
  /** @internal What is written to until it is whole. */
  protected readonly temporary: string;
  /** @internal */
  protected readonly like: VideoReader;
  /** Undefined when it is written to directly. */
  readonly #final: string | undefined;
  /** @internal Where what is finished is kept, for work that is to go on after a stop. */
  protected readonly work: WorkFolder | undefined;
  #frames = 0;
  #last: Promise<void> = Promise.resolve();
  #ended = false;

  /** @internal */
  protected constructor(
    path: string,
    like: VideoReader,
    work: WorkFolder | undefined,
    isFile = true,
  ) {
    this.path = path;
    this.like = like;
    this.work = work;
    this.#frames = like.begun;
    this.#final = isFile ? resolve(path) : undefined;
    this.temporary = work
      ? join(work.path, `output${extname(path)}`)
      : this.#final === undefined
        ? path
        : temporaryPath(this.#final);
  }

  /** Frames written so far. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Writes the next frame, to be shown when the reader's next unwritten frame is. The image must
   * not change before the promise resolves; to keep memory bounded, wait for one before the next.
   *
   * @param options.isOriginal that the image is what the reader gave: it need not be looked at
   * @throws InpaintError (rejects) ERR_ARGUMENT, ERR_SHAPE, ERR_DISPOSED, ERR_MEDIA (a full disk,
   *   alpha that the container cannot hold)
   */
  write(frame: Image, { isOriginal = false } = {}): Promise<void> {
    return this.#next(async () => {
      const image = toImage(op, 'frame', frame);
      const { width, height } = this.like;
      if (image.width !== width || image.height !== height || image.channels === 1) {
        const got = `${image.width} x ${image.height} x ${image.channels}`;
        const message = `expected a frame of ${width} x ${height} x 3 or 4, got ${got}`;
        throw new InpaintError('ERR_SHAPE', op, message);
      }
      await this.encode(image, this.#frames, isOriginal);
      this.#frames += 1;
    });
  }

  /** @internal Goes past a frame that an earlier run finished; none was written yet. */
  pass(): Promise<void> {
    return this.#next(async () => {
      await this.skip();
      this.#frames += 1;
    });
  }

  /** @internal Finishes a segment: what was written since the last one ended. */
  endSegment(sums: Sums, carried: Carried | undefined): Promise<void> {
    return this.#next(async () => {
      if (!this.work || this.#frames === this.work.next) return;
      await this.flush();
      await this.work.endSegment(this.#frames, sums, carried);
    });
  }

  /**
   * Finishes and gives the output its name. A file of that name is replaced.
   *
   * @throws InpaintError (rejects) ERR_MEDIA, ERR_DISPOSED
   */
  async close(): Promise<void> {
    try {
      await this.#next(() => this.finish());
      this.#ended = true;
      if (this.#final !== undefined) {
        await rename(this.temporary, this.#final);
        await syncFolder(dirname(this.#final));
      }
      unfinished.delete(this.temporary);
      await this.work?.remove();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw fileError(op, `to write ${this.path}`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#last.catch(() => {});
    await this.release();
    if (!unfinished.has(this.temporary)) return;
    await rm(this.temporary, { recursive: true, force: true });
    unfinished.delete(this.temporary);
  }

  /** One thing after the other; nothing after a failure. */
  #next(work: () => Promise<void>): Promise<void> {
    if (this.#ended) {
      const message = 'expected a writer in use, got one that was closed';
      return Promise.reject(new InpaintError('ERR_DISPOSED', op, message));
    }
    this.#last = this.#last.then(work);
    this.#last.catch(() => {});
    return this.#last;
  }

  /** @internal What of the video is copied as it is. */
  get copies(): Copies | undefined {
    return undefined;
  }

  /** @internal What of the output an earlier run is known by, beside its settings. */
  abstract readonly headers: string;
  /** @internal How many frames are there, of those that are kept as files of their own. */
  abstract whole(): Promise<number>;
  /** @internal Lets the source go past a frame. */
  protected abstract skip(): Promise<void>;
  /** @internal Has all that was encoded in the work folder, and on the disk. */
  protected abstract flush(): Promise<void>;
  /** @internal */
  protected abstract encode(image: Image, index: number, isOriginal: boolean): Promise<void>;
  /** @internal Completes the temporary output. */
  protected abstract finish(): Promise<void>;
  /** @internal Frees everything; may be called twice. */
  protected abstract release(): Promise<void>;
}

/** @internal Whether every pixel of an RGBA image has an alpha of 255. */
export function isOpaque({ data }: Image): boolean {
  const bytes = data.byteOffset % 4 ? data.slice() : data;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let all = 0xffffffff;
  for (let i = 0; i < words.length; i++) all &= words[i] as number;
  return new Uint8Array(Uint32Array.of(all).buffer)[3] === 255;
}
