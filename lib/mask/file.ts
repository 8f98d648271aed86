import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { mediaError } from '../video/ffmpeg.js';
import { type Box, openMask, stored } from '../video/masks.js';
import { createWriter, openVideo } from '../video/media.js';
import type { VideoReader } from '../video/reader.js';
import { overlayMask } from './overlay.js';
import type { Prompt } from './prompts.js';
import { type TrackOptions, trackMask } from './track.js';

/** As {@link Prompt}, in pixels of the frame as displayed; a mask by its path. */
export type FilePrompt =
  | Exclude<Prompt, { kind: 'mask' }>
  | { readonly kind: 'mask'; readonly frame: number; readonly path: string };

/** An object of a video to follow, or overlays to find. */
export interface MaskJob extends Omit<TrackOptions, 'onProgress'> {
  /** A video, or a folder of images. */
  readonly input: string;
  /** What is said of an object to follow; none when `overlays` are looked for. */
  readonly prompts?: readonly FilePrompt[] | undefined;
  /** Boxes in which text and overlays are looked for, in pixels of the frame as displayed. */
  readonly overlays?: readonly Box[] | undefined;
  /** A video, or a folder for PNG, see {@link createWriter}: white where the object is. */
  readonly output: string;
  readonly onProgress?:
    | ((progress: { readonly frame: number; readonly frames: number | undefined }) => void)
    | undefined;
}

/** What became of a {@link MaskJob}. */
export interface MaskResult {
  readonly output: string;
  readonly frames: number;
  /** Frames without a mask: the object was not found, or there is no box. */
  readonly lost: number;
  readonly seconds: number;
  /** Masks a second, decoding and encoding included. */
  readonly fps: number;
}

/** @internal A prompt for frames as they are stored; a mask is read. */
export async function storedPrompt(prompt: FilePrompt, like: VideoReader): Promise<Prompt> {
  if (prompt.kind === 'mask') {
    await using masks = await openMask(prompt.path, like);
    for await (const image of masks) {
      const copy = { ...image, data: Uint8Array.from(image.data) };
      return { kind: 'mask', frame: prompt.frame, image: copy };
    }
    throw mediaError('trackFile', `${prompt.path} to hold a mask`, 'none');
  }
  if (prompt.kind === 'box')
    return { ...prompt, ...stored(prompt.x, prompt.y, prompt.width, prompt.height, like) };
  const { x, y } = stored(prompt.x, prompt.y, 1, 1, like);
  return { ...prompt, x, y };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const options = { cause: signal.reason };
  throw new InpaintError('ERR_ABORTED', 'trackFile', 'expected to finish, got aborted', options);
}

/**
 * Follows an object through a file, or finds overlays, and writes the masks as the removal takes
 * them.
 *
 * @throws InpaintError (rejects) what {@link openVideo}, {@link createWriter} and {@link trackMask}
 *   throw, and ERR_ARGUMENT when the output would replace the input. Nothing is left under the
 *   output's name then
 */
export async function trackFile(device: Device, job: MaskJob): Promise<MaskResult> {
  const { input, prompts = [], overlays = [], output, onProgress, ...options } = job;
  const started = performance.now();
  if (!prompts.length === !overlays.length) {
    const message = `expected prompts or overlays, got ${prompts.length ? 'both' : 'neither'}`;
    throw new InpaintError('ERR_ARGUMENT', 'trackFile', message);
  }
  if (overlays.length && options.attached) {
    const message = 'expected attached for an object to follow, got it with overlays';
    throw new InpaintError('ERR_ARGUMENT', 'trackFile', message);
  }
  const real = (path: string) => realpath(path).catch(() => resolve(path));
  if ((await real(input)) === (await real(output))) {
    const expected = 'an output other than what is read';
    const message = `expected ${expected}, got ${output} for both`;
    throw new InpaintError('ERR_ARGUMENT', 'trackFile', message);
  }
  await using video = await openVideo(input);
  const masks = overlays.length
    ? overlayMask(
        video,
        overlays.map((box) => ({ ...box, ...stored(box.x, box.y, box.width, box.height, video) })),
        options,
      )
    : trackMask(
        device,
        video,
        await Promise.all(prompts.map((prompt) => storedPrompt(prompt, video))),
        {
          ...options,
          // Until the first mask, the frames that are looked at tell how it goes.
          onProgress: ({ looked, given }) =>
            onProgress?.({ frame: given || looked, frames: video.frames }),
        },
      );
  let [frames, lost] = [0, 0];
  await using writer = await createWriter(output, video);
  for await (const mask of masks) {
    const { data, width, height } = mask;
    const rgb = new Uint8Array(3 * data.length);
    for (let i = 0; i < data.length; i++) if (data[i]) rgb.fill(255, 3 * i, 3 * i + 3);
    await writer.write({ data: rgb, width, height, channels: 3 });
    frames += 1;
    if (mask.lost) lost += 1;
    if (overlays.length) {
      throwIfAborted(options.signal);
      onProgress?.({ frame: frames, frames: video.frames });
    }
  }
  await writer.close();
  const seconds = (performance.now() - started) / 1000;
  return { output, frames, lost, seconds, fps: frames / seconds };
}
