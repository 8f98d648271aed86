// FFmpeg through the optional package node-av: loading it, its errors, and conversions of pixels.
// Internal to lib/video.

import type * as Constants from 'node-av/constants';
import type * as Library from 'node-av/lib';
import { InpaintError } from '../errors.js';

/** The bindings and constants of node-av. */
export type FFmpeg = typeof Library & typeof Constants;
export type {
  Codec,
  CodecContext,
  FormatContext,
  Frame,
  Packet,
  Rational,
  Stream,
} from 'node-av/lib';

let loading: Promise<FFmpeg> | undefined;

async function load(): Promise<FFmpeg> {
  // One after the other: vitest's vmThreads cannot link modules that share others at once.
  const constants = await import('node-av/constants');
  const library = await import('node-av/lib');
  const { Log } = library;
  if (Log.getLevel() === constants.AV_LOG_INFO) Log.setLevel(constants.AV_LOG_QUIET);
  return { ...library, ...constants };
}

/**
 * FFmpeg, loaded when first needed. Its chatter on stderr is turned off, as everything that matters
 * becomes an error here; a level that the program set itself is left alone.
 *
 * @throws InpaintError ERR_MEDIA when node-av is not installed or does not load.
 */
export async function ffmpeg(op: string): Promise<FFmpeg> {
  loading ??= load();
  try {
    return await loading;
  } catch (cause) {
    loading = undefined;
    const [reason] = (cause as Error).message.split('\n');
    const got = `none that loads; 'npm install node-av' installs it (${reason})`;
    throw mediaError(op, 'the package node-av, which reads and writes video', got, cause);
  }
}

/** The error of what cannot be read or written. */
export function mediaError(op: string, expected: string, got: string, cause?: unknown) {
  const options = cause === undefined ? undefined : { cause };
  return new InpaintError('ERR_MEDIA', op, `expected ${expected}, got ${got}`, options);
}

/** Throws ERR_MEDIA when FFmpeg's return code says so. */
export function check(av: FFmpeg, code: number, op: string, expected: string): number {
  if (code < 0) throw mediaError(op, expected, `'${av.FFmpegError.strerror(code)}'`);
  return code;
}

/** Reads an error of the file system as ERR_MEDIA. */
export function fileError(op: string, expected: string, cause: unknown): InpaintError {
  if (cause instanceof InpaintError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const texts: Record<string, string> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    ENOSPC: 'no space left on the disk',
    EFBIG: 'a limit on the size of files',
    EDQUOT: 'a disk quota that is used up',
    EROFS: 'a read-only file system',
  };
  return mediaError(op, expected, texts[code ?? ''] ?? message, cause);
}

/** A new frame of FFmpeg's with memory for its pixels. */
export function allocateFrame(
  av: FFmpeg,
  format: number,
  width: number,
  height: number,
): Library.Frame {
  const frame = new av.Frame();
  frame.alloc();
  frame.format = format as Library.Frame['format'];
  frame.width = width;
  frame.height = height;
  check(av, frame.getBuffer(), 'ffmpeg', `memory for a frame of ${width} x ${height}`);
  return frame;
}

/**
 * The matrix between RGB and YUV. One that is not told, or that swscale cannot do, is taken for
 * what players take it for by the size; the same is done on the way back, so that a video that does
 * not tell comes out as it was.
 */
export function matrixOf(
  av: FFmpeg,
  { width, height, colorSpace }: { width: number; height: number; colorSpace: number },
): Constants.AVColorSpace {
  const known = [
    av.AVCOL_SPC_RGB,
    av.AVCOL_SPC_BT709,
    av.AVCOL_SPC_FCC,
    av.AVCOL_SPC_BT470BG,
    av.AVCOL_SPC_SMPTE170M,
    av.AVCOL_SPC_SMPTE240M,
    av.AVCOL_SPC_BT2020_NCL,
  ];
  const usual = width >= 1280 || height > 576 ? av.AVCOL_SPC_BT709 : av.AVCOL_SPC_SMPTE170M;
  return known.find((space) => space === colorSpace) ?? usual;
}

/** The name of a pixel format: `yuv420p`. */
export function formatName(av: FFmpeg, format: number): string {
  return av.avGetPixFmtName(format as Constants.AVPixelFormat) ?? '';
}

/** Whether a pixel format has alpha; palettes have. */
export function hasAlpha(av: FFmpeg, format: number): boolean {
  return /^(yuva|rgba|bgra|argb|abgr|gbrap|ya\d|vuya|ayuv|pal8)/.test(formatName(av, format));
}

/** Whether a pixel format is RGB, in whatever order. */
export function isRgb(av: FFmpeg, format: number): boolean {
  return /rgb|bgr|gbr/.test(formatName(av, format));
}

/** The flags of a frame that tell of its fields. */
export function fieldFlags(av: FFmpeg): number {
  return av.AV_FRAME_FLAG_INTERLACED | av.AV_FRAME_FLAG_TOP_FIELD_FIRST;
}

/** Converts pixels between formats of one size off the event loop, by the frames' colour tags. */
export class Converter implements Disposable {
  readonly #av: FFmpeg;
  readonly #context: Library.SoftwareScaleContext;

  constructor(av: FFmpeg) {
    this.#av = av;
    this.#context = new av.SoftwareScaleContext();
    this.#context.allocContext();
    // Without these, luma alone loses 26 dB on the way to RGB and back.
    const flags = 'bicubic+accurate_rnd+full_chroma_int+full_chroma_inp';
    this.#context.setOption('sws_flags', flags);
  }

  /** Interlaced frames are converted field by field, which swscale does where both say so. */
  async convert(from: Library.Frame, to: Library.Frame, op: string): Promise<void> {
    to.flags = (to.flags & ~fieldFlags(this.#av)) | (from.flags & fieldFlags(this.#av));
    const code = await this.#context.scaleFrame(to, from);
    check(this.#av, code, op, 'pixels of a format that FFmpeg converts');
  }

  [Symbol.dispose](): void {
    this.#context.freeContext();
  }
}

/** Converts a frame to RGB in full range, in a frame of that kind, by its tags. */
export async function toRgb(
  av: FFmpeg,
  converter: Converter,
  from: Library.Frame,
  rgb: Library.Frame,
  op: string,
): Promise<void> {
  rgb.colorSpace = av.AVCOL_SPC_RGB;
  rgb.colorRange = av.AVCOL_RANGE_JPEG;
  rgb.colorPrimaries = from.colorPrimaries;
  rgb.colorTrc = from.colorTrc;
  from.colorSpace = matrixOf(av, from);
  await converter.convert(from, rgb, op);
}
