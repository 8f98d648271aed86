// One file worked on in parts, by whichever processes there are: planned once, each part completed
// and encoded for itself, then joined. Internal.

import { extname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { InpaintError } from '../errors.js';
import { containers } from './encoding.js';
import { mediaError } from './ffmpeg.js';
import { type FileJob, type FrameInpainter, framesBesides, readAhead, tellFields } from './file.js';
import type { FramePair } from './image.js';
import { openMask, pairFrames } from './masks.js';
import { createPartial, openVideo } from './media.js';
import { isStream, type VideoReader } from './reader.js';
import { beginAt } from './seeker.js';
import { endsBefore, type SegmentLengths } from './segments.js';
import type { ShotChange } from './shots.js';
import { carriedName, readCarried, type Sums, segmentName, WorkFolder } from './work.js';

const op = 'inpaintFile';

/** What of a {@link FileJob} decides its frames and their encoding; paths are local. */
export type PartJob = Pick<
  FileJob,
  | 'input'
  | 'mask'
  | 'output'
  | 'fps'
  | 'deinterlace'
  | 'onError'
  | 'invert'
  | 'from'
  | 'to'
  | 'codec'
  | 'crf'
  | 'preset'
  | 'pixelFormat'
  | 'format'
>;

/** Frames `from` to `to` of a video, themselves included, as one piece of work. */
export interface Part {
  readonly from: number;
  readonly to: number;
  /** Whether it begins within a shot, with what the part before it carries on. */
  readonly isCarriedOn: boolean;
  /** Whether the part behind it begins with what it carries on. */
  readonly carriesOn: boolean;
  /** Where reading begins: at the latest cut up to `from`. */
  readonly reads: number;
  /** CRC-32 of that frame's bytes, by which it is known. */
  readonly check: number;
  /** What the frames that are looked at say of the shots before them. */
  readonly changes: readonly (readonly [number, ShotChange])[];
}

/** What was found out of a video while it was planned. */
export interface Plan {
  readonly frames: number;
  /** Numbers of the frames of which damage made the decoder conceal a part. */
  readonly concealed: readonly number[];
  readonly warnings: readonly string[];
}

/** What plans and completes parts: an `Inpainter`. */
export interface PartInpainter extends FrameInpainter {
  shots(
    source: AsyncIterable<FramePair>,
    signal?: AbortSignal,
  ): AsyncIterable<{
    readonly shot: number;
    readonly changes: ReadonlyMap<number, ShotChange>;
  }>;
}

/** @throws InpaintError ERR_ARGUMENT unless parts of that output can be joined */
export function expectJoinable({ input, output, format }: PartJob): void {
  const isVideo = extname(output).toLowerCase() in containers || format !== undefined;
  const wrong = isStream(input) ? input : isVideo && !isStream(output) ? undefined : output;
  if (wrong === undefined) return;
  const expected = `a file as input, and as output one of ${Object.keys(containers).join(' ')}`;
  throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${wrong}`);
}

const openInput = ({ input, fps, deinterlace, onError }: PartJob) =>
  openVideo(input, { fps, deinterlace, onError });
const encodingOf = ({ codec, crf, preset, pixelFormat, format }: PartJob) => ({
  codec,
  crf,
  preset,
  pixelFormat,
  format,
});

/** Frames with an empty mask, and what tells each frame from others. */
async function* unmasked(video: VideoReader, checks: number[]): AsyncGenerator<FramePair> {
  const { width, height } = video;
  const mask = { data: new Uint8Array(width * height), width, height, channels: 1 as const };
  for await (const frame of video) {
    checks.push(crc32(frame.data));
    video.timings.length = 0;
    yield { frame, mask };
  }
}

/**
 * Divides a video, which is decoded once for that. What comes of the parts has the bits of an
 * undivided run.
 *
 * @returns parts as they are known: each list follows a cut, and in it each part but the first
 *   needs the one before it
 */
export async function* planParts(
  inpainter: PartInpainter,
  job: PartJob,
  lengths: SegmentLengths,
  {
    signal,
    onProgress,
  }: {
    signal?: AbortSignal;
    onProgress?: (frame: number, frames: number | undefined) => void;
  } = {},
): AsyncGenerator<Part[], Plan, void> {
  await using video = await openInput(job);
  await video.count();
  const { invert, from: first, to: last } = job;
  await using holes = await openMask(job.mask, video, { invert, from: first, to: last });
  const fields = tellFields(job.input, video, job.deinterlace ?? false);
  const warnings = [...(fields ? [fields] : []), ...holes.remarks];
  const checks: number[] = [];
  let chain: Part[] = [];
  let changes: ReadonlyMap<number, ShotChange> = new Map();
  let [index, from, cut, reads, isCarriedOn] = [0, 0, 0, 0, false];
  const end = (isNeeded: boolean) => {
    const known = [...changes].filter(([at]) => at >= reads);
    const check = checks[reads] as number;
    const to = index - 1;
    chain.push({ from, to, isCarriedOn, carriesOn: isNeeded, reads, check, changes: known });
  };
  for await (const seen of inpainter.shots(readAhead(unmasked(video, checks), 2), signal)) {
    ({ changes } = seen);
    const isCut = seen.shot === index;
    if (isCut) cut = index;
    if (index && endsBefore(from, index, seen.shot, lengths)) {
      end(!isCut);
      if (isCut) {
        yield chain;
        chain = [];
      }
      [from, reads, isCarriedOn] = [index, cut, !isCut];
    }
    index += 1;
    onProgress?.(index, video.frames);
  }
  end(false);
  yield chain;
  return { frames: index, concealed: video.concealed, warnings };
}

/** What became of a part. */
export interface PartResult extends Sums {
  /** Paths of the segment, and of what it carries on. */
  readonly segment: string;
  readonly carried: string | undefined;
}

/**
 * Completes and encodes a part.
 *
 * @param folder a new one, for what comes of it
 * @param options.carried path of what the part before it carried on
 */
export async function completePart(
  inpainter: PartInpainter,
  job: PartJob,
  part: Part,
  folder: string,
  {
    carried: path,
    signal,
    onFrame,
  }: { carried?: string | undefined; signal?: AbortSignal; onFrame?: (done: number) => void } = {},
): Promise<PartResult> {
  const { from, to, reads } = part;
  const carried = path === undefined ? undefined : await readCarried(path);
  await using work = await WorkFolder.private(folder, from);
  await using video = await openInput(job);
  await video.count();
  await beginAt(video, reads, ({ data }) => crc32(data) === part.check);
  video.tellStored(framesBesides);
  const { invert, from: first, to: last } = job;
  await using holes = await openMask(job.mask, video, { invert, from: first, to: last });
  await holes.begin();
  const output = join(folder, `part${extname(job.output)}`);
  await using writer = await createPartial(output, video, encodingOf(job), undefined, work);
  const holed = new Set<number>();
  let read = reads;
  async function* pairs() {
    for await (const pair of pairFrames(video, holes)) {
      if (read < from) await writer.pass();
      else if (read <= to && pair.mask.data.includes(255)) holed.add(read);
      read += 1;
      yield pair;
    }
  }
  let [masked, covered] = [0, 0];
  const frames = inpainter.inpaint(readAhead(pairs(), 2), {
    ...(signal && { signal }),
    from: from - reads,
    to: to - reads,
    segmented: {
      carried,
      endsBefore: (index) => part.carriesOn && index === to + 1 - reads,
      changes: rebased(part),
    },
  });
  let written: Promise<void> = Promise.resolve();
  let next: Awaited<ReturnType<typeof readCarried>> | undefined;
  for await (const frame of frames) {
    const hadHole = holed.has(frame.index + reads);
    if (hadHole) {
      masked += 1;
      covered += frame.coverage;
    }
    await written;
    written = writer.write(frame, { isOriginal: !hadHole });
    written.catch(() => {}); // heard with the next frame
    next = frame.ended?.carried;
    onFrame?.(frame.index + 1 + reads - from);
  }
  await written;
  if (writer.frames !== to + 1 || part.carriesOn !== (next !== undefined)) {
    const got = `${writer.frames - from}${next ? ' and what they carry on' : ''}`;
    throw mediaError(op, `${to + 1 - from} frames from frame ${from} of ${job.input}`, got);
  }
  await writer.endSegment({ masked, covered }, next);
  const kept = next && join(folder, carriedName(to + 1));
  return { segment: join(folder, segmentName(from)), carried: kept, masked, covered };
}

/** What frames say of the shots, all numbered from the first one that is read. */
function rebased({ changes, reads }: Part): Map<number, ShotChange> {
  return new Map(
    changes.map(([at, { start, mixed }]) => {
      const change = { start: start - reads, mixed: mixed === undefined ? mixed : mixed - reads };
      return [at - reads, change];
    }),
  );
}

/**
 * Writes the output from the segments of all parts, in their order, without encoding anew.
 *
 * @param folder a new one; it is gone afterwards
 */
export async function joinParts(
  job: PartJob,
  frames: number,
  segments: readonly string[],
  folder: string,
): Promise<{ readonly encoding: string; readonly warnings: readonly string[] }> {
  const { input, output } = job;
  await using work = await WorkFolder.private(folder, 0);
  await work.gather(segments);
  if (work.next !== frames)
    throw mediaError(op, `segments of ${frames} frames of ${input}`, `${work.next}`);
  await using video = await openInput(job);
  await video.count();
  await using writer = await createPartial(output, video, encodingOf(job), undefined, work);
  await writer.close();
  const { encoding, changesCodec, dropsChapters, dropped } = writer;
  const warnings = dropped.map((it) => `${output} cannot hold ${it} of ${input}; it is left out`);
  if (changesCodec) warnings.push(`${input} is ${changesCodec}; ${output} becomes ${encoding}`);
  if (dropsChapters) warnings.push(`${input} has chapters; ${output} is written without them`);
  return { encoding, warnings };
}
