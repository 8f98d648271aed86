import { realpath, stat } from 'node:fs/promises';
import { InpaintError } from '../errors.js';
import { expectOptions } from '../expect.js';
import type { Carried } from './completion.js';
import type { Copies } from './copies.js';
import type { WriteOptions } from './encoding.js';
import { mediaError } from './ffmpeg.js';
import type { FramePair, Image } from './image.js';
import { isPath, type MaskOptions, type MaskSpec, openMask, pairFrames } from './masks.js';
import { createPartial, openVideo } from './media.js';
import { isStream, type ReadOptions, type VideoFrame, type VideoReader } from './reader.js';
import type { Report } from './report.js';
import { endsBefore } from './segments.js';
import type { ShotChange } from './shots.js';
import { fingerprint, WorkFolder } from './work.js';
import { clearLeftovers, type VideoWriter } from './writer.js';

/** A frame as an inpainter yields it, see `Inpainter.inpaint`. */
interface Inpainted extends VideoFrame {
  readonly index: number;
  readonly coverage: number;
  readonly shot: number;
  /** @internal */
  readonly ended?: { readonly carried: Carried | undefined };
  readonly givenUp?: number;
}

/** How far a file is. */
export interface FileProgress {
  readonly frame: number;
  readonly frames?: number | undefined;
  /** Whether `frames` is a guess. */
  readonly framesGuessed?: boolean | undefined;
  readonly fps: number;
  readonly coverage: number;
}

/** What inpaints: an `Inpainter`, or anything of its shape. */
export interface FrameInpainter {
  /** @internal All that decides what a frame's bits are, beside the frames. */
  settings?(): Promise<Record<string, unknown>>;
  inpaint(
    source: AsyncIterable<FramePair>,
    options: {
      signal?: AbortSignal;
      onProgress?: (progress: FileProgress) => void;
      frames?: number;
      from?: number;
      to?: number;
      /** @internal */
      segmented?: {
        readonly carried?: Carried | undefined;
        readonly endsBefore: (index: number, shot: number) => boolean;
        readonly changes?: ReadonlyMap<number, ShotChange>;
      };
    },
  ): AsyncIterable<Inpainted>;
}

/** One file to inpaint. */
export interface FileJob extends ReadOptions, MaskOptions, WriteOptions {
  /** A video, a URL of one, `-` for the standard input, or a folder of images. */
  readonly input: string;
  /** What to remove, see {@link openMask}. */
  readonly mask: MaskSpec | readonly MaskSpec[];
  /** A video, or a folder for PNG, see {@link createWriter}. */
  readonly output: string;
  /**
   * Keeps what is finished in a folder beside the output, `.NAME.work`, until all is, and goes on
   * from what an earlier run left there, however that ended. The frames are those of a run that was
   * not stopped. Input, masks and output are files or folders.
   */
  readonly resume?: boolean | undefined;
  /** Ends the work with ERR_ABORTED; no output is left. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
  /**
   * Told what a user should know: streams that cannot be copied, masks that look wrong, fields,
   * damage.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Sees the frames as they are read and completed, see {@link Report}. */
  readonly report?: Report | undefined;
}

const jobOptions = [
  'input',
  'mask',
  'output',
  'fps',
  'deinterlace',
  'onError',
  'invert',
  'from',
  'to',
  'codec',
  'crf',
  'preset',
  'pixelFormat',
  'format',
  'resume',
  'signal',
  'onProgress',
  'onWarning',
  'report',
] satisfies (keyof FileJob)[];

/** What became of a {@link FileJob}. */
export interface FileResult {
  readonly output: string;
  readonly frames: number;
  /** How many of them an earlier run had finished. */
  readonly resumed: number;
  /** Frames that had a hole. */
  readonly masked: number;
  /** Mean share of the hole that some reference shows, over the frames with one; 1 if none. */
  readonly coverage: number;
  /** How many references of a frame were given up to stay under the inpainter's memory limit. */
  readonly givenUp: number;
  /** Numbers of the frames of which damage made the decoder conceal a part. */
  readonly concealed: readonly number[];
  /** How the output is encoded, for people: `h264 (crf 16, preset fast, yuv420p)`. */
  readonly encoding: string;
  readonly seconds: number;
  /** Frames inpainted a second, decoding and encoding included. */
  readonly fps: number;
}

/**
 * @internal Frames, as they are decoded, in memory outside of the inpainter: in four decoders, an encoder and
 * on their way. Measured with two cores: 118 of 1920x1080.
 */
export const framesBesides = 128;

/** Share of the picture above which a mask is likely to be the wrong way round. */
const largestShare = 0.5;

/** What looks wrong about a mask. */
function doubt({ data, width, height }: Image, index: number): string | undefined {
  let hidden = 0;
  for (const value of data) if (value) hidden += 1;
  const share = hidden / (width * height);
  if (share <= largestShare) return undefined;
  const percent = `${Number((share * 100).toFixed(share > 0.99 ? 1 : 0))} %`;
  const hint = 'if it is white where nothing is to be removed, invert it (--invert)';
  return `the mask removes ${percent} of the picture of frame ${index}; ${hint}`;
}

/** `3, 5-8`. */
function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const n of numbers) {
    const last = parts.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

/** @internal What there is to say of how a video was stored. */
export function tellFields(
  input: string,
  video: VideoReader,
  deinterlace: boolean,
): string | undefined {
  const { storedFields: order, fps } = video;
  if (order === 'progressive') return undefined;
  const what = `${input} is interlaced, ${order}, ${Number(fps.toFixed(3))} frames a second`;
  return deinterlace
    ? `${what}; each two fields become a whole frame`
    : `${what}; it stays so (--deinterlace makes whole frames)`;
}

/** What becomes of the frames that nothing is removed from. */
function tellCopies(output: string, copies: Copies | undefined): string {
  if (!copies) return `all of ${output} is encoded anew`;
  const { from, end, times } = copies;
  const parts = [
    ...(from ? [`0-${from - 1}`] : []),
    ...(end < times.length ? [`${end}-${times.length - 1}`] : []),
  ];
  return `copied into ${output} as they are: frames ${parts.join(', ')}`;
}

/** The same file by another name counts as the same. */
async function isSameFile(a: string, b: string): Promise<boolean> {
  if (isStream(a) || isStream(b)) return false;
  const [x, y] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  if (!x || !y) return false;
  return (
    (x.ino !== 0 && x.ino === y.ino && x.dev === y.dev) ||
    (await realpath(a)) === (await realpath(b))
  );
}

function specsOf(mask: FileJob['mask']): readonly MaskSpec[] {
  return typeof mask === 'object' && Symbol.iterator in mask ? mask : [mask];
}

/**
 * @internal Judges that an output replaces nothing that is read.
 *
 * @throws InpaintError (rejects) ERR_ARGUMENT
 */
export async function expectOther(
  op: string,
  { input, mask }: Pick<FileJob, 'input' | 'mask'>,
  output: string,
): Promise<void> {
  for (const path of [input, ...specsOf(mask).filter(isPath)]) {
    if (!(await isSameFile(path, output))) continue;
    const expected = 'an output other than what is read';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${output} for both`);
  }
}

/** How the rest of some work is divided. */
function segmentsFrom({ next, carried }: WorkFolder) {
  let begun = next;
  return {
    carried,
    endsBefore(index: number, shot: number) {
      const isEnd = endsBefore(begun, index, shot);
      if (isEnd) begun = index;
      return isEnd;
    },
  };
}

/** @internal Asks for the next items while the latest is worked on: decoding and computing overlap. */
export async function* readAhead<T>(
  source: AsyncGenerator<T, void, void>,
  items: number,
): AsyncGenerator<T, void, void> {
  const asked: Promise<IteratorResult<T, void>>[] = [];
  try {
    for (;;) {
      while (asked.length <= items) {
        const next = source.next();
        next.catch(() => {}); // heard when its turn comes
        asked.push(next);
      }
      const { value, done } = (await asked.shift()) as IteratorResult<T, void>;
      if (done) return;
      yield value as T;
    }
  } finally {
    await source.return();
  }
}

/**
 * Decodes a video from start to end beside the work, so that damage ends that at once and not when
 * the work comes to it. It costs a decoding without filters.
 */
class DamageCheck implements AsyncDisposable {
  /** The damage that was found. */
  damage: unknown;
  /** Aborted when the given one is, or by damage. */
  readonly signal: AbortSignal;
  readonly #found = new AbortController();
  #isEnded = false;
  readonly #running: Promise<void>;

  constructor(input: string, video: VideoReader, signal: AbortSignal | undefined) {
    this.signal = AbortSignal.any([this.#found.signal, ...(signal ? [signal] : [])]);
    const isChecked = !video.keepsErrors && !video.images && !isStream(input);
    this.#running = isChecked ? this.#run(input) : Promise.resolve();
  }

  async #run(input: string): Promise<void> {
    try {
      await using video = await openVideo(input);
      await video.check('openVideo', () => this.#isEnded);
    } catch (error) {
      this.damage = error;
      this.#found.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    await this.#running;
  }
}

/** @throws InpaintError ERR_ARGUMENT when work on these cannot go on after a stop. */
function expectResumable(op: string, { input, mask, output, report }: FileJob): void {
  const wrong = (expected: string, got: string) =>
    new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${got}`);
  const stream = [input, ...specsOf(mask).filter(isPath), output].find(isStream);
  if (stream !== undefined) {
    throw wrong('files or folders, as work is to go on after a stop', stream);
  }
  if (report) throw wrong('no report of work that goes on after a stop', report.path);
}

/** All that decides what an output's frames are. */
async function settingsOf(
  inpainter: FrameInpainter,
  { input, mask, fps, deinterlace, onError, invert, from, to }: FileJob,
  { encoding, headers }: VideoWriter,
): Promise<Record<string, unknown>> {
  return {
    ...(await inpainter.settings?.()),
    input: await fingerprint(input),
    masks: await Promise.all(specsOf(mask).map((it) => (isPath(it) ? fingerprint(it) : it))),
    ...{ fps, deinterlace, onError, invert, from, to, encoding, headers },
  };
}

/**
 * Inpaints a file: reads, completes and writes frame by frame, with memory bounded however long the
 * video is.
 *
 * @throws InpaintError (rejects) what {@link openVideo}, {@link openMask}, {@link createWriter} and
 *   `Inpainter.inpaint` throw, and ERR_ARGUMENT when the output would replace what is read. Nothing
 *   is left under the output's name then
 */
export async function inpaintFile(inpainter: FrameInpainter, job: FileJob): Promise<FileResult> {
  const op = 'inpaintFile';
  expectOptions(op, 'job', job, jobOptions);
  const { input, mask, output, signal, onProgress, onWarning = () => {}, report } = job;
  const { fps, deinterlace, onError, invert, from, to } = job;
  const { codec, crf, preset, pixelFormat, format, resume } = job;
  const started = performance.now();
  await expectOther(op, job, output);
  if (resume) expectResumable(op, job);
  for (const name of isStream(output) ? [] : await clearLeftovers(output)) {
    onWarning(`${name} was left by a run that ended early; it is removed`);
  }
  await using work = resume ? await WorkFolder.open(output, onWarning) : undefined;
  await using video = await openVideo(input, { fps, deinterlace, onError });
  await video.count();
  video.tellStored(framesBesides);
  await using holes = await openMask(mask, video, { invert, from, to });
  const encoding = { codec, crf, preset, pixelFormat, format };
  const range = from === undefined && to === undefined ? undefined : { from, to };
  // A report looks at all frames.
  const apart = report ? undefined : range;
  await using writer = await createPartial(output, video, encoding, apart, work);
  await work?.begin(await settingsOf(inpainter, job, writer), await writer.whole());
  const resumed = work?.next ?? 0;
  const { copies } = writer;
  const first = Math.max(resumed, copies?.from ?? 0);
  if (range) onWarning(tellCopies(output, copies));
  if (resumed) onWarning(`frames to ${resumed - 1} were finished by an earlier run`);
  const fields = tellFields(input, video, deinterlace ?? false);
  if (fields) onWarning(fields);
  for (const remark of holes.remarks) onWarning(remark);
  if (writer.changesCodec)
    onWarning(`${input} is ${writer.changesCodec}; ${output} becomes ${writer.encoding}`);
  if (writer.dropsChapters) onWarning(`${input} has chapters; ${output} is written without them`);
  for (const dropped of writer.dropped) {
    onWarning(`${output} cannot hold ${dropped} of ${input}; it is left out`);
  }

  await using check = new DamageCheck(input, video, signal);
  let read = 0;
  let { masked, covered } = work?.sums ?? { masked: 0, covered: 0 };
  let givenUp = 0;
  let isDoubted = false;
  let looked = 0;
  const holed = new Set<number>();
  async function* pairs() {
    for await (const pair of pairFrames(video, holes)) {
      const hasHole = pair.mask.data.includes(255);
      if (!read && !hasHole && holes.isConstant) {
        onWarning(`${holes.path} has no hole: nothing is removed; what is not black would be`);
      }
      if (hasHole) {
        // The first one, and one now and then: to count takes longer than to look.
        const doubtful = !isDoubted && looked++ % 16 === 0 && doubt(pair.mask, read);
        if (doubtful) onWarning(doubtful);
        isDoubted ||= Boolean(doubtful);
        if (read >= first) holed.add(read);
      }
      if (read < first) await writer.pass();
      read += 1;
      yield pair;
    }
  }
  const tell = (progress: FileProgress) => {
    const { frames, framesGuessed } = video;
    const isOver = frames !== undefined && progress.frame > frames;
    onProgress?.({ ...progress, frames: isOver ? undefined : frames, framesGuessed });
  };
  const options = {
    signal: check.signal,
    ...(onProgress && { onProgress: tell }),
    ...(video.frames !== undefined && { frames: video.frames }),
    from: first,
    ...(copies && { to: Math.max(copies.end - 1, first) }),
    ...(work && { segmented: segmentsFrom(work) }),
  };
  const worker = report ? report.watch(inpainter, video) : inpainter;
  let written: Promise<void> = Promise.resolve();
  try {
    for await (const frame of worker.inpaint(readAhead(pairs(), 2), options)) {
      if (copies && frame.index >= copies.end) break; // all was finished
      const hadHole = holed.delete(frame.index);
      givenUp = frame.givenUp ?? 0;
      if (hadHole) {
        masked += 1;
        covered += frame.coverage;
      }
      await written;
      written = writer.write(frame, { isOriginal: !hadHole });
      if (frame.ended) written = writer.endSegment({ masked, covered }, frame.ended.carried);
      written.catch(() => {}); // heard with the next frame
    }
  } catch (error) {
    throw check.damage ?? error;
  }
  if (check.damage) throw check.damage;
  await written;
  if (signal?.aborted) {
    const options = { cause: signal.reason };
    throw new InpaintError('ERR_ABORTED', op, 'expected to finish, got aborted', options);
  }
  const expected = copies?.end ?? read;
  if (writer.frames !== expected) {
    throw mediaError(op, 'as many frames out as in', `${writer.frames} for ${expected}`);
  }
  await writer.endSegment({ masked, covered }, undefined);
  await writer.close();
  const frames = copies?.times.length ?? read;
  const { concealed, lost, cutOff } = video;
  if (concealed.length) {
    onWarning(`${input} is damaged: a part of these frames is concealed: ${ranges(concealed)}`);
  }
  if (lost) onWarning(`${input} is damaged: ${lost} packets could not be decoded`);
  if (cutOff) onWarning(`${input} is cut off; the result ends with frame ${frames - 1}`);
  if (!masked && !holes.isConstant) {
    onWarning(`the mask has no hole in any of the ${frames} frames; they are unchanged`);
  }
  const seconds = (performance.now() - started) / 1000;
  const coverage = masked ? covered / masked : 1;
  return {
    output,
    frames,
    resumed,
    masked,
    coverage,
    givenUp,
    concealed,
    encoding: writer.encoding,
    seconds,
    fps: (expected - first) / seconds,
  };
}
