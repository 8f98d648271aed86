// Images made of images: turned, made smaller, encoded. Internal to lib/video.

import type { FilterAPI } from 'node-av/api';
import { check, type FFmpeg, type Frame, formatName, mediaError } from './ffmpeg.js';
import type { Image } from './image.js';

/** Turns, scales and encodes images by FFmpeg's filters. */
export class Pictures implements Disposable {
  readonly #av: FFmpeg;
  readonly #op: string;
  readonly #filters = new Map<string, FilterAPI>();

  constructor(av: FFmpeg, op: string) {
    this.#av = av;
    this.#op = op;
  }

  /** Applies filters; at least one. */
  async filter(image: Image, steps: readonly string[]): Promise<Image> {
    using frame = await this.#filtered(image, steps);
    const { width, height } = frame;
    const channels = formatName(this.#av, frame.format) === 'gray' ? 1 : 3;
    return { data: frame.toBuffer(), width, height, channels };
  }

  /** Encodes an image, after filters. */
  async encode(image: Image, kind: 'png' | 'jpeg', steps: readonly string[]): Promise<Buffer> {
    const av = this.#av;
    const must = (code: number) => check(av, code, this.#op, `to encode a ${kind}`);
    const pixels = { 1: 'gray', 3: 'rgb24', 4: 'rgba' }[image.channels];
    const format = kind === 'png' ? `format=${pixels}` : 'format=yuvj420p';
    using frame = await this.#filtered(image, [...steps, format]);
    using encoder = new av.CodecContext();
    encoder.allocContext3(av.Codec.findEncoderByName((kind === 'png' ? kind : 'mjpeg') as never));
    encoder.width = frame.width;
    encoder.height = frame.height;
    encoder.pixelFormat = frame.format as typeof encoder.pixelFormat;
    encoder.colorRange = av.AVCOL_RANGE_JPEG;
    encoder.timeBase = new av.Rational(1, 25);
    if (kind === 'jpeg') {
      encoder.setFlags(av.AV_CODEC_FLAG_QSCALE);
      encoder.globalQuality = jpegScale * av.FF_QP2LAMBDA;
      frame.quality = encoder.globalQuality;
    }
    must(await encoder.open2(null, null));
    using packet = new av.Packet();
    packet.alloc();
    must(await encoder.sendFrame(frame));
    must(await encoder.sendFrame(null));
    must(await encoder.receivePacket(packet));
    return Buffer.from(packet.data ?? '');
  }

  async #filtered(image: Image, steps: readonly string[]): Promise<Frame> {
    const { FilterAPI } = await import('node-av/api');
    const av = this.#av;
    const { data, width, height, channels } = image;
    const format = { 1: av.AV_PIX_FMT_GRAY8, 3: av.AV_PIX_FMT_RGB24, 4: av.AV_PIX_FMT_RGBA };
    const bytes = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    using frame = av.Frame.fromVideoBuffer(bytes, { width, height, format: format[channels] });
    frame.timeBase = new av.Rational(1, 25);
    frame.pts = 0n;
    const key = `${width} ${height} ${channels} ${steps}`;
    const filter = this.#filters.get(key) ?? FilterAPI.create(steps.join(','));
    this.#filters.set(key, filter);
    const [made] = await filter.processAll(frame);
    if (!made) throw mediaError(this.#op, 'a picture that FFmpeg converts', 'none');
    return made;
  }

  [Symbol.dispose](): void {
    for (const filter of this.#filters.values()) filter.close();
    this.#filters.clear();
  }
}

/** Quality of JPEG, 1 to 31, less is better. */
const jpegScale = 4;
