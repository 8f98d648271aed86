// A video of frames before and after, for players. Internal.

import { rm } from 'node:fs/promises';
import {
  allocateFrame,
  type CodecContext,
  Converter,
  check,
  type FFmpeg,
  type FormatContext,
  type Frame,
  ffmpeg,
  type Stream,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { Pictures } from './pictures.js';
import type { VideoReader } from './reader.js';
import { turned } from './rotation.js';

const op = 'Comparison';

/** Longer side at most, of one picture: what players decode without effort. */
const longest = 1280;

/**
 * Writes pairs of frames as H.264 that browsers play: the one before above the one after, so that
 * both are shown at the same moment. They are turned as a player shows them, and scaled to even
 * sides.
 */
export class Comparison implements AsyncDisposable {
  readonly path: string;
  /** Of one picture. */
  readonly width: number;
  readonly height: number;
  readonly #av: FFmpeg;
  readonly #pictures: Pictures;
  readonly #converter: Converter;
  readonly #steps: readonly string[];
  readonly #encoder: CodecContext;
  readonly #output: FormatContext;
  readonly #stream: Stream;
  #frames = 0;
  #isWhole = false;
  #isReleased = false;

  private constructor(av: FFmpeg, path: string, like: VideoReader) {
    this.#av = av;
    this.path = path;
    this.#pictures = new Pictures(av, op);
    this.#converter = new Converter(av);
    const isTurned = like.rotation % 180 !== 0;
    const [w, h] = isTurned ? [like.height, like.width] : [like.width, like.height];
    const scale = Math.min(1, longest / Math.max(w, h));
    const even = (side: number) => Math.max(2, Math.round((side * scale) / 2) * 2);
    [this.width, this.height] = [even(w), even(h)];
    this.#steps = [...turned[like.rotation], `scale=${this.width}:${this.height}`, 'format=rgb24'];
    this.#encoder = new av.CodecContext();
    this.#output = new av.FormatContext();
    this.#encoder.allocContext3(av.Codec.findEncoderByName('libx264' as never));
    this.#encoder.width = this.width;
    this.#encoder.height = 2 * this.height;
    const rate = Math.round(like.fps * 1000);
    this.#encoder.timeBase = new av.Rational(1000, rate);
    this.#encoder.framerate = new av.Rational(rate, 1000);
    this.#encoder.pixelFormat = av.AV_PIX_FMT_YUV420P;
    this.#encoder.colorSpace = av.AVCOL_SPC_BT709;
    this.#encoder.colorPrimaries = av.AVCOL_PRI_BT709;
    this.#encoder.colorTrc = av.AVCOL_TRC_BT709;
    this.#encoder.colorRange = av.AVCOL_RANGE_MPEG;
    this.#encoder.setFlags(av.AV_CODEC_FLAG_GLOBAL_HEADER);
    this.#must(this.#output.allocOutputContext2(null, 'mp4', `file:${path}`));
    this.#stream = this.#output.newStream(null);
  }

  #must(code: number): number {
    return check(this.#av, code, op, `to write ${this.path}`);
  }

  /** Begins a file of that name. */
  static async create(path: string, like: VideoReader): Promise<Comparison> {
    const comparison = new Comparison(await ffmpeg(op), path, like);
    try {
      await comparison.#start();
      return comparison;
    } catch (error) {
      await comparison[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { Dictionary } = this.#av;
    // A key frame now and then, so that a player may be sent anywhere.
    const options = { preset: 'veryfast', crf: '18', g: '24' };
    this.#must(await this.#encoder.open2(null, Dictionary.fromObject(options)));
    this.#must(this.#stream.codecpar.fromContext(this.#encoder));
    this.#stream.timeBase = this.#encoder.timeBase;
    this.#must(await this.#output.openOutput());
    const header = Dictionary.fromObject({ movflags: '+faststart' });
    this.#must(await this.#output.writeHeader(header));
  }

  /** Adds a pair of frames as they are stored. */
  async write(before: Image, after: Image): Promise<void> {
    const av = this.#av;
    const { width, height } = this;
    const pair = Buffer.alloc(2 * 3 * width * height);
    pair.set((await this.#pictures.filter(before, this.#steps)).data);
    pair.set((await this.#pictures.filter(after, this.#steps)).data, pair.length / 2);
    const format = av.AV_PIX_FMT_RGB24;
    using rgb = av.Frame.fromVideoBuffer(pair, { width, height: 2 * height, format });
    rgb.colorSpace = av.AVCOL_SPC_RGB;
    rgb.colorRange = av.AVCOL_RANGE_JPEG;
    using frame = allocateFrame(av, av.AV_PIX_FMT_YUV420P, width, 2 * height);
    frame.colorSpace = av.AVCOL_SPC_BT709;
    frame.colorRange = av.AVCOL_RANGE_MPEG;
    await this.#converter.convert(rgb, frame, op);
    frame.pts = BigInt(this.#frames++);
    await this.#encode(frame);
  }

  async #encode(frame: Frame | null): Promise<void> {
    const av = this.#av;
    this.#must(await this.#encoder.sendFrame(frame));
    using packet = new av.Packet();
    packet.alloc();
    for (;;) {
      const code = await this.#encoder.receivePacket(packet);
      if (code === av.AVERROR_EAGAIN || code === av.AVERROR_EOF) return;
      this.#must(code);
      packet.streamIndex = this.#stream.index;
      packet.rescaleTs(this.#encoder.timeBase, this.#stream.timeBase);
      this.#must(await this.#output.interleavedWriteFrame(packet));
    }
  }

  /** Completes the file; one that is disposed of before is removed. */
  async close(): Promise<void> {
    await this.#encode(null);
    this.#must(await this.#output.writeTrailer());
    this.#isWhole = true;
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await this.#output.closeOutput();
    this.#output.freeContext();
    this.#encoder.freeContext();
    this.#converter[Symbol.dispose]();
    this.#pictures[Symbol.dispose]();
    if (!this.#isWhole) await rm(this.path, { force: true });
  }
}
