import { stat } from 'node:fs/promises';
import type { FilterAPI } from 'node-av/api';
import { InpaintError } from '../errors.js';
import { expectInteger, expectNumber, expectOptions } from '../expect.js';
import {
  allocateFrame,
  Converter,
  type FFmpeg,
  type Frame,
  ffmpeg,
  fileError,
  formatName,
  hasAlpha,
  mediaError,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { decodePicture, isPicture } from './picture.js';
import { isStream, type VideoFrame, VideoReader } from './reader.js';
import { type Rotation, turned } from './rotation.js';
import { beginAt } from './seeker.js';
import { isOpaque } from './writer.js';

const op = 'openMask';

/** A rectangle that is hole, in pixels of the frame as displayed; what lies outside is cut off. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** First frame, counted from 0; 0 if left out. */
  readonly from?: number | undefined;
  /** Last frame, itself included; the video's last if left out. */
  readonly to?: number | undefined;
}

/**
 * What is to be removed: the path of an image (the same for all frames), of a folder of images or
 * of a video (one mask a frame), a {@link Box}, or a box as text: see {@link parseBox}.
 */
export type MaskSpec = string | Box;

/** @internal Whether it is a path: a folder may well be named 2024-01-01; a box has commas. */
export function isPath(spec: MaskSpec): spec is string {
  return typeof spec === 'string' && !/^([\d\s@-]*,|$)[\d\s,@-]*$/.test(spec);
}

/** A moment of a video: the number of a frame, or seconds after the first one. */
export type Moment = number | { readonly seconds: number };

/** What of masks counts; everything may be left out. */
export interface MaskOptions {
  /** Takes black for what is to be removed, in an image, a folder or a video. */
  readonly invert?: boolean | undefined;
  /**
   * Nothing is removed before: the number of a frame, or seconds after the first one. In
   * {@link inpaintFile}, what lies outside of `from` and `to` is copied where codec and key frames
   * allow.
   */
  readonly from?: Moment | undefined;
  /** The last frame of which something is removed, or the seconds at which that ends. */
  readonly to?: Moment | undefined;
}

const momentText = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s?)$/;

/**
 * Reads a moment from text: `90` is a frame, `12.5s`, `0:12.5` and `1:02:03` are times.
 *
 * @throws InpaintError ERR_ARGUMENT
 */
export function parseMoment(text: string): Moment {
  const [, hours = 0, minutes, seconds, unit] = momentText.exec(text.trim()) ?? [];
  if (seconds === undefined) {
    const expected = 'a frame as 90, or a time as 12.5s or 0:12.5';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got '${text}'`);
  }
  if (minutes === undefined && !unit && /^\d+$/.test(seconds)) return Number(seconds);
  return { seconds: Number(hours) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds) };
}

function expectMoment(name: string, moment: Moment | undefined): void {
  if (moment === undefined) return;
  if (typeof moment === 'number') expectInteger(op, name, moment, 0, 1_000_000_000);
  else expectNumber(op, `${name}.seconds`, moment?.seconds, 0, 1e9);
}

const boxText =
  /^\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:@\s*(\d+)?\s*(-)?\s*(\d+)?\s*)?$/;

/**
 * Reads a box from text: `10,20,64,48` is x, y, width and height for all frames;
 * `10,20,64,48@30-59` for these, `@30-` to the end, `@-59` from the start, `@30` for that frame
 * alone.
 *
 * @throws InpaintError ERR_ARGUMENT
 */
export function parseBox(text: string): Box {
  const [, x, y, width, height, from, dash, to] = boxText.exec(text) ?? [];
  const isRange = !text.includes('@') || from !== undefined || to !== undefined;
  if (height === undefined || !isRange) {
    const expected = 'a box as x,y,width,height or x,y,width,height@from-to';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got '${text}'`);
  }
  const last = to ?? (dash ? undefined : from);
  return expectBox({
    x: Number(x),
    y: Number(y),
    width: Number(width),
    height: Number(height),
    ...(from !== undefined && { from: Number(from) }),
    ...(last !== undefined && { to: Number(last) }),
  });
}

function expectBox(box: Box): Box {
  const last = 1_000_000_000;
  expectInteger(op, 'x of a box', box.x, -32768, 32767);
  expectInteger(op, 'y of a box', box.y, -32768, 32767);
  expectInteger(op, 'width of a box', box.width, 1, 65535);
  expectInteger(op, 'height of a box', box.height, 1, 65535);
  const from = expectInteger(op, 'the first frame of a box', box.from ?? 0, 0, last);
  expectInteger(op, 'the last frame of a box', box.to ?? last, from, last);
  return box;
}

/** @internal The box that is stored where x, y, width, height is displayed. */
export function stored(x: number, y: number, width: number, height: number, like: VideoReader) {
  const { width: w, height: h, rotation } = like;
  const [left, top] = {
    0: [x, y],
    90: [y, h - x - width],
    180: [w - x - width, h - y - height],
    270: [w - y - height, x],
  }[rotation] as [number, number];
  return rotation % 180
    ? { x: left, y: top, width: height, height: width }
    : { x: left, y: top, width, height };
}

/** The same box on the frame as it is stored, cut to it; right and bottom are just outside. */
function storedBox({ x, y, width, height }: Box, like: VideoReader) {
  const box = stored(x, y, width, height, like);
  const clip = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  const right = clip(box.x + box.width, like.width);
  const bottom = clip(box.y + box.height, like.height);
  return { x: clip(box.x, like.width), y: clip(box.y, like.height), right, bottom };
}

/** What masks are made of: an image that serves for all frames, or a video or folder, and boxes. */
interface MaskSource {
  /** For people. */
  readonly path: string;
  readonly still?: Frame;
  readonly reader?: VideoReader;
  readonly boxes: readonly Box[];
  readonly options: MaskOptions;
  /** Whether the masks of a reader are found by their time; else the first is the first frame's. */
  readonly byTime: boolean;
  readonly remarks: readonly string[];
}

/** What is hole in either mask. */
function union(a: Buffer, b: Buffer): Buffer {
  if (a.equals(b)) return a;
  const both = Buffer.from(a);
  for (let i = 0; i < both.length; i++) both[i] = (a[i] as number) | (b[i] as number);
  return both;
}

/**
 * Masks for the frames of a {@link VideoReader}: an async iterable of grey images of its size, 255
 * in the hole and 0 elsewhere, turned as the frames are stored. It can be read once.
 */
export class MaskReader implements AsyncIterable<Image>, AsyncDisposable {
  /** The path, or `boxes`. */
  readonly path: string;
  /** How many the source says there are; undefined when they serve for any number of frames. */
  readonly frames: number | undefined;
  /** What a user should know of how masks and frames go together. */
  readonly remarks: readonly string[];
  readonly #av: FFmpeg;
  readonly #like: VideoReader;
  readonly #source: MaskSource;
  readonly #filters = new Map<string, FilterAPI>();
  readonly #converter: Converter;
  readonly #masks: AsyncGenerator<Image, void, void>;

  private constructor(av: FFmpeg, like: VideoReader, source: MaskSource) {
    this.path = source.path;
    this.frames = source.reader?.frames;
    this.remarks = source.remarks;
    this.#av = av;
    this.#like = like;
    this.#source = source;
    this.#converter = new Converter(av);
    this.#masks = this.#read();
  }

  /** @internal See {@link openMask}. */
  static open(av: FFmpeg, like: VideoReader, source: MaskSource): MaskReader {
    return new MaskReader(av, like, source);
  }

  /** @internal Makes the masks begin with that of the video's first frame that is read. */
  async begin(): Promise<void> {
    const { reader, byTime } = this.#source;
    if (reader && !byTime) await beginAt(reader, this.#like.begun);
  }

  /** Whether all frames have the same mask. */
  get isConstant(): boolean {
    const { still, boxes, options } = this.#source;
    const { from, to } = options;
    return still !== undefined && !boxes.length && from === undefined && to === undefined;
  }

  /** The masks, in order. */
  [Symbol.asyncIterator](): AsyncGenerator<Image, void, void> {
    return this.#masks;
  }

  async *#read(): AsyncGenerator<Image, void, void> {
    const { width, height } = this.#like;
    const { boxes, options } = this.#source;
    const holes = this.#source.byTime ? this.#holesByTime() : this.#holes();
    for (let index = this.#like.begun; ; ++index) {
      if (this.#isPast(options.to, index, true)) {
        yield { data: Buffer.alloc(width * height), width, height, channels: 1 };
        continue;
      }
      const { value, done } = await holes.next();
      if (done) return;
      let data: Buffer = value;
      const now = boxes.filter(({ from = 0, to = index }) => from <= index && index <= to);
      const isBefore = options.from !== undefined && !this.#isPast(options.from, index, false);
      if (isBefore || now.length) data = isBefore ? Buffer.alloc(data.length) : Buffer.from(data);
      if (!isBefore) for (const box of now) this.#fill(data, box);
      yield { data, width, height, channels: 1 };
    }
  }

  /** Whether a frame is a moment or behind it; the last frame itself is not behind. */
  #isPast(moment: Moment | undefined, index: number, isLast: boolean): boolean {
    if (moment === undefined) return false;
    if (typeof moment === 'number') return isLast ? index > moment : index >= moment;
    return this.#like.time >= moment.seconds - 1e-6;
  }

  #fill(data: Buffer, box: Box): void {
    const { x, y, right, bottom } = storedBox(box, this.#like);
    const { width } = this.#like;
    for (let row = y; row < bottom; row++) data.fill(255, row * width + x, row * width + right);
  }

  /** What the source says, without boxes. */
  async *#holes(): AsyncGenerator<Buffer, void, void> {
    const { reader, still, path } = this.#source;
    if (!reader) {
      const { width, height } = this.#like;
      const same = still ? await this.#hole(still, path) : Buffer.alloc(width * height);
      for (;;) yield same;
    }
    let index = reader.begun;
    for await (const frame of reader.decoded(op)) {
      yield await this.#hole(frame, reader.images?.[index] ?? path, reader);
      reader.timings.length = 0;
      index += 1;
    }
  }

  /**
   * The holes at the times of the frames: those of the mask shown then, or of both that it lies
   * between. Past the last mask by more than a frame there are none.
   */
  async *#holesByTime(): AsyncGenerator<Buffer, void, void> {
    const reader = this.#source.reader as VideoReader;
    const slack = 1 / reader.fps / 8;
    const masks = this.#holes();
    const take = async () => {
      const { value } = await masks.next();
      return value && { data: value, time: reader.time };
    };
    let before = await take();
    let after = await take();
    while (before) {
      const { time } = this.#like;
      while (after && after.time <= time + slack) {
        before = after;
        after = await take();
      }
      if (!after && time > before.time + 1 / reader.fps + 1 / this.#like.fps) return;
      const isBetween = time > before.time + slack;
      yield isBetween && after ? union(before.data, after.data) : before.data;
    }
  }

  async #hole(frame: Frame, path: string, reader?: VideoReader): Promise<Buffer> {
    const av = this.#av;
    const isVideo = reader !== undefined && !reader.images;
    const name = formatName(av, frame.format);
    const steps = [...turned[this.#turn(frame, path, reader?.rotation ?? 0)]];
    const byAlpha = hasAlpha(av, frame.format) && !(await this.#isOpaque(frame));
    const isLossy = isVideo || name.startsWith('yuv') || /\.jpe?g$/i.test(path);
    // A lossless mask keeps its depth, so that 1 of 65535 counts.
    const isDeep = !isVideo && /16|48|64/.test(name);
    if (byAlpha) steps.push(isDeep ? 'format=rgba64le' : 'format=rgba', 'extractplanes=a');
    else if (isLossy || !/^(gray|rgb|bgr|gbr)/.test(name)) steps.push('format=gbrp');
    else if (name.endsWith('be')) steps.push(`format=${name.replace(/be$/, 'le')}`);
    const least = isVideo || (isLossy && !byAlpha) ? 32 : 1;
    const each = ['c0', 'c1', 'c2'].map((c) => `${c}='65535*gte(val\\,${least})'`);
    // Blue alone makes a grey of 29, or of 41 in the narrow range, where black is 16.
    const hole = this.#source.options.invert ? 'lte' : 'gt';
    steps.push(`lut=${each.join(':')}`, 'format=gray', `lut='255*${hole}(val\\,24)'`);
    return this.#filter(frame, steps.join(','));
  }

  /**
   * How far a mask is to be turned: one that was made from the displayed picture is turned back;
   * one that has the size of the stored picture alone was made from that.
   */
  #turn(frame: Frame, path: string, rotation: Rotation): Rotation {
    const { width, height } = this.#like;
    const turn = ((rotation - this.#like.rotation + 360) % 360) as Rotation;
    const [w, h] = turn % 180 ? [frame.height, frame.width] : [frame.width, frame.height];
    if (w === width && h === height) return turn;
    if (frame.width === width && frame.height === height) return 0;
    const expected = `mask ${path} to be ${width} x ${height} like ${this.#like.path}`;
    const got = `${frame.width} x ${frame.height}`;
    throw new InpaintError('ERR_SHAPE', op, `expected ${expected}, got ${got}`);
  }

  async #isOpaque(frame: Frame): Promise<boolean> {
    const { width, height } = frame;
    using rgba = allocateFrame(this.#av, this.#av.AV_PIX_FMT_RGBA, width, height);
    await this.#converter.convert(frame, rgba, op);
    return isOpaque({ data: rgba.toBuffer(), width, height, channels: 4 });
  }

  async #filter(frame: Frame, steps: string): Promise<Buffer> {
    const { FilterAPI } = await import('node-av/api');
    const filter = this.#filters.get(steps) ?? FilterAPI.create(steps);
    this.#filters.set(steps, filter);
    frame.timeBase = new this.#av.Rational(1, 25);
    frame.pts = 0n;
    const expected = `${this.path} to be a mask that FFmpeg converts`;
    const made = await filter.processAll(frame).catch((cause) => {
      throw fileError(op, expected, cause);
    });
    const data = made[0]?.toBuffer();
    for (const each of made) each.free();
    if (!data) throw mediaError(op, expected, 'nothing');
    return data;
  }

  /** Ends a reading in progress and closes the source. May be called twice. */
  async close(): Promise<void> {
    await this.#masks.return();
    for (const filter of this.#filters.values()) filter.close();
    this.#filters.clear();
    this.#source.still?.free();
    await this.#source.reader?.close();
    this.#converter[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens what says which pixels to remove. Several things add up; at most one of them may be a path.
 *
 * - In an image or a folder of them, any pixel that is not black is hole. JPEG and lossy WebP blur
 *   black, so there it takes 32 of 255 in some channel.
 * - In a video likewise, whatever its codec: 32 of 255, after expansion to the full range.
 * - A mask with transparent pixels is judged by its alpha alone: what is not fully transparent is
 *   hole. So a cut-out of the object, or strokes on an empty layer, are masks.
 * - A mask has the size of the frame, either as it is displayed or as it is stored in a video that
 *   players turn; where both fit it is taken as displayed.
 * - A source with a mask per frame must have at least as many as the video has frames. A video of
 *   another rate and another number of frames is matched by time; what its frames show then is
 *   `remarks` of the reader.
 *
 * @throws InpaintError (rejects) ERR_ARGUMENT (a box, an option), ERR_SHAPE (another size; while
 *   reading too), ERR_MEDIA (too few masks, a file that cannot be read)
 */
export async function openMask(
  mask: MaskSpec | readonly MaskSpec[],
  like: VideoReader,
  options: MaskOptions = {},
): Promise<MaskReader> {
  const av = await ffmpeg(op);
  const known = ['invert', 'from', 'to'] satisfies (keyof MaskOptions)[];
  expectOptions(op, 'options', options, known);
  expectMoment('from', options.from);
  expectMoment('to', options.to);
  const specs = typeof mask === 'object' && Symbol.iterator in mask ? mask : [mask];
  const [path, ...more] = specs.filter(isPath);
  if (!specs.length || more.length) {
    const got = specs.length ? `${more.length + 1} paths` : 'nothing';
    const message = `expected boxes and at most one path as mask, got ${got}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  const boxes = specs
    .filter((spec) => !isPath(spec))
    .map((spec) => (typeof spec === 'string' ? parseBox(spec) : expectBox(spec)));
  for (const box of boxes) expectInside(box, like);
  const source = { boxes, options, byTime: false, remarks: [] };
  if (path === undefined) {
    if (options.invert) {
      const message = 'expected an image, a folder or a video to invert, got boxes';
      throw new InpaintError('ERR_ARGUMENT', op, message);
    }
    return MaskReader.open(av, like, { path: 'boxes', ...source });
  }
  if (path === '-' && like.path === '-') {
    const message = 'expected one of video and mask from the standard input, got both';
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  const info = isStream(path)
    ? undefined
    : await stat(path).catch((cause) => {
        throw fileError(op, `mask ${path} to be a readable image, video or folder`, cause);
      });
  if (info?.isFile() && isPicture(path)) {
    const still = await decodePicture(av, op, path);
    return MaskReader.open(av, like, { path, still, ...source });
  }
  const deinterlace = like.fieldOrder === 'progressive';
  const reader = await VideoReader.open(op, path, { deinterlace });
  try {
    if (reader.isStill) {
      const { value } = await reader.decoded(op).next();
      const still = value?.clone() ?? undefined;
      await reader.close();
      return MaskReader.open(av, like, { path, ...(still && { still }), ...source });
    }
    const matched = await match(reader, like, options);
    return MaskReader.open(av, like, { path, reader, ...source, ...matched });
  } catch (error) {
    await reader.close();
    throw error;
  }
}

function expectInside(box: Box, like: VideoReader): void {
  const { x, y, right, bottom } = storedBox(box, like);
  if (x < right && y < bottom) return;
  const sides = like.rotation % 180 ? [like.height, like.width] : [like.width, like.height];
  const got = [box.x, box.y, box.width, box.height].join(',');
  const message = `expected a box inside of ${sides.join(' x ')}, got ${got}`;
  throw new InpaintError('ERR_ARGUMENT', op, message);
}

/**
 * Finds how masks and frames go together, and says at once, not hours later, that there are too
 * few.
 */
async function match(masks: VideoReader, like: VideoReader, { to }: MaskOptions) {
  const byIndex = { byTime: false, remarks: [] as string[] };
  if (masks.frames === undefined || like.frames === undefined) return byIndex;
  // What files say is checked by counting.
  for (const each of masks.frames === like.frames ? [] : [masks, like]) await each.count();
  const { frames: got, fps } = masks;
  const { frames: needed, path } = like;
  if (got === needed) return byIndex;
  const isOtherRate = !masks.images && !like.images && Math.abs(fps / like.fps - 1) > 0.01;
  if (isOtherRate) {
    const missing = needed / like.fps - got / fps;
    if (missing * Math.min(fps, like.fps) > 1.5 && to === undefined) {
      const lasts = (seconds: number) => `${seconds.toFixed(2)} s`;
      const expected = `mask ${masks.path} to last as long as ${path}, ${lasts(needed / like.fps)}`;
      const hint = `(--to ${(got / fps).toFixed(2)}s works on those alone)`;
      throw mediaError(op, expected, `${lasts(got / fps)} ${hint}`);
    }
    const rates = `${round(fps)} masks a second, ${path} ${round(like.fps)} frames`;
    return { byTime: true, remarks: [`${masks.path} has ${rates}; they are matched by time`] };
  }
  // A time, too, ends the work before masks are missing, or the frame that lacks one is told.
  if (got < needed && !(typeof to === 'number' && to < got) && typeof to !== 'object') {
    throw tooFew(masks.path, got, path, `${needed}`);
  }
  if (got < needed) return byIndex;
  const left = `the last ${got - needed} are not used`;
  return { ...byIndex, remarks: [`${masks.path} has ${got} masks for ${needed} frames; ${left}`] };
}

const round = (rate: number) => Number(rate.toFixed(3));

function tooFew(path: string, got: number, video: string, needed: string): InpaintError {
  const hint = got ? ` (--to ${got - 1} works on those alone)` : '';
  return mediaError(op, `mask ${path} to have the ${needed} frames of ${video}`, `${got}${hint}`);
}

/**
 * Puts frames and masks together, as `Inpainter.inpaint` takes them. Masks beyond the last frame
 * are left.
 *
 * @throws InpaintError (while reading) what the two throw, and ERR_MEDIA when the masks end first
 */
export async function* pairFrames(
  video: VideoReader,
  masks: MaskReader,
): AsyncGenerator<{ frame: VideoFrame; mask: Image }, void, void> {
  const mask = masks[Symbol.asyncIterator]();
  let index = 0;
  for await (const frame of video) {
    const { value, done } = await mask.next();
    if (done) throw tooFew(masks.path, index, video.path, `${index + 1} or more`);
    yield { frame, mask: value };
    index += 1;
  }
}
