import { mkdir, open, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { depthOf } from './encoding.js';
import {
  type CodecContext,
  check,
  type FFmpeg,
  type Frame,
  fileError,
  formatName,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { syncFolder } from './lock.js';
import { Originals, type Target } from './originals.js';
import type { VideoReader } from './reader.js';
import type { WorkFolder } from './work.js';
import { VideoWriter } from './writer.js';

const op = 'createWriter';

/** What a PNG ends with. */
const pngEnd = Buffer.from('0000000049454e44ae426082', 'hex');

/** Whether a file is a PNG that is whole. */
async function isWhole(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    const { size } = await file.stat();
    const length = pngEnd.length;
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, Math.max(0, size - length));
    return buffer.equals(pngEnd);
  } finally {
    await file.close();
  }
}

/** @internal Writes a folder of PNG, with 16 bits where the source has more than 8. */
export class FolderWriter extends VideoWriter {
  readonly #av: FFmpeg;
  /** Those of the images that are read, unless some differ only in their kind. */
  readonly #names: readonly string[];
  readonly encoding = 'png';
  readonly changesCodec = undefined;
  readonly dropsChapters = false;
  #encoder: CodecContext | undefined;
  #originals: Originals | undefined;

  constructor(av: FFmpeg, path: string, like: VideoReader, work: WorkFolder | undefined) {
    super(path, like, work);
    this.#av = av;
    const names = (like.images ?? []).map((image) => `${basename(image, extname(image))}.png`);
    this.#names = new Set(names).size === names.length ? names : [];
  }

  async start(): Promise<this> {
    await mkdir(this.temporary, { recursive: this.work !== undefined });
    this.#originals = await Originals.open(this.#av, this.like);
    return this;
  }

  #target(original: Frame | undefined, { channels }: Image): Target {
    const av = this.#av;
    const isDeep = original !== undefined && depthOf(formatName(av, original.format)) > 8;
    const [shallow, deep] =
      channels === 4
        ? [av.AV_PIX_FMT_RGBA, av.AV_PIX_FMT_RGBA64BE]
        : [av.AV_PIX_FMT_RGB24, av.AV_PIX_FMT_RGB48BE];
    return {
      format: isDeep ? deep : shallow,
      range: av.AVCOL_RANGE_JPEG,
      space: av.AVCOL_SPC_RGB,
      // Viewers read tags of a PNG in ways of their own: those of a video are left out.
      primaries: (this.like.images && original?.colorPrimaries) || av.AVCOL_PRI_UNSPECIFIED,
      transfer: (this.like.images && original?.colorTrc) || av.AVCOL_TRC_UNSPECIFIED,
      chromaLocation: av.AVCHROMA_LOC_UNSPECIFIED,
    };
  }

  readonly headers = '';

  override async whole(): Promise<number> {
    for (let index = 0; ; index++) if (!(await isWhole(this.#pathOf(index)))) return index;
  }

  protected override async skip(): Promise<void> {
    (await this.#originals?.next())?.free();
    this.like.timings.shift();
  }

  protected override flush(): Promise<void> {
    return syncFolder(this.temporary);
  }

  #pathOf(index: number): string {
    const name = this.#names[index] ?? `${String(index).padStart(6, '0')}.png`;
    return join(this.temporary, name);
  }

  protected override async encode(image: Image, index: number, isOriginal: boolean): Promise<void> {
    const av = this.#av;
    const must = (code: number) => check(av, code, op, 'to encode a PNG');
    const originals = this.#originals as Originals;
    using original = await originals.next();
    const target = this.#target(original, image);
    using frame = await originals.merge(original, image, isOriginal, target);
    const { profile } = this.like;
    if (profile && !frame.getSideData(av.AV_FRAME_DATA_ICC_PROFILE))
      profile.copy(frame.newSideData(av.AV_FRAME_DATA_ICC_PROFILE, profile.length));
    const encoder = await this.#encoderFor(frame);
    using packet = new av.Packet();
    packet.alloc();
    must(await encoder.sendFrame(frame));
    must(await encoder.receivePacket(packet));
    const path = this.#pathOf(index);
    try {
      await writeFile(path, packet.data ?? '', { flush: true });
    } catch (cause) {
      throw fileError(op, `to write ${join(this.path, basename(path))}`, cause);
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

  protected override finish(): Promise<void> {
    return syncFolder(this.temporary);
  }

  protected override async release(): Promise<void> {
    this.#encoder?.freeContext();
    this.#encoder = undefined;
    await this.#originals?.[Symbol.asyncDispose]();
    this.#originals = undefined;
  }
}
