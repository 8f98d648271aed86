import { stat } from 'node:fs/promises';
import { InpaintError } from '../errors.js';
import { expectNumber } from '../expect.js';
import {
  allocateFrame,
  type CodecContext,
  Converter,
  check,
  type FFmpeg,
  type FormatContext,
  type Frame,
  ffmpeg,
  fileError,
  hasAlpha,
  matrixOf,
  mediaError,
  type Packet,
  type Rational,
  type Stream,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { decodePicture, listPictures } from './picture.js';
import { type Rotation, rotationOf } from './rotation.js';

/**
 * @internal When a frame is shown and how long, in units of the reader's time base; 0: not told.
 */
export interface Timing {
  readonly pts: number;
  readonly duration: number;
}

/** @internal A video stream in an open file. */
export interface OpenFile {
  readonly input: FormatContext;
  readonly stream: Stream;
}

/** A folder of images, and the first of them. */
interface Pictures {
  readonly images: readonly string[];
  readonly first: Frame;
  readonly fps: number;
}

/** A frame of a {@link VideoReader}. The data is the caller's. */
export interface VideoFrame extends Image {
  readonly data: Uint8Array;
  readonly channels: 3 | 4;
}

/** @internal Opens a file and finds its video. */
export async function openFile(av: FFmpeg, op: string, path: string): Promise<OpenFile> {
  const expected = `${path} to be a readable video`;
  const { size } = await stat(path).catch((cause) => {
    throw fileError(op, expected, cause);
  });
  if (!size) throw mediaError(op, expected, 'an empty file');
  const input = new av.FormatContext();
  try {
    const options = av.Dictionary.fromObject({ pattern_type: 'none' }); // a % in a name is a %
    check(av, await input.openInput(`file:${path}`, null, options), op, expected);
    check(av, await input.findStreamInfo(null), op, expected);
    const stream = input.streams[input.findBestStream(av.AVMEDIA_TYPE_VIDEO)];
    if (!stream?.codecpar.width) {
      throw mediaError(op, `${path} to hold video`, stream ? 'frames of no size' : 'none');
    }
    return { input, stream };
  } catch (error) {
    await input.closeInput();
    throw error;
  }
}

/** Leaves all other streams of a file unread. */
function readOnly(av: FFmpeg, { input, stream }: OpenFile): void {
  for (const other of input.streams) {
    if (other.index !== stream.index) other.discard = av.AVDISCARD_ALL;
  }
}

/** The decoder of VP8 or VP9 with alpha in a stream beside it, which only libvpx reads. */
function alphaDecoder(av: FFmpeg, { codecpar, metadata }: Stream): string | undefined {
  if (metadata?.get('alpha_mode') !== '1') return undefined;
  if (codecpar.codecId === av.AV_CODEC_ID_VP8) return 'libvpx';
  return codecpar.codecId === av.AV_CODEC_ID_VP9 ? 'libvpx-vp9' : undefined;
}

/** What a packet ends at, in units of its stream. */
function endOfPacket(av: FFmpeg, { pts, dts, duration }: Packet): number {
  const start = pts === av.AV_NOPTS_VALUE ? dts : pts;
  return start === av.AV_NOPTS_VALUE ? 0 : Number(start + duration);
}

/** What a stream ends at, in seconds, by what the file says of itself; 0 if it does not. */
function endOfStream({ input, stream }: OpenFile): number {
  const { num, den } = stream.timeBase;
  const start = (Math.max(0, Number(stream.startTime)) * num) / den;
  if (stream.duration > 0n) return start + (Number(stream.duration) * num) / den;
  const tag = stream.metadata?.get('DURATION')?.split(':').map(Number); // 00:00:02.003
  if (tag?.length === 3) return tag.reduce((total, part) => 60 * total + part);
  return input.nbStreams === 1 ? start + Number(input.duration) / 1e6 : 0;
}

/**
 * A video file or a folder of images, open for reading. It is an async iterable of its frames,
 * which are decoded off the event loop as they are asked for, and can be read once.
 *
 * Frames are as they are stored: {@link rotation} says how a player turns them.
 */
export class VideoReader implements AsyncIterable<VideoFrame>, AsyncDisposable {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  /** 4 when the source has an alpha channel. */
  readonly channels: 3 | 4;
  /** How many frames the file says there are; an estimate where it tells only how long it lasts. */
  readonly frames: number | undefined;
  /** Frames a second, on average. */
  readonly fps: number;
  /** Degrees clockwise by which a player turns the frames. */
  readonly rotation: Rotation;
  readonly hasAudio: boolean;
  /** @internal The images of a folder; undefined for a video file. */
  readonly images: readonly string[] | undefined;
  /** @internal */
  readonly timeBase: { readonly num: number; readonly den: number };
  /** @internal Of the frames read and not yet written. */
  readonly timings: Timing[] = [];
  /** @internal An embedded colour profile of an image folder. */
  readonly profile: Buffer | undefined;
  readonly #av: FFmpeg;
  readonly #file: OpenFile | undefined;
  readonly #converter: Converter;
  /** The outermost generator of a reading in progress. */
  #running: AsyncGenerator<unknown, void, void> | undefined;
  #read = 0;
  #latest: Timing = { pts: -1, duration: 1 };

  private constructor(av: FFmpeg, path: string, source: OpenFile | Pictures) {
    this.#av = av;
    this.#converter = new Converter(av);
    this.path = path;
    if ('images' in source) {
      const { images, first, fps } = source;
      this.images = images;
      this.width = first.width;
      this.height = first.height;
      this.channels = hasAlpha(av, first.format) ? 4 : 3;
      this.profile = first.getSideData(av.AV_FRAME_DATA_ICC_PROFILE) ?? undefined;
      this.frames = images.length;
      this.fps = fps;
      this.rotation = 0;
      this.hasAudio = false;
      this.timeBase = { num: 1000, den: Math.round(fps * 1000) };
      return;
    }
    const { input, stream } = source;
    this.#file = source;
    const { codecpar, nbFrames, avgFrameRate, rFrameRate } = stream;
    const rates = [avgFrameRate, rFrameRate, { num: 25, den: 1 }];
    const { num, den } = rates.find((rate) => rate.num > 0 && rate.den > 0) as Rational;
    const estimate = Math.round((Number(input.duration) * num) / (1e6 * den));
    this.width = codecpar.width;
    this.height = codecpar.height;
    this.channels = hasAlpha(av, codecpar.format) || alphaDecoder(av, stream) ? 4 : 3;
    this.frames = nbFrames > 0n ? Number(nbFrames) : estimate > 0 ? estimate : undefined;
    this.fps = num / den;
    this.rotation = rotationOf(codecpar.getCodedSideData(av.AV_PKT_DATA_DISPLAYMATRIX));
    const types = input.streams.map((other) => other.codecpar.codecType);
    this.hasAudio = types.includes(av.AVMEDIA_TYPE_AUDIO);
    this.timeBase = stream.timeBase;
  }

  /** @internal See `openVideo`. */
  static async open(op: string, path: string, fps = 25): Promise<VideoReader> {
    expectNumber(op, 'fps', fps, 0.001, 1000);
    const av = await ffmpeg(op);
    const info = await stat(path).catch((cause) => {
      throw fileError(op, `${path} to be a readable video or a folder of images`, cause);
    });
    if (!info.isDirectory()) return new VideoReader(av, path, await openFile(av, op, path));
    const images = await listPictures(op, path);
    using first = await decodePicture(av, op, images[0] as string);
    return new VideoReader(av, path, { images, first, fps });
  }

  /** The frames, in order. */
  [Symbol.asyncIterator](): AsyncGenerator<VideoFrame, void, void> {
    const frames = this.#convert(this.decoded('openVideo'));
    this.#running = frames;
    return frames;
  }

  async *#convert(frames: AsyncIterable<Frame>): AsyncGenerator<VideoFrame, void, void> {
    const av = this.#av;
    const { width, height, channels } = this;
    const format = channels === 4 ? av.AV_PIX_FMT_RGBA : av.AV_PIX_FMT_RGB24;
    using rgb = allocateFrame(av, format, width, height);
    for await (const frame of frames) {
      rgb.colorSpace = av.AVCOL_SPC_RGB;
      rgb.colorRange = av.AVCOL_RANGE_JPEG;
      rgb.colorPrimaries = frame.colorPrimaries;
      rgb.colorTrc = frame.colorTrc;
      frame.colorSpace = matrixOf(av, frame);
      await this.#converter.convert(frame, rgb, 'openVideo');
      yield { data: rgb.toBuffer(), width, height, channels };
    }
  }

  /** @internal The frames as FFmpeg decodes them; each is gone when the next is asked for. */
  decoded(op: string): AsyncGenerator<Frame, void, void> {
    if (this.#running) {
      const message = `expected ${this.path} to be read once, got another reading or a closed one`;
      throw new InpaintError('ERR_DISPOSED', op, message);
    }
    const source = this.#file ? this.#decodeFile(op, this.#file) : this.#decodeImages(op);
    const frames = this.#checked(op, source);
    this.#running = frames;
    return frames;
  }

  async *#checked(op: string, frames: AsyncIterable<Frame>): AsyncGenerator<Frame, void, void> {
    const av = this.#av;
    const { width, height, channels } = this;
    for await (const frame of frames) {
      const which = this.images?.[this.#read] ?? `frame ${this.#read} of ${this.path}`;
      if (frame.decodeErrorFlags || frame.hasFlags(av.AV_FRAME_FLAG_CORRUPT)) {
        throw mediaError(op, `to decode ${which}`, 'damaged data');
      }
      const got = `${frame.width} x ${frame.height}`;
      if (frame.width !== width || frame.height !== height) {
        const message = `expected ${which} to be ${width} x ${height} like the first, got ${got}`;
        throw new InpaintError('ERR_SHAPE', op, message);
      }
      if (channels === 3 && hasAlpha(av, frame.format)) {
        const message = `expected ${which} to have no alpha like the first, got alpha`;
        throw new InpaintError('ERR_SHAPE', op, message);
      }
      this.timings.push(this.#timing(frame));
      this.#read += 1;
      yield frame;
    }
    if (!this.#read) throw mediaError(op, `${this.path} to hold frames`, 'none');
  }

  #timing(frame: Frame): Timing {
    if (this.images) return { pts: this.#read, duration: 1 };
    const { num, den } = this.timeBase;
    const { pts, duration } = this.#latest;
    const told = frame.bestEffortTimestamp;
    let now = Number(told);
    if (told === this.#av.AV_NOPTS_VALUE) {
      now = this.#read ? pts + (duration || Math.round(den / (num * this.fps))) : 0;
    }
    // Encoders want timestamps that rise.
    if (this.#read) now = Math.max(now, pts + 1);
    this.#latest = { pts: now, duration: Math.max(0, Number(frame.duration)) };
    return this.#latest;
  }

  async *#decodeImages(op: string): AsyncGenerator<Frame, void, void> {
    for (const path of this.images ?? []) {
      using frame = await decodePicture(this.#av, op, path);
      yield frame;
    }
  }

  async *#decodeFile(op: string, file: OpenFile): AsyncGenerator<Frame, void, void> {
    const av = this.#av;
    const { input, stream } = file;
    readOnly(av, file);
    using decoder = await this.#openDecoder(op, stream);
    using packet = new av.Packet();
    packet.alloc();
    using frame = new av.Frame();
    frame.alloc();
    let packets = 0;
    let end = 0;
    for (;;) {
      const expected = `to decode frame ${this.#read} of ${this.path}`;
      const received = await decoder.receiveFrame(frame);
      if (received === av.AVERROR_EOF) return;
      if (received !== av.AVERROR_EAGAIN) {
        check(av, received, op, expected);
        yield frame;
        frame.unref();
        continue;
      }
      const read = await input.readFrame(packet);
      if (read === av.AVERROR_EOF) {
        if (this.#isCutOff(file, packets, end)) throw this.#cutOff(op);
        check(av, await decoder.sendPacket(null), op, expected);
        continue;
      }
      check(av, read, op, expected);
      if (packet.streamIndex === stream.index) {
        if (packet.hasFlags(av.AV_PKT_FLAG_CORRUPT)) throw this.#cutOff(op);
        packets += 1;
        end = Math.max(end, endOfPacket(av, packet));
        check(av, await decoder.sendPacket(packet), op, expected);
      }
      packet.unref();
    }
  }

  async #openDecoder(op: string, stream: Stream): Promise<CodecContext> {
    const av = this.#av;
    const { codecpar } = stream;
    const expected = `a decoder for ${this.path} (${av.avGetCodecName(codecpar.codecId)})`;
    const name = alphaDecoder(av, stream);
    const codec = name
      ? av.Codec.findDecoderByName(name as never)
      : av.Codec.findDecoder(codecpar.codecId);
    if (!codec) throw mediaError(op, expected, 'none in this build of FFmpeg');
    const decoder = new av.CodecContext();
    decoder.allocContext3(codec);
    check(av, decoder.parametersToContext(codecpar), op, expected);
    decoder.pktTimebase = stream.timeBase;
    decoder.threadCount = 0; // as many as there are cores
    check(av, await decoder.open2(codec, null), op, expected);
    return decoder;
  }

  /**
   * FFmpeg ends quietly where a file is cut off. MP4 and AVI tell how many packets there should be
   * (some may be hidden or empty, but then the end is where it should be); these and Matroska tell
   * how long they last.
   */
  #isCutOff(file: OpenFile, packets: number, end: number): boolean {
    const { num, den } = file.stream.timeBase;
    const format = file.input.iformat?.name ?? '';
    const counts = /mp4|avi/.test(format);
    if (!counts && !format.includes('matroska')) return false;
    const missing = (endOfStream(file) - (end * num) / den) * this.fps;
    return missing > 1.5 && (!counts || Number(file.stream.nbFrames) > packets);
  }

  #cutOff(op: string): InpaintError {
    const got = `a file that is cut off after frame ${this.#read}`;
    return mediaError(op, `${this.path} to be whole`, got);
  }

  /** Ends a reading in progress and closes the file. May be called twice. */
  async close(): Promise<void> {
    this.#running ??= this.#decodeImages('');
    await this.#running.return();
    await this.#file?.input.closeInput();
    this.#converter[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @internal Counts the frames of a video without decoding it. */
export async function countFrames(op: string, path: string): Promise<number> {
  const av = await ffmpeg(op);
  const file = await openFile(av, op, path);
  readOnly(av, file);
  using packet = new av.Packet();
  packet.alloc();
  let frames = 0;
  while ((await file.input.readFrame(packet)) >= 0) {
    const isOurs = packet.streamIndex === file.stream.index;
    if (isOurs && !packet.hasFlags(av.AV_PKT_FLAG_DISCARD)) frames += 1;
    packet.unref();
  }
  await file.input.closeInput();
  return frames;
}
