import { depthOf, layoutOf, type Plane } from './encoding.js';
import {
  allocateFrame,
  Converter,
  type FFmpeg,
  type Frame,
  fieldFlags,
  formatName,
  matrixOf,
  mediaError,
  toRgb,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { isStream, smallFrame, type VideoReader } from './reader.js';

const op = 'createWriter';

/** Of what is written: pixel format and colours, none of them left open. */
export interface Target {
  readonly format: number;
  readonly range: number;
  readonly space: number;
  readonly primaries: number;
  readonly transfer: number;
  readonly chromaLocation: number;
}

/** Where two images differ: a byte a pixel, and the rows between which it does. */
interface Changes {
  readonly pixels: Uint8Array;
  readonly top: number;
  readonly bottom: number;
}

/**
 * Finds the pixels of an image that differ from those of a plane, whose rows are `stride` bytes
 * apart. Memory for the outcome is the caller's.
 */
function compare(image: Image, plane: Buffer, stride: number, pixels: Uint8Array): Changes {
  const { width, height, channels, data } = image;
  const row = width * channels;
  let [top, bottom] = [height, 0];
  const own = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  for (let y = 0; y < height; y++) {
    const [from, other] = [y * row, y * stride];
    if (own.compare(plane, other, other + row, from, from + row) === 0) continue;
    if (top > y) top = y;
    bottom = y + 1;
    for (let x = 0, i = from, j = other; x < width; x++, i += channels, j += channels) {
      const isSame =
        own[i] === plane[j] &&
        own[i + 1] === plane[j + 1] &&
        own[i + 2] === plane[j + 2] &&
        (channels < 4 || own[i + 3] === plane[j + 3]);
      pixels[y * width + x] = isSame ? 0 : 1;
    }
  }
  return { pixels, top, bottom };
}

/**
 * The rows of an image that are converted for those that changed: with as many around them as the
 * filters of a conversion see, in steps, as another height has it set up anew.
 */
function rowsAround(image: Image, { top, bottom }: Changes) {
  const [margin, step] = [16, 64];
  const row = image.width * image.channels;
  const first = Math.max(0, Math.floor(top / margin - 1) * margin);
  const wanted = Math.ceil((bottom + margin - first) / step) * step;
  const height = Math.min(image.height - first, wanted);
  const data = image.data.subarray(first * row, (first + height) * row);
  return { top: first, rows: { ...image, data, height } };
}

/**
 * The frames of a source once more, for its own samples where nothing was changed. Large ones are
 * decoded again, as a look-ahead of them would fill the memory; small ones, and those of what can
 * be read once only, are kept by the reader.
 */
export class Originals implements AsyncDisposable {
  readonly #av: FFmpeg;
  readonly #like: VideoReader;
  readonly #again: VideoReader | undefined;
  readonly #frames: AsyncGenerator<Frame, void, void> | undefined;
  readonly #converter: Converter;
  readonly #toRgb: Converter;
  readonly #fromRgb: Converter;
  /** Memory that is used again: fresh pages cost the event loop more than the copies. */
  #rgb: Frame | undefined;
  #image: Frame | undefined;
  #pixels: Uint8Array | undefined;

  private constructor(av: FFmpeg, like: VideoReader, again: VideoReader | undefined) {
    this.#av = av;
    this.#like = like;
    this.#again = again;
    this.#frames = again?.decoded(op);
    this.#converter = new Converter(av);
    this.#toRgb = new Converter(av);
    this.#fromRgb = new Converter(av);
  }

  static async open(av: FFmpeg, like: VideoReader): Promise<Originals> {
    const isOnce = isStream(like.path);
    const isKept = (isOnce || like.frameBytes <= smallFrame) && like.keep();
    return new Originals(av, like, isKept || isOnce ? undefined : await like.again(op));
  }

  /** The next frame, which is the caller's to free; undefined when there is none. */
  async next(): Promise<Frame | undefined> {
    if (!this.#again) return this.#like.kept?.shift();
    const { value } = (await this.#frames?.next()) ?? {};
    this.#again.timings.length = 0;
    return value?.clone() ?? undefined;
  }

  /**
   * The image in the target's format, with the original's own samples wherever it has its colours.
   * The frame is the caller's.
   *
   * @param isOriginal that nothing was changed
   */
  async merge(
    original: Frame | undefined,
    image: Image,
    isOriginal: boolean,
    target: Target,
  ): Promise<Frame> {
    if (!original) return this.#made(image, target, 0);
    const own = await this.#own(original, target);
    if (isOriginal) return own;
    const changes = await this.#changes(original, image);
    if (changes.top < changes.bottom) {
      const { top, rows } = rowsAround(image, changes);
      using made = await this.#made(rows, target, own.flags & fieldFlags(this.#av));
      own.makeWritable();
      this.#paste(made, top, own, changes);
      changes.pixels.fill(0);
    }
    return own;
  }

  /** The original in the target's format. */
  async #own(original: Frame, target: Target): Promise<Frame> {
    const av = this.#av;
    const bare = (format: number) => formatName(av, format).replace('yuvj', 'yuv');
    if (bare(original.format) === bare(target.format)) {
      const same = original.clone();
      if (!same) throw mediaError(op, 'memory for a frame', 'none');
      same.format = target.format as Frame['format'];
      return same;
    }
    return this.#convert(this.#converter, original, target);
  }

  async #convert(converter: Converter, from: Frame, target: Target): Promise<Frame> {
    const frame = allocateFrame(this.#av, target.format, from.width, from.height);
    frame.colorRange = target.range as Frame['colorRange'];
    frame.colorSpace = target.space as Frame['colorSpace'];
    from.colorPrimaries = frame.colorPrimaries = target.primaries as Frame['colorPrimaries'];
    from.colorTrc = frame.colorTrc = target.transfer as Frame['colorTrc'];
    frame.chromaLocation = target.chromaLocation as Frame['chromaLocation'];
    from.colorSpace = matrixOf(this.#av, from);
    await converter.convert(from, frame, op);
    return frame;
  }

  /** Where an image differs from what the reader gave of the original. */
  async #changes(original: Frame, image: Image): Promise<Changes> {
    const av = this.#av;
    const { width, height, channels } = image;
    const format = channels === 4 ? av.AV_PIX_FMT_RGBA : av.AV_PIX_FMT_RGB24;
    if (this.#rgb?.format !== format) {
      this.#rgb?.free();
      this.#rgb = allocateFrame(av, format, width, height);
    }
    await toRgb(av, this.#toRgb, original, this.#rgb, op);
    this.#pixels ??= new Uint8Array(width * height);
    const [plane] = this.#rgb.data as [Buffer];
    return compare(image, plane, this.#rgb.linesize[0] as number, this.#pixels);
  }

  /** An image in the target's format. */
  async #made(image: Image, target: Target, fields: number): Promise<Frame> {
    const isDeep = depthOf(formatName(this.#av, target.format)) > 8;
    const frame = isDeep
      ? deepen(this.#av, image, this.#image)
      : fillFrame(this.#av, image, this.#image);
    this.#image = frame;
    frame.flags = (frame.flags & ~fieldFlags(this.#av)) | fields;
    return this.#convert(this.#fromRgb, frame, target);
  }

  /**
   * Copies the samples of changed pixels; those of chroma that any of them touches.
   *
   * @param offset row at which `from` begins
   */
  #paste(from: Frame, offset: number, to: Frame, { pixels, top, bottom }: Changes): void {
    const { width } = to;
    const isInterlaced = to.hasFlags(this.#av.AV_FRAME_FLAG_INTERLACED);
    const planes = layoutOf(formatName(this.#av, to.format)) as readonly Plane[];
    planes.forEach(({ bytes, across, down }, p) => {
      const [source, sink] = [from.data?.[p] as Buffer, to.data?.[p] as Buffer];
      const [sourceRow, sinkRow] = [from.linesize[p] as number, to.linesize[p] as number];
      for (let y = top; y < bottom; y++) {
        // A field's chroma is halved within the field.
        const row = !down ? y : isInterlaced ? ((y >> 2) << 1) | (y & 1) : y >> 1;
        const line = pixels.subarray(y * width, (y + 1) * width);
        for (let x = line.indexOf(1); x >= 0 && x < width; ) {
          let end = line.indexOf(0, x);
          if (end < 0) end = width;
          const [first, last] = [(x >> across) * bytes, (((end - 1) >> across) + 1) * bytes];
          const start = (row - (offset >> down)) * sourceRow;
          source.copy(sink, row * sinkRow + first, start + first, start + last);
          x = line.indexOf(1, end);
        }
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const frame of this.#like.kept?.splice(0) ?? []) frame.free();
    await this.#again?.close();
    this.#rgb?.free();
    this.#image?.free();
    this.#rgb = this.#image = undefined;
    for (const converter of [this.#converter, this.#toRgb, this.#fromRgb]) {
      converter[Symbol.dispose]();
    }
  }
}

/** Puts the pixels of an image into a frame, which is made when none is given or it has another format. */
function fillFrame(av: FFmpeg, image: Image, given: Frame | undefined): Frame {
  const { data, width, height, channels } = image;
  const frame = frameFor(
    av,
    image,
    channels === 4 ? av.AV_PIX_FMT_RGBA : av.AV_PIX_FMT_RGB24,
    given,
  );
  const [plane] = frame.data ?? [];
  const [stride = 0] = frame.linesize;
  const row = width * channels;
  if (stride === row) plane?.set(data);
  else
    for (let y = 0; y < height; y++) plane?.set(data.subarray(y * row, (y + 1) * row), y * stride);
  return frame;
}

/**
 * The same with 16 bits, and noise in those that the image does not tell, so that smooth surfaces
 * get no bands.
 */
function deepen(av: FFmpeg, image: Image, given: Frame | undefined): Frame {
  const { data, width, height, channels } = image;
  const format = channels === 4 ? av.AV_PIX_FMT_RGBA64LE : av.AV_PIX_FMT_RGB48LE;
  const frame = frameFor(av, image, format, given);
  const [plane] = frame.data as [Buffer];
  const [stride = 0] = frame.linesize;
  let seed = 1;
  for (let y = 0, i = 0; y < height; y++) {
    const row = new Uint16Array(plane.buffer, plane.byteOffset + y * stride, width * channels);
    for (let x = 0; x < row.length; x++, i++) {
      const value = (data[i] as number) * 257;
      if (channels === 4 && x % 4 === 3) {
        row[x] = value;
        continue;
      }
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      const noisy = value + (seed >> 24); // -128 to 127
      row[x] = noisy < 0 ? 0 : noisy > 65535 ? 65535 : noisy;
    }
  }
  return frame;
}

function frameFor(
  av: FFmpeg,
  { width, height }: Image,
  format: number,
  given: Frame | undefined,
): Frame {
  let frame = given;
  if (frame?.format !== format || frame.height !== height) {
    given?.free();
    frame = allocateFrame(av, format, width, height);
  }
  frame.colorSpace = av.AVCOL_SPC_RGB;
  frame.colorRange = av.AVCOL_RANGE_JPEG;
  return frame;
}
