import { mkdir, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type CodecContext, check, type FFmpeg, type Frame, fileError } from './ffmpeg.js';
import type { Image } from './image.js';
import type { VideoReader } from './reader.js';
import { fillFrame, VideoWriter } from './writer.js';

const op = 'createWriter';

/** @internal Writes a folder of PNG. */
export class FolderWriter extends VideoWriter {
  readonly #av: FFmpeg;
  /** Those of the images that are read, unless some differ only in their kind. */
  readonly #names: readonly string[];
  #encoder: CodecContext | undefined;

  constructor(av: FFmpeg, path: string, like: VideoReader) {
    super(path, like);
    this.#av = av;
    const names = (like.images ?? []).map((image) => `${basename(image, extname(image))}.png`);
    this.#names = new Set(names).size === names.length ? names : [];
  }

  async start(): Promise<this> {
    await mkdir(this.temporary);
    return this;
  }

  protected override async encode(image: Image, index: number): Promise<void> {
    const av = this.#av;
    const must = (code: number) => check(av, code, op, 'to encode a PNG');
    using frame = fillFrame(av, image, undefined);
    const { profile } = this.like;
    if (profile) profile.copy(frame.newSideData(av.AV_FRAME_DATA_ICC_PROFILE, profile.length));
    const encoder = await this.#encoderFor(frame);
    using packet = new av.Packet();
    packet.alloc();
    must(await encoder.sendFrame(frame));
    must(await encoder.receivePacket(packet));
    const name = this.#names[index] ?? `${String(index).padStart(6, '0')}.png`;
    try {
      await writeFile(join(this.temporary, name), packet.data ?? '', { flush: true });
    } catch (cause) {
      throw fileError(op, `to write ${join(this.path, name)}`, cause);
    }
    this.like.timings.shift();
  }

  async #encoderFor({ width, height, format }: Frame): Promise<CodecContext> {
    if (this.#encoder?.pixelFormat === format) return this.#encoder;
    this.#encoder?.freeContext();
    const av = this.#av;
    const codec = av.Codec.findEncoderByName('png' as never);
    const encoder = new av.CodecContext();
    this.#encoder = encoder;
    encoder.allocContext3(codec);
    encoder.width = width;
    encoder.height = height;
    encoder.pixelFormat = format as CodecContext['pixelFormat'];
    encoder.timeBase = new av.Rational(1, 25);
    const options = av.Dictionary.fromObject({ compression_level: 3, pred: 'up' });
    check(av, await encoder.open2(codec, options), op, 'an encoder for PNG');
    return encoder;
  }

  protected override async finish(): Promise<void> {}

  protected override async release(): Promise<void> {
    this.#encoder?.freeContext();
    this.#encoder = undefined;
  }
}
