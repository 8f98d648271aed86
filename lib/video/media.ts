import { readdir, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { InpaintError } from '../errors.js';
import { ffmpeg, fileError, mediaError } from './ffmpeg.js';
import { containers, FileWriter } from './file_writer.js';
import { FolderWriter } from './folder_writer.js';
import { VideoReader } from './reader.js';
import type { VideoWriter } from './writer.js';

/**
 * Opens a video file, or a folder of images (png, jpg, webp, bmp, tif, pgm, ppm; sorted as people
 * count).
 *
 * Frames come as packed 8-bit RGB, or RGBA when the source has alpha, converted by the file's own
 * colour tags. Deeper sources are rounded to 8 bits.
 *
 * @param options.fps frames a second of a folder of images, 25 if left out
 * @throws InpaintError (rejects) ERR_MEDIA when it cannot be read (also while it is read: damaged
 *   data, a file that is cut off), ERR_SHAPE when the size changes midway
 */
export async function openVideo(
  path: string,
  options: { readonly fps?: number | undefined } = {},
): Promise<VideoReader> {
  return VideoReader.open('openVideo', path, options.fps);
}

/**
 * Starts an output like what is being read: its size, frame rate and timestamps, colour tags,
 * rotation and metadata; other streams (audio, subtitles, cover pictures) are copied as they are.
 * Chapters are not kept.
 *
 * A path that ends in .mp4, .m4v, .mov or .mkv is written as H.264, .webm as VP9; a source with
 * alpha as ProRes 4444 in .mov and as VP9 in .mkv and .webm. One without extension is a folder of
 * PNG, which must be new or empty; PNG keep the names of the images read, or are numbered from
 * 000000.
 *
 * @throws InpaintError (rejects) ERR_ARGUMENT (another extension), ERR_MEDIA (it cannot be written
 *   there; audio that the container does not take)
 */
export async function createWriter(path: string, like: VideoReader): Promise<VideoWriter> {
  const op = 'createWriter';
  const av = await ffmpeg(op);
  const full = resolve(path);
  const extension = extname(full).toLowerCase();
  const container = containers[extension];
  const existing = await stat(full).catch(() => undefined);
  const isFolder = existing?.isDirectory() || path.endsWith('/') || !extension;
  if (!isFolder && !container) {
    const expected = `an output that ends in ${Object.keys(containers).join(' ')}, or a folder`;
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${path}`);
  }
  const parent = await stat(dirname(full)).catch(() => undefined);
  if (!parent?.isDirectory()) throw mediaError(op, `the folder of ${path} to exist`, 'none');
  if (isFolder && existing && (!existing.isDirectory() || (await readdir(full)).length)) {
    throw mediaError(op, `the folder ${path} to be new or empty`, 'one with files');
  }
  const writer = isFolder
    ? new FolderWriter(av, path, like)
    : new FileWriter(av, path, like, container as string);
  try {
    return await writer.start();
  } catch (error) {
    await writer[Symbol.asyncDispose]();
    throw fileError(op, `to write ${path}`, error);
  }
}
