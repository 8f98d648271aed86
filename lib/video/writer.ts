import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InpaintError } from '../errors.js';
import { fileError } from './ffmpeg.js';
import { type Image, toImage } from './image.js';
import type { VideoReader } from './reader.js';

const op = 'createWriter';

/** What is being written, to be removed should the process exit. */
const unfinished = new Set<string>();
let watching = false;

/** A name beside the final one, so that the rename at the end is within one file system. */
function temporaryPath(path: string): string {
  if (!watching) {
    process.on('exit', () => {
      for (const left of unfinished) rmSync(left, { recursive: true, force: true });
    });
    watching = true;
  }
  const extension = extname(path);
  const name = `.${basename(path, extension)}.${randomBytes(4).toString('hex')}.part${extension}`;
  const temporary = join(dirname(path), name);
  unfinished.add(temporary);
  return temporary;
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
  #frames = 0;
  #last: Promise<void> = Promise.resolve();
  #ended = false;

  /** @internal */
  protected constructor(path: string, like: VideoReader, isFile = true) {
    this.path = path;
    this.like = like;
    this.#final = isFile ? resolve(path) : undefined;
    this.temporary = this.#final === undefined ? path : temporaryPath(this.#final);
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

  /**
   * Finishes and gives the output its name. A file of that name is replaced.
   *
   * @throws InpaintError (rejects) ERR_MEDIA, ERR_DISPOSED
   */
  async close(): Promise<void> {
    try {
      await this.#next(() => this.finish());
      this.#ended = true;
      if (this.#final !== undefined) await rename(this.temporary, this.#final);
      unfinished.delete(this.temporary);
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
