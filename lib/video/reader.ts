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
  fieldFlags,
  fileError,
  formatName,
  hasAlpha,
  mediaError,
  type Packet,
  type Rational,
  type Stream,
  toRgb,
} from './ffmpeg.js';
import { type Image, tellStored } from './image.js';
import { decodePicture, listPictures } from './picture.js';
import { type Rotation, rotationOf } from './rotation.js';

/**
 * @internal When a frame is shown and how long, in units of the reader's time base; 0: not told.
 *   And its flags that tell of fields.
 */
export interface Timing {
  readonly pts: number;
  readonly duration: number;
  readonly fields: number;
}

/** How a video is read; everything may be left out. */
export interface ReadOptions {
  /** Frames a second of a folder of images, by default 25. */
  readonly fps?: number | undefined;
  /**
   * Makes whole frames of the two fields of an interlaced video: one of each pair, shown as long.
   * By default they are read, and written again, as they are.
   */
  readonly deinterlace?: boolean | undefined;
  /**
   * What is done about damaged data and a video that is cut off: by default `stop`, an error. With
   * `keep` frames come as the decoder mends them, see {@link VideoReader.concealed}, and what is
   * cut off ends there.
   */
  readonly onError?: 'stop' | 'keep' | undefined;
}

/** @internal A video stream in an open file. */
export interface OpenFile {
  readonly input: FormatContext;
  readonly stream: Stream;
}

/** Whether frames are whole, or two fields each, and which of these is shown first. */
export type FieldOrder = 'progressive' | 'top first' | 'bottom first';

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

/** @internal Bytes of a frame up to which memory is no matter. */
export const smallFrame = 2 ** 19;

/** @internal Whether a path is a URL, or `-` for the standard input or output. */
export function isStream(path: string): boolean {
  return path === '-' || /^[a-z][a-z\d+.-]+:\/\//i.test(path);
}

/** @internal FFmpeg's URL of a path. */
export function urlOf(path: string, standard: string): string {
  return path === '-' ? standard : isStream(path) ? path : `file:${path}`;
}

/** @internal Opens a file, a URL or the standard input, and finds its video. */
export async function openFile(av: FFmpeg, op: string, path: string): Promise<OpenFile> {
  const expected = `${path} to be a readable video`;
  if (!isStream(path)) {
    const info = await stat(path).catch((cause) => {
      throw fileError(op, expected, cause);
    });
    if (info.isFile() && !info.size) throw mediaError(op, expected, 'an empty file');
  }
  const url = urlOf(path, 'pipe:0');
  const input = new av.FormatContext();
  try {
    const options = av.Dictionary.fromObject({ pattern_type: 'none' }); // a % in a name is a %
    check(av, await input.openInput(url, null, options), op, expected);
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

/** How many frames there are, by what the file says of itself, and whether it counted them. */
function tellFrames(file: OpenFile, fps: number): { frames: number | undefined; exact: boolean } {
  const { input, stream } = file;
  const { num, den } = stream.timeBase;
  const start = (Math.max(0, Number(stream.startTime)) * num) / den;
  const lasts = endOfStream(file) - start;
  const guess = Math.round((lasts > 0 ? lasts : Number(input.duration) / 1e6) * fps);
  const told = Number(stream.nbFrames);
  if (told > 0) return { frames: told, exact: Math.abs(told - guess) < 2 };
  return { frames: guess > 0 ? guess : undefined, exact: false };
}

/** The field order that a stream tells. */
function fieldsOf({ codecpar }: Stream): FieldOrder {
  const { fieldOrder } = codecpar.toJSON(); // it has no getter
  const orders = { 2: 'top first', 3: 'bottom first', 4: 'bottom first', 5: 'top first' } as const;
  return orders[fieldOrder as keyof typeof orders] ?? 'progressive';
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
  /** Frames a second, on average. */
  readonly fps: number;
  /** Degrees clockwise by which a player turns the frames. */
  readonly rotation: Rotation;
  readonly hasAudio: boolean;
  /** As the frames are read: those that are deinterlaced are progressive. */
  readonly fieldOrder: FieldOrder;
  /** As the frames are stored. */
  readonly storedFields: FieldOrder;
  /** Numbers of the frames read so far of which the decoder had to make up a part. */
  readonly concealed: number[] = [];
  /** @internal The images of a folder; undefined for a video file. */
  readonly images: readonly string[] | undefined;
  /** @internal */
  readonly timeBase: { readonly num: number; readonly den: number };
  /** @internal Of the frames read and not yet written. */
  readonly timings: Timing[] = [];
  /** @internal An embedded colour profile of an image folder. */
  readonly profile: Buffer | undefined;
  /** @internal Packets of the other streams of what can be opened once only, once they are asked for. */
  others: Packet[] | undefined;
  /** @internal Copies of its decoded frames, once they are asked for. */
  kept: Frame[] | undefined;
  /** The first frame that is read: its number; its timestamp, and that of the file's first. */
  #begin: { readonly index: number; readonly at?: number; readonly first?: number | undefined } = {
    index: 0,
  };
  readonly #options: ReadOptions;
  readonly #format: number;
  #told: { frames: number | undefined; exact: boolean };
  #isClosed = false;
  #isCheck = false;
  #cutOff = false;
  #lost = 0;
  readonly #av: FFmpeg;
  readonly #file: OpenFile | undefined;
  readonly #converter: Converter;
  /** For frames whose bytes are made anew. */
  #again: { readonly converter: Converter; readonly rgb: Frame } | undefined;
  #reading: Promise<void> = Promise.resolve();
  #isStoring = false;
  #besides = 0;
  /** The outermost generator of a reading in progress. */
  #running: AsyncGenerator<unknown, void, void> | undefined;
  #read = 0;
  #first = 0;
  #latest: Timing = { pts: -1, duration: 1, fields: 0 };

  private constructor(av: FFmpeg, path: string, source: OpenFile | Pictures, options: ReadOptions) {
    this.#av = av;
    this.#options = options;
    this.#converter = new Converter(av);
    this.path = path;
    if ('images' in source) {
      const { images, first, fps } = source;
      this.images = images;
      this.width = first.width;
      this.height = first.height;
      this.channels = hasAlpha(av, first.format) ? 4 : 3;
      this.profile = first.getSideData(av.AV_FRAME_DATA_ICC_PROFILE) ?? undefined;
      this.#format = first.format;
      this.#told = { frames: images.length, exact: true };
      this.storedFields = this.fieldOrder = 'progressive';
      this.fps = fps;
      this.rotation = 0;
      this.hasAudio = false;
      this.timeBase = { num: 1000, den: Math.round(fps * 1000) };
      return;
    }
    const { input, stream } = source;
    this.#file = source;
    const { codecpar, avgFrameRate, rFrameRate } = stream;
    const rates = [avgFrameRate, rFrameRate, { num: 25, den: 1 }];
    const { num, den } = rates.find((rate) => rate.num > 0 && rate.den > 0) as Rational;
    this.width = codecpar.width;
    this.height = codecpar.height;
    this.channels = hasAlpha(av, codecpar.format) || alphaDecoder(av, stream) ? 4 : 3;
    this.fps = num / den;
    this.#format = codecpar.format;
    this.#told = tellFrames(source, this.fps);
    this.storedFields = fieldsOf(stream);
    this.fieldOrder = options.deinterlace ? 'progressive' : this.storedFields;
    this.rotation = rotationOf(codecpar.getCodedSideData(av.AV_PKT_DATA_DISPLAYMATRIX));
    const types = input.streams.map((other) => other.codecpar.codecType);
    this.hasAudio = types.includes(av.AVMEDIA_TYPE_AUDIO);
    this.timeBase = stream.timeBase;
  }

  /** @internal See `openVideo`. */
  static async open(op: string, path: string, options: ReadOptions = {}): Promise<VideoReader> {
    const { fps = 25, onError = 'stop' } = options;
    expectNumber(op, 'fps', fps, 0.001, 1000);
    if (onError !== 'stop' && onError !== 'keep') {
      const message = `expected onError to be stop or keep, got ${onError}`;
      throw new InpaintError('ERR_ARGUMENT', op, message);
    }
    const av = await ffmpeg(op);
    const info = isStream(path)
      ? undefined
      : await stat(path).catch((cause) => {
          throw fileError(op, `${path} to be a readable video or a folder of images`, cause);
        });
    if (!info?.isDirectory()) {
      return new VideoReader(av, path, await openFile(av, op, path), options);
    }
    const images = await listPictures(op, path);
    using first = await decodePicture(av, op, images[0] as string);
    return new VideoReader(av, path, { images, first, fps }, options);
  }

  /** @internal Whether it is one image, from a URL or the standard input. */
  get isStill(): boolean {
    return isStream(this.path) && /_pipe$/.test(this.#file?.input.iformat?.name ?? '');
  }

  /** @internal Bytes of a frame as it is decoded. */
  get frameBytes(): number {
    const { width, height } = this;
    return this.#av.avImageGetBufferSize(this.#format as never, width, height, 1);
  }

  /** @internal Keeps copies of the decoded frames from now on; false when reading has begun. */
  keep(): boolean {
    if (this.#running) return false;
    this.kept = [];
    return true;
  }

  /**
   * @internal Tells of its frames how they are stored, where that is less than their bytes, but not
   *   of small ones: to convert them again would take longer than it is worth.
   * @param besides how many frames are in memory apart from those
   */
  tellStored(besides: number): void {
    const { width, height, channels, frameBytes } = this;
    this.#besides = besides * frameBytes;
    this.#isStoring = frameBytes > smallFrame && frameBytes < width * height * channels;
  }

  /** @internal The same source, to be read from its start. */
  async again(op: string): Promise<VideoReader> {
    const same = await VideoReader.open(op, this.path, this.#options);
    same.#begin = this.#begin;
    return same;
  }

  /** @internal The open file; undefined for images. */
  get file(): OpenFile | undefined {
    if (!this.#isClosed) return this.#file;
    const message = `expected ${this.path} to be open, got a closed reader`;
    throw new InpaintError('ERR_DISPOSED', 'createWriter', message);
  }

  /** How many frames there are, as far as is known: see {@link framesGuessed}. */
  get frames(): number | undefined {
    return this.#told.frames;
  }

  /** Whether {@link frames} is a guess, from how long the file says it lasts. */
  get framesGuessed(): boolean {
    return !this.#told.exact;
  }

  /** @internal When the frame read last is shown, in seconds after the first. */
  get time(): number {
    const { num, den } = this.timeBase;
    return ((this.#latest.pts - this.#first) * num) / den;
  }

  /** @internal The timestamp of the frame read last, in units of the time base. */
  get pts(): number {
    return this.#latest.pts;
  }

  /**
   * @internal Makes reading, which must not have begun, begin at the last key frame at or before a
   * timestamp, in units of the time base.
   */
  async seek(pts: number): Promise<void> {
    const { input, stream } = this.file as OpenFile;
    const flags = this.#av.AVSEEK_FLAG_BACKWARD;
    const code = await input.seekFrame(stream.index, BigInt(pts), flags);
    check(this.#av, code, 'openVideo', `to find a key frame of ${this.path}`);
  }

  /**
   * @internal Makes reading, here and by {@link again}, begin at a frame. Where it is known when all
   * frames are shown, only those from a key frame on are decoded to get there; else all are.
   *
   * @param pts of all frames, ascending, in units of the time base
   */
  begin(index: number, pts?: readonly number[]): void {
    const at = pts?.[index];
    this.#begin = { index, ...(at !== undefined && { at, first: pts?.[0] }) };
  }

  /** @internal Number of the first frame that is read. */
  get begun(): number {
    return this.#begin.index;
  }

  /** What the file holds, for people: `video 0 h264 yuv420p`, `audio 1 aac`; none for images. */
  get streams(): string[] {
    const av = this.#av;
    return (this.#file?.input.streams ?? []).map(({ index, codecpar }) => {
      const { codecType, codecId, format } = codecpar;
      const kind = av.avGetMediaTypeString(codecType) ?? 'unknown';
      const isVideo = codecType === av.AVMEDIA_TYPE_VIDEO;
      const pixels = isVideo ? ` ${formatName(av, format)}` : '';
      return `${kind} ${index} ${av.avGetCodecName(codecId) ?? 'unknown'}${pixels}`;
    });
  }

  /** @internal Whether damage is no error. */
  get keepsErrors(): boolean {
    return this.#options.onError === 'keep';
  }

  /** How many packets read so far could not be decoded at all. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether the video was found to be cut off, by {@link count} or at the end. */
  get cutOff(): boolean {
    return this.#cutOff;
  }

  /**
   * Counts the frames without decoding them, and so finds out whether the file is cut off: takes
   * as long as reading the file. What can be read once only is left alone.
   *
   * @throws InpaintError (rejects) ERR_MEDIA when it is cut off, unless damage is to be kept
   */
  async count(): Promise<void> {
    const op = 'openVideo';
    if (!this.#file || isStream(this.path)) return;
    const av = this.#av;
    const file = await openFile(av, op, this.path);
    readOnly(av, file);
    using packet = new av.Packet();
    packet.alloc();
    let [packets, frames, end] = [0, 0, 0];
    try {
      while ((await file.input.readFrame(packet)) >= 0) {
        if (packet.streamIndex === file.stream.index) {
          packets += 1;
          if (!packet.hasFlags(av.AV_PKT_FLAG_DISCARD)) frames += 1;
          if (packet.hasFlags(av.AV_PKT_FLAG_CORRUPT)) this.#foundCutOff(op, frames);
          end = Math.max(end, endOfPacket(av, packet));
        }
        packet.unref();
      }
      if (this.#isCutOff(file, packets, end)) this.#foundCutOff(op, frames);
      // Broadcasts begin anywhere and may hold a field a packet, VP8 frames that are not shown.
      const isVague =
        file.input.iformat?.name?.startsWith('mpeg') ||
        file.stream.codecpar.codecId === av.AV_CODEC_ID_VP8;
      if (frames && !isVague) this.#told = { frames, exact: true };
    } finally {
      await file.input.closeInput();
    }
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
      await toRgb(av, this.#converter, frame, rgb, 'openVideo');
      const image: VideoFrame = { data: rgb.toBuffer(), width, height, channels };
      const copy = this.#isStoring && frame.clone();
      if (copy) {
        tellStored(image, {
          bytes: this.frameBytes,
          besides: this.#besides,
          read: (into) => this.#readAgain(copy, into),
          free: () => copy.free(),
        });
      }
      yield image;
    }
  }

  /** Writes the bytes of a frame that was read. One call at a time. */
  #readAgain(frame: Frame, into: Uint8Array): Promise<void> {
    const av = this.#av;
    const { width, height, channels } = this;
    const format = channels === 4 ? av.AV_PIX_FMT_RGBA : av.AV_PIX_FMT_RGB24;
    this.#again ??= {
      converter: new Converter(av),
      rgb: allocateFrame(av, format, width, height),
    };
    const { converter, rgb } = this.#again;
    this.#reading = (async () => {
      await toRgb(av, converter, frame, rgb, 'openVideo');
      const [plane] = rgb.data as [Buffer];
      const [stride] = rgb.linesize as [number];
      const row = width * channels;
      if (stride === row) into.set(plane.subarray(0, row * height));
      else
        for (let y = 0; y < height; y++)
          into.set(plane.subarray(y * stride, y * stride + row), y * row);
    })();
    return this.#reading;
  }

  /** @internal Decodes everything, without what makes the pictures good, to find damage. */
  async check(op: string, isEnded: () => boolean): Promise<void> {
    this.#isCheck = true;
    for await (const _ of this.decoded(op)) {
      this.timings.length = 0;
      if (isEnded()) return;
    }
  }

  /** @internal The frames as FFmpeg decodes them; each is gone when the next is asked for. */
  decoded(op: string): AsyncGenerator<Frame, void, void> {
    if (this.#running) {
      const message = `expected ${this.path} to be read once, got another reading or a closed one`;
      throw new InpaintError('ERR_DISPOSED', op, message);
    }
    const source = this.#file ? this.#decodeFile(op, this.#file) : this.#decodeImages(op);
    const checked = this.#checked(op, source);
    const hasFields = this.storedFields !== this.fieldOrder;
    const whole = hasFields ? this.#deinterlaced(op, checked) : checked;
    const frames = this.#timed(whole);
    this.#running = frames;
    return frames;
  }

  async *#checked(op: string, frames: AsyncIterable<Frame>): AsyncGenerator<Frame, void, void> {
    const av = this.#av;
    const { width, height, channels } = this;
    const begun = this.images ? this.begun : 0;
    let index = begun;
    for await (const frame of frames) {
      const which = this.images?.[index] ?? `frame ${index} of ${this.path}`;
      if (frame.decodeErrorFlags || frame.hasFlags(av.AV_FRAME_FLAG_CORRUPT)) {
        this.#foundDamage(op, `to decode ${which}`, 'damaged data');
        this.concealed.push(index);
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
      index += 1;
      yield frame;
    }
    if (index === begun) throw mediaError(op, `${this.path} to hold frames`, 'none');
  }

  /** Makes whole frames, one of each two fields, with FFmpeg's filter bwdif. */
  async *#deinterlaced(
    op: string,
    frames: AsyncIterable<Frame>,
  ): AsyncGenerator<Frame, void, void> {
    const { FilterAPI } = await import('node-av/api');
    const av = this.#av;
    const filter = FilterAPI.create('bwdif=mode=send_frame:deint=interlaced');
    const failed = (cause: unknown) => fileError(op, `to deinterlace ${this.path}`, cause);
    const timeBase = new av.Rational(this.timeBase.num, this.timeBase.den);
    const finish = (frame: Frame) => {
      frame.bestEffortTimestamp = av.avRescaleQ(frame.pts, frame.timeBase, timeBase);
      frame.duration = av.avRescaleQ(frame.duration, frame.timeBase, timeBase);
      frame.flags &= ~fieldFlags(av);
      return frame;
    };
    try {
      for await (const frame of frames) {
        frame.timeBase = timeBase;
        if (frame.bestEffortTimestamp !== av.AV_NOPTS_VALUE) frame.pts = frame.bestEffortTimestamp;
        const made = await filter.processAll(frame).catch((cause) => {
          throw failed(cause);
        });
        for (const each of made) {
          using whole = each;
          yield finish(whole);
        }
      }
      for await (const each of filter.flushFrames()) {
        using whole = each;
        yield finish(whole);
      }
    } finally {
      filter.close();
    }
  }

  async *#timed(frames: AsyncIterable<Frame>): AsyncGenerator<Frame, void, void> {
    const { index, at, first } = this.#begin;
    if (this.images) this.#read = index;
    if (at !== undefined) await this.seek(at);
    let isBegun = false;
    for await (const frame of frames) {
      const timing = this.#timing(frame);
      if (!this.#read) this.#first = first ?? this.#latest.pts;
      this.#read += 1;
      if (!isBegun && (at === undefined ? this.#read <= index : timing.pts < at)) continue;
      if (!isBegun && at !== undefined && timing.pts !== at) {
        throw mediaError('openVideo', `a frame of ${this.path} at ${at}`, `one at ${timing.pts}`);
      }
      isBegun = true;
      this.timings.push(timing);
      const copy = this.kept && frame.clone();
      if (copy) this.kept?.push(copy);
      yield frame;
    }
  }

  #timing(frame: Frame): Timing {
    const fields = frame.flags & fieldFlags(this.#av);
    if (this.images) {
      this.#latest = { pts: this.#read, duration: 1, fields };
      return this.#latest;
    }
    const { num, den } = this.timeBase;
    const { pts, duration } = this.#latest;
    const told = frame.bestEffortTimestamp;
    let now = Number(told);
    if (told === this.#av.AV_NOPTS_VALUE) {
      now = this.#read ? pts + (duration || Math.round(den / (num * this.fps))) : 0;
    }
    // Encoders want timestamps that rise.
    if (this.#read) now = Math.max(now, pts + 1);
    this.#latest = { pts: now, duration: Math.max(0, Number(frame.duration)), fields };
    return this.#latest;
  }

  async *#decodeImages(op: string): AsyncGenerator<Frame, void, void> {
    for (const path of this.images?.slice(this.begun) ?? []) {
      using frame = await decodePicture(this.#av, op, path);
      yield frame;
    }
  }

  async *#decodeFile(op: string, file: OpenFile): AsyncGenerator<Frame, void, void> {
    const av = this.#av;
    const { input, stream } = file;
    if (!this.others) readOnly(av, file);
    using decoder = await this.#openDecoder(op, stream);
    using packet = new av.Packet();
    packet.alloc();
    using frame = new av.Frame();
    frame.alloc();
    let [packets, end, frames] = [0, 0, 0];
    for (;;) {
      const expected = `to decode frame ${frames} of ${this.path}`;
      const must = (code: number) => {
        if (code >= 0) return;
        this.#foundDamage(op, expected, `'${av.FFmpegError.strerror(code)}'`);
        this.#lost += 1;
      };
      const received = await decoder.receiveFrame(frame);
      if (received === av.AVERROR_EOF) return;
      if (received !== av.AVERROR_EAGAIN) {
        must(received);
        if (received < 0) continue;
        frames += 1;
        yield frame;
        frame.unref();
        continue;
      }
      const read = await input.readFrame(packet);
      if (read < 0) {
        if (read !== av.AVERROR_EOF) must(read);
        if (this.#isCutOff(file, packets, end)) this.#foundCutOff(op, frames);
        must(await decoder.sendPacket(null));
        continue;
      }
      if (packet.streamIndex === stream.index) {
        if (packet.hasFlags(av.AV_PKT_FLAG_CORRUPT)) this.#foundCutOff(op, frames);
        packets += 1;
        end = Math.max(end, endOfPacket(av, packet));
        must(await decoder.sendPacket(packet));
      } else if (this.others) {
        const kept = packet.clone();
        if (kept) this.others.push(kept);
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
    decoder.threadCount = this.#isCheck ? 1 : 0; // 0: as many as there are cores
    const fast = this.#isCheck ? { skip_loop_filter: 'all', skip_idct: 'all' } : {};
    check(av, await decoder.open2(codec, av.Dictionary.fromObject(fast)), op, expected);
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

  /** @throws InpaintError ERR_MEDIA, unless damage is to be kept. */
  #foundDamage(op: string, expected: string, got: string): void {
    if (this.keepsErrors) return;
    const hint = "onError: 'keep', or --on-error keep, takes what is there";
    throw mediaError(op, expected, this.images ? got : `${got} (${hint})`);
  }

  #foundCutOff(op: string, frames: number): void {
    this.#foundDamage(
      op,
      `${this.path} to be whole`,
      `a file that is cut off after frame ${frames}`,
    );
    this.#cutOff = true;
  }

  /** Ends a reading in progress and closes the file. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#running ??= this.#decodeImages('');
    await this.#running.return();
    await this.#reading.catch(() => {});
    await this.#file?.input.closeInput();
    this.#converter[Symbol.dispose]();
    this.#again?.converter[Symbol.dispose]();
    this.#again?.rgb.free();
    this.#again = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
