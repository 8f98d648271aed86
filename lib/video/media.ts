import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { InpaintError } from '../errors.js';
import { expectOptions } from '../expect.js';
import type { Range } from './copies.js';
import { containers, type WriteOptions } from './encoding.js';
import { ffmpeg, fileError, mediaError } from './ffmpeg.js';
import { FileWriter } from './file_writer.js';
import { FolderWriter } from './folder_writer.js';
import { isStream, type ReadOptions, VideoReader } from './reader.js';
import type { WorkFolder } from './work.js';
import type { VideoWriter } from './writer.js';

/**
 * Opens a video file, a URL that FFmpeg opens, `-` for the standard input, or a folder of images
 * (png, jpg, webp, bmp, tif, pgm, ppm; sorted as people count).
 *
 * Frames come as packed 8-bit RGB, or RGBA when the source has alpha, converted by the file's own
 * colour tags. Deeper sources are rounded to 8 bits.
 *
 * @throws InpaintError (rejects) ERR_MEDIA when it cannot be read (also while it is read: damaged
 *   data, a file that is cut off), ERR_SHAPE when the size changes midway
 */
export async function openVideo(path: string, options: ReadOptions = {}): Promise<VideoReader> {
  const known = ['fps', 'deinterlace', 'onError'] satisfies (keyof ReadOptions)[];
  expectOptions('openVideo', 'options', options, known);
  return VideoReader.open('openVideo', path, options);
}

/**
 * Starts an output like what is being read: its size, frame rate and timestamps, fields, colour
 * tags, rotation and metadata; other streams (audio, subtitles, cover pictures, attachments, data)
 * are copied as they are, and chapters where the container is Matroska or MP4.
 *
 * A path that ends in .mp4, .m4v, .mov, .mkv, .webm, .nut or .y4m is a video, see
 * {@link WriteOptions}. So is what is no file (`-` for the standard output, a URL, a pipe, a
 * device): Matroska, where no extension or option says another. A path without extension is a
 * folder of PNG, which must be new or empty; PNG keep the names of the images read, or are numbered
 * from 000000.
 *
 * @throws InpaintError (rejects) ERR_ARGUMENT (another extension, an option), ERR_MEDIA (it cannot
 *   be written there; audio that the container does not take)
 */
export async function createWriter(
  path: string,
  like: VideoReader,
  options: WriteOptions = {},
): Promise<VideoWriter> {
  return createPartial(path, like, options, undefined, undefined);
}

/**
 * @internal The same, for a range of the frames alone where the others can be copied, and with a
 *   folder where what is finished is kept.
 */
export async function createPartial(
  path: string,
  like: VideoReader,
  options: WriteOptions,
  range: Range | undefined,
  work: WorkFolder | undefined,
): Promise<VideoWriter> {
  const op = 'createWriter';
  const known = [
    'codec',
    'crf',
    'preset',
    'pixelFormat',
    'format',
  ] satisfies (keyof WriteOptions)[];
  expectOptions(op, 'options', options, known);
  const av = await ffmpeg(op);
  const extension = extname(path).toLowerCase();
  const { format = containers[extension] } = options;
  const names = [...new Set(Object.values(containers))];
  if (options.format !== undefined && !names.includes(options.format)) {
    const expected = `a format of ${names.join(', ')}`;
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${options.format}`);
  }
  const full = resolve(path);
  const existing = isStream(path) ? undefined : await stat(full).catch(() => undefined);
  const isFile = !isStream(path) && (!existing || existing.isFile() || existing.isDirectory());
  const isFolder =
    isFile && (existing?.isDirectory() || path.endsWith('/') || !(extension || options.format));
  if (isFile && !isFolder && !format) {
    const expected = `an output that ends in ${Object.keys(containers).join(' ')}, or a folder`;
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${path}`);
  }
  if (isFile) await expectPlace(op, path, isFolder, existing);
  const container = format ?? 'matroska';
  const writer = isFolder
    ? new FolderWriter(av, path, like, work)
    : new FileWriter(av, path, like, { ...options, container, isFile, range }, work);
  try {
    return await writer.start();
  } catch (error) {
    await writer[Symbol.asyncDispose]();
    throw fileError(op, `to write ${path}`, error);
  }
}

async function expectPlace(
  op: string,
  path: string,
  isFolder: boolean,
  existing: Stats | undefined,
): Promise<void> {
  const full = resolve(path);
  const parent = await stat(dirname(full)).catch(() => undefined);
  if (!parent?.isDirectory()) throw mediaError(op, `the folder of ${path} to exist`, 'none');
  if (isFolder && existing && (!existing.isDirectory() || (await readdir(full)).length)) {
    throw mediaError(op, `the folder ${path} to be new or empty`, 'one with files');
  }
}
