import { writeFile } from 'node:fs/promises';
import { InpaintError } from '../errors.js';
import { expectInteger, expectOptions } from '../expect.js';
import { ffmpeg, fileError } from './ffmpeg.js';
import { expectOther, type FrameInpainter, tellFields } from './file.js';
import { type MaskOptions, type MaskSpec, openMask, pairFrames } from './masks.js';
import { openVideo } from './media.js';
import { Pictures } from './pictures.js';
import type { ReadOptions } from './reader.js';
import { turned } from './rotation.js';

/** One frame of a file to inpaint. */
export interface PreviewJob extends ReadOptions, MaskOptions {
  /** A video, a URL of one, `-` for the standard input, or a folder of images. */
  readonly input: string;
  /** What to remove, see {@link openMask}. */
  readonly mask: MaskSpec | readonly MaskSpec[];
  /** Number of the frame, from 0. */
  readonly frame: number;
  /** A .png, which is replaced. */
  readonly output: string;
  /** Ends the work with ERR_ABORTED; no output is left. */
  readonly signal?: AbortSignal | undefined;
  /** Told what a user should know, as of `inpaintFile`. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

const jobOptions = [
  'input',
  'mask',
  'frame',
  'output',
  'fps',
  'deinterlace',
  'onError',
  'invert',
  'from',
  'to',
  'signal',
  'onWarning',
] satisfies (keyof PreviewJob)[];

/** What became of a {@link PreviewJob}. */
export interface PreviewResult {
  readonly output: string;
  readonly frame: number;
  /** Share of the hole that some reference shows; 1 if there is none. */
  readonly coverage: number;
  readonly seconds: number;
}

/**
 * Inpaints one frame of a file, and writes it as PNG of 8 bits, turned as a player shows it. It is
 * what `Inpainter.preview` gives: the whole run's references, no previous outputs. The input is
 * decoded from its start to the last frame that can be a reference.
 *
 * @throws InpaintError (rejects) what {@link openVideo}, {@link openMask} and `Inpainter.inpaint`
 *   throw, and ERR_ARGUMENT when there is no such frame, or when the output is no .png or would
 *   replace what is read
 */
export async function previewFile(
  inpainter: FrameInpainter,
  job: PreviewJob,
): Promise<PreviewResult> {
  const op = 'previewFile';
  expectOptions(op, 'job', job, jobOptions);
  const { input, mask, frame, output, signal, onWarning = () => {} } = job;
  const { fps, deinterlace, onError, invert, from, to } = job;
  const started = performance.now();
  expectInteger(op, 'frame', frame, 0, Number.MAX_SAFE_INTEGER);
  if (!/\.png$/i.test(output)) {
    const message = `expected an output that ends in .png, got ${output}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  await expectOther(op, job, output);
  await using video = await openVideo(input, { fps, deinterlace, onError });
  await using holes = await openMask(mask, video, { invert, from, to });
  const fields = tellFields(input, video, deinterlace ?? false);
  for (const remark of [...(fields ? [fields] : []), ...holes.remarks]) onWarning(remark);
  let read = 0;
  async function* pairs() {
    for await (const pair of pairFrames(video, holes)) {
      video.timings.length = 0; // nothing is written that asks for them
      if (read === frame && !pair.mask.data.includes(255)) {
        onWarning(`the mask has no hole in frame ${frame}; it is unchanged`);
      }
      read += 1;
      yield pair;
    }
  }
  const options = { from: frame, to: frame, ...(signal && { signal }) };
  for await (const done of inpainter.inpaint(pairs(), options)) {
    using pictures = new Pictures(await ffmpeg(op), op);
    const picture = await pictures.encode(done, 'png', turned[video.rotation]);
    await writeFile(output, picture).catch((cause) => {
      throw fileError(op, `to write ${output}`, cause);
    });
    const { coverage } = done;
    return { output, frame, coverage, seconds: (performance.now() - started) / 1000 };
  }
  const message = `expected a frame of ${input} from 0 to ${read - 1}, got ${frame}`;
  throw new InpaintError('ERR_ARGUMENT', op, message);
}
