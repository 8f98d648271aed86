// Single frames of a video by their numbers. Internal.

import { InpaintError } from '../errors.js';
import {
  allocateFrame,
  Converter,
  type FFmpeg,
  type Frame,
  ffmpeg,
  mediaError,
  toRgb,
} from './ffmpeg.js';
import { decodePicture } from './picture.js';
import { openFile, type VideoFrame, VideoReader } from './reader.js';

const op = 'openVideo';

/** Bytes of decoded frames that are kept: a step back costs no decoding. */
const keptBytes = 2 ** 27;
/** As many are kept however large they are. */
const fewestKept = 8;

/** When frames are shown, ascending, and which of them need no others. */
interface Times {
  readonly pts: readonly number[];
  readonly keys: readonly number[];
}

/** The place of the last number that is not above a value, or -1. */
function lastUpTo(sorted: readonly number[], value: number): number {
  let [low, high] = [-1, sorted.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((sorted[middle] as number) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Reads a file's packets for the times; undefined where these do not tell frames apart. */
async function readTimes(av: FFmpeg, path: string): Promise<Times | undefined> {
  const file = await openFile(av, op, path);
  try {
    const { input, stream } = file;
    const { codecId } = stream.codecpar;
    // Broadcasts may hold a field a packet, VP8 frames that are not shown.
    const isVague = input.iformat?.name?.startsWith('mpeg') || codecId === av.AV_CODEC_ID_VP8;
    if (isVague) return undefined;
    for (const other of input.streams)
      if (other.index !== stream.index) other.discard = av.AVDISCARD_ALL;
    using packet = new av.Packet();
    packet.alloc();
    const [pts, keys]: [number[], number[]] = [[], []];
    while ((await input.readFrame(packet)) >= 0) {
      if (packet.streamIndex === stream.index) {
        if (packet.pts === av.AV_NOPTS_VALUE) return undefined;
        if (!packet.hasFlags(av.AV_PKT_FLAG_DISCARD)) pts.push(Number(packet.pts));
        if (packet.hasFlags(av.AV_PKT_FLAG_KEY)) keys.push(Number(packet.pts));
      }
      packet.unref();
    }
    for (const list of [pts, keys]) list.sort((a, b) => a - b);
    return pts.some((time, i) => time === pts[i - 1]) ? undefined : { pts, keys };
  } finally {
    await file.input.closeInput();
  }
}

/**
 * Makes reading begin at a frame, by the shortest way that leads to it: from a key frame, where the
 * packets tell the frames apart and a look at the first one confirms it, else from the start.
 *
 * @param isIt whether a frame is the one that is wanted
 */
export async function beginAt(
  reader: VideoReader,
  index: number,
  isIt: (frame: VideoFrame) => boolean = () => true,
): Promise<void> {
  reader.begin(index);
  // What the decoder mends, and what a filter makes of two frames, depends on those before.
  const isPlain = !reader.keepsErrors && reader.storedFields === reader.fieldOrder;
  if (index === 0 || reader.images || !isPlain) return;
  const times = await readTimes(await ffmpeg(op), reader.path);
  await using trial = await reader.again(op);
  trial.begin(index, times?.pts);
  try {
    for await (const frame of trial) {
      if (times && isIt(frame)) reader.begin(index, times.pts);
      return;
    }
  } catch (error) {
    if (!(error instanceof InpaintError)) throw error;
  }
}

/**
 * The frames of a video file or a folder of images in any order, numbered as a {@link VideoReader}
 * gives them. Decoding starts at the key frame before the one that is wanted; where packets do not
 * tell which frame that is, at the start. Damage is mended as the decoder can.
 */
export class FrameSeeker implements AsyncDisposable {
  /** What is told of the video; it is not read. */
  readonly video: VideoReader;
  /** How many there are. */
  readonly frames: number;
  readonly #av: FFmpeg;
  readonly #converter: Converter;
  #times: Times | undefined;
  /** Decoded frames by their numbers, the one used last at the end. */
  readonly #kept = new Map<number, Frame>();
  #reader: VideoReader | undefined;
  #decoded: AsyncGenerator<Frame, void, void> | undefined;
  /** Number of the frame that the decoder gives next. */
  #next = 0;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(av: FFmpeg, video: VideoReader, times: Times | undefined, frames: number) {
    this.#av = av;
    this.#converter = new Converter(av);
    this.video = video;
    this.#times = times;
    this.frames = frames;
  }

  /**
   * Opens a video and counts its frames: by reading its packets, or by decoding it where these do
   * not tell.
   *
   * @throws InpaintError (rejects) what `openVideo` throws
   */
  static async open(path: string): Promise<FrameSeeker> {
    const av = await ffmpeg(op);
    const video = await VideoReader.open(op, path, { onError: 'keep' });
    try {
      if (video.images) return new FrameSeeker(av, video, undefined, video.images.length);
      const times = await readTimes(av, path);
      if (times) return new FrameSeeker(av, video, times, times.pts.length);
      await using all = await video.again(op);
      let frames = 0;
      for await (const _ of all.decoded(op)) {
        frames += 1;
        all.timings.length = 0;
      }
      return new FrameSeeker(av, video, undefined, frames);
    } catch (error) {
      await video.close();
      throw error;
    }
  }

  /** The same video, with a decoder of its own. */
  async again(): Promise<FrameSeeker> {
    const video = await this.video.again(op);
    return new FrameSeeker(this.#av, video, this.#times, this.frames);
  }

  /**
   * A frame as `openVideo` gives it. One is read after the other.
   *
   * @throws InpaintError (rejects) ERR_MEDIA when there is none of that number
   */
  frame(index: number): Promise<VideoFrame> {
    const wanted = this.#last.then(async () => {
      const { width, height, channels } = this.video;
      const format = channels === 4 ? this.#av.AV_PIX_FMT_RGBA : this.#av.AV_PIX_FMT_RGB24;
      using rgb = allocateFrame(this.#av, format, width, height);
      await toRgb(this.#av, this.#converter, await this.#find(index), rgb, op);
      return { data: rgb.toBuffer(), width, height, channels };
    });
    this.#last = wanted.catch(() => {});
    return wanted;
  }

  async #find(index: number): Promise<Frame> {
    if (this.#isClosed) throw mediaError(op, `${this.video.path} to be open`, 'a closed one');
    const kept = this.#kept.get(index);
    if (kept) return kept;
    const { path, images } = this.video;
    if (images) {
      const image = images[index];
      if (image === undefined) throw this.#none(index);
      return this.#keep(index, await decodePicture(this.#av, op, image));
    }
    if (!this.#reader || index < this.#next || this.#isPastKey(index)) await this.#start(index);
    for (;;) {
      const { value: frame, done } = (await this.#decoded?.next()) ?? { done: true };
      const reader = this.#reader as VideoReader;
      reader.timings.length = 0;
      const at = done ? Number.POSITIVE_INFINITY : this.#numberOf(reader);
      if (at === undefined || (at > index && this.#times)) {
        // The packets told something else than the decoder.
        this.#times = undefined;
        await this.#start(index);
        continue;
      }
      if (!frame) {
        await this.#stop();
        throw this.#none(index);
      }
      this.#next = at + 1;
      const copy = frame.clone();
      if (!copy) throw mediaError(op, `memory for frame ${index} of ${path}`, 'none');
      this.#keep(at, copy);
      if (at === index) return copy;
    }
  }

  #none(index: number) {
    return mediaError(op, `a frame of ${this.video.path} from 0 to ${this.frames - 1}`, `${index}`);
  }

  /** Undefined when the packets know of no such frame. */
  #numberOf({ pts }: VideoReader): number | undefined {
    if (!this.#times) return this.#next;
    const at = lastUpTo(this.#times.pts, pts);
    return this.#times.pts[at] === pts ? at : undefined;
  }

  /** Whether there is a key frame between the decoder and a frame. */
  #isPastKey(index: number): boolean {
    if (!this.#times) return false;
    const { pts, keys } = this.#times;
    const key = keys[lastUpTo(keys, pts[index] as number)];
    return key !== undefined && key > (pts[this.#next] as number);
  }

  async #start(index: number): Promise<void> {
    await this.#stop();
    this.#reader = await this.video.again(op);
    if (this.#times && index > 0) {
      const { pts, keys } = this.#times;
      const key = keys[lastUpTo(keys, pts[index] as number)];
      if (key !== undefined) await this.#reader.seek(key);
    }
    this.#decoded = this.#reader.decoded(op);
    this.#next = 0;
  }

  #keep(index: number, frame: Frame): Frame {
    this.#kept.get(index)?.free();
    this.#kept.delete(index);
    this.#kept.set(index, frame);
    const most = Math.max(fewestKept, Math.floor(keptBytes / this.video.frameBytes));
    for (const [oldest, old] of this.#kept) {
      if (this.#kept.size <= most) break;
      old.free();
      this.#kept.delete(oldest);
    }
    return frame;
  }

  async #stop(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#stop();
    for (const frame of this.#kept.values()) frame.free();
    this.#kept.clear();
    this.#converter[Symbol.dispose]();
    await this.video.close();
  }
}
