// Image files. Internal to lib/video.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { check, type FFmpeg, type Frame, fileError, mediaError } from './ffmpeg.js';

const pictures = /\.(png|jpe?g|webp|bmp|tiff?|p[gpn]m)$/i;
const natural = new Intl.Collator('en', { numeric: true }).compare;

/** Whether a name is that of an image. */
export function isPicture(name: string): boolean {
  return pictures.test(name);
}

/** The paths of the images in a folder, in the order in which people count. */
export async function listPictures(op: string, folder: string): Promise<string[]> {
  const expected = `${folder} to be a folder of images (png, jpg, webp, bmp, tif, pgm, ppm)`;
  const names = await readdir(folder).catch((cause) => {
    throw fileError(op, expected, cause);
  });
  const images = names.filter((name) => isPicture(name) && !name.startsWith('.')).sort(natural);
  if (!images.length) throw mediaError(op, expected, `${names.length} other files`);
  return images.map((name) => join(folder, name));
}

/** Decoders by what files begin with: names may lie. */
const kinds = [
  [/^\x89PNG/, 'png'],
  [/^\xff\xd8\xff/, 'mjpeg'],
  [/^RIFF.{4}WEBP/s, 'webp'],
  [/^BM/, 'bmp'],
  [/^(II\*\0|MM\0\*)/, 'tiff'],
  [/^P[25]/, 'pgm'],
  [/^P[36]/, 'ppm'],
] as const;

/** Decodes an image file. The frame is the caller's to free. */
export async function decodePicture(av: FFmpeg, op: string, path: string): Promise<Frame> {
  const expected = `${path} to be a readable image`;
  const data = await readFile(path).catch((cause) => {
    throw fileError(op, expected, cause);
  });
  const start = data.subarray(0, 12).toString('latin1');
  const name = kinds.find(([pattern]) => pattern.test(start))?.[1];
  const codec = name && av.Codec.findDecoderByName(name as never);
  if (!codec) {
    throw mediaError(op, expected, data.length ? 'an unknown kind of file' : 'an empty file');
  }
  // Half a JPEG would pass with its lower part grey.
  if (name === 'mjpeg' && !data.subarray(-64).includes(Buffer.from([0xff, 0xd9]))) {
    throw mediaError(op, expected, 'one that ends early');
  }
  const must = (code: number) => check(av, code, op, expected);
  using context = new av.CodecContext();
  context.allocContext3(codec);
  // A TIFF may have tags that FFmpeg does not know, which is no damage.
  const strict = name === 'tiff' ? {} : { err_detect: 'explode' };
  must(await context.open2(codec, av.Dictionary.fromObject(strict)));
  using packet = new av.Packet();
  packet.alloc();
  packet.data = data;
  const frame = new av.Frame();
  frame.alloc();
  try {
    must(await context.sendPacket(packet));
    await context.sendPacket(null);
    must(await context.receiveFrame(frame));
    return frame;
  } catch (error) {
    frame.free();
    throw error;
  }
}
