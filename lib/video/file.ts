import { realpath, stat } from 'node:fs/promises';
import { InpaintError } from '../errors.js';
import { mediaError } from './ffmpeg.js';
import type { FramePair } from './image.js';
import { type MaskSpec, openMask, pairFrames } from './masks.js';
import { createWriter, openVideo } from './media.js';
import type { VideoFrame } from './reader.js';

/** A frame as an inpainter yields it, see `Inpainter.inpaint`. */
interface Inpainted extends VideoFrame {
  readonly index: number;
  readonly coverage: number;
}

/** How far a file is. */
interface FileProgress {
  readonly frame: number;
  readonly frames?: number | undefined;
  readonly fps: number;
  readonly coverage: number;
}

/** What inpaints: an `Inpainter`, or anything of its shape. */
export interface FrameInpainter {
  inpaint(
    source: AsyncIterable<FramePair>,
    options: {
      signal?: AbortSignal;
      onProgress?: (progress: FileProgress) => void;
      frames?: number;
    },
  ): AsyncIterable<Inpainted>;
}

/** One file to inpaint. */
export interface FileJob {
  /** A video, or a folder of images. */
  readonly input: string;
  /** What to remove, see {@link openMask}. */
  readonly mask: MaskSpec | readonly MaskSpec[];
  /** A video, or a folder for PNG, see {@link createWriter}. */
  readonly output: string;
  /** Frames a second, for a folder of images that becomes a video; 25 if left out. */
  readonly fps?: number | undefined;
  /** Ends the work with ERR_ABORTED; no output is left. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
  /** Told what a user should know: streams that cannot be copied, masks without a hole. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What became of a {@link FileJob}. */
export interface FileResult {
  readonly output: string;
  readonly frames: number;
  /** Frames that had a hole. */
  readonly masked: number;
  /** Mean share of the hole that some reference shows, over the frames with one; 1 if none. */
  readonly coverage: number;
  readonly seconds: number;
  /** Frames inpainted a second, decoding and encoding included. */
  readonly fps: number;
}

/** The same file by another name counts as the same. */
async function isSameFile(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  if (!x || !y) return false;
  return (
    (x.ino !== 0 && x.ino === y.ino && x.dev === y.dev) ||
    (await realpath(a)) === (await realpath(b))
  );
}

/** Asks for the next items while the latest is worked on: decoding and computing overlap. */
async function* readAhead<T>(
  source: AsyncGenerator<T, void, void>,
  items: number,
): AsyncGenerator<T, void, void> {
  const asked: Promise<IteratorResult<T, void>>[] = [];
  try {
    for (;;) {
      while (asked.length <= items) {
        const next = source.next();
        next.catch(() => {}); // heard when its turn comes
        asked.push(next);
      }
      const { value, done } = (await asked.shift()) as IteratorResult<T, void>;
      if (done) return;
      yield value as T;
    }
  } finally {
    await source.return();
  }
}

/**
 * Inpaints a file: reads, completes and writes frame by frame, with memory bounded however long the
 * video is.
 *
 * @throws InpaintError (rejects) what {@link openVideo}, {@link openMask}, {@link createWriter} and
 *   `Inpainter.inpaint` throw, and ERR_ARGUMENT when the output would replace what is read. Nothing
 *   is left under the output's name then
 */
export async function inpaintFile(inpainter: FrameInpainter, job: FileJob): Promise<FileResult> {
  const op = 'inpaintFile';
  const { input, mask, output, signal, onProgress, onWarning = () => {} } = job;
  const started = performance.now();
  const specs = typeof mask === 'object' && Symbol.iterator in mask ? mask : [mask];
  for (const path of [input, ...specs.filter((spec) => typeof spec === 'string')]) {
    if (!(await isSameFile(path, output))) continue;
    const expected = 'an output other than what is read';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${output} for both`);
  }
  await using video = await openVideo(input, { fps: job.fps });
  await using holes = await openMask(mask, video);
  await using writer = await createWriter(output, video);
  for (const dropped of writer.dropped) {
    onWarning(`${output} cannot hold ${dropped} of ${input}; it is left out`);
  }

  let read = 0;
  let masked = 0;
  let covered = 0;
  const holed = new Set<number>();
  async function* pairs() {
    for await (const pair of pairFrames(video, holes)) {
      if (pair.mask.data.includes(255)) holed.add(read);
      read += 1;
      yield pair;
    }
  }
  const options = {
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(video.frames !== undefined && { frames: video.frames }),
  };
  let written: Promise<void> = Promise.resolve();
  for await (const frame of inpainter.inpaint(readAhead(pairs(), 2), options)) {
    if (holed.delete(frame.index)) {
      masked += 1;
      covered += frame.coverage;
    }
    await written;
    written = writer.write(frame);
    written.catch(() => {}); // heard with the next frame
  }
  await written;
  if (signal?.aborted) {
    const options = { cause: signal.reason };
    throw new InpaintError('ERR_ABORTED', op, 'expected to finish, got aborted', options);
  }
  if (writer.frames !== read) {
    throw mediaError(op, 'as many frames out as in', `${writer.frames} for ${read}`);
  }
  await writer.close();
  if (!masked) onWarning(`the mask has no hole in any of the ${read} frames; they are unchanged`);
  const seconds = (performance.now() - started) / 1000;
  const coverage = masked ? covered / masked : 1;
  return { output, frames: read, masked, coverage, seconds, fps: read / seconds };
}
