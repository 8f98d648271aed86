// Which parts of a video are copied as they are when only a part of it is worked on, and how they
// go together with what is encoded. Internal to lib/video.

import type { FFmpeg, Packet } from './ffmpeg.js';
import type { Moment } from './masks.js';
import { type OpenFile, openFile } from './reader.js';

/** The frames that something is removed from. */
export interface Range {
  readonly from: Moment | undefined;
  readonly to: Moment | undefined;
}

/** A video of which the frames before `from`, and from `end` on, are copied. */
export interface Copies {
  readonly from: number;
  readonly end: number;
  /** When the frames are shown, ascending, in units of the stream. */
  readonly times: readonly bigint[];
  /** How many frames are decoded before their turn at most. */
  readonly delay: number;
}

/** What is known of a packet of the video. */
interface Entry {
  readonly pts: bigint;
  /** Whether a decoder can begin here. */
  readonly isStart: boolean;
}

/**
 * When the packet at a place is decoded: as many frames before its turn as frames are shown out of
 * their order at most.
 *
 * @param times at which frames are shown, ascending
 */
export function decodingTime(times: readonly bigint[], delay: number, at: number): bigint {
  const turn = times[at - delay];
  if (turn !== undefined) return turn;
  const early = (times[Math.min(delay, times.length - 1)] as bigint) - (times[0] as bigint);
  return (times[at] as bigint) - early;
}

/** The NAL units of a packet in which the length of each, four bytes, stands before it. */
function* unitsOf(data: Buffer): Generator<Buffer> {
  for (let at = 0; at + 4 <= data.length; ) {
    const length = data.readUInt32BE(at);
    yield data.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}

const typeOf = (unit: Buffer) => (unit[0] ?? 0) & 31;

/** The packets of the video in a file, in their order; each is gone when the next is asked for. */
export async function* videoPackets(
  av: FFmpeg,
  op: string,
  path: string,
): AsyncGenerator<Packet, void, void> {
  const { input, stream } = await openFile(av, op, path);
  for (const other of input.streams) {
    if (other.index !== stream.index) other.discard = av.AVDISCARD_ALL;
  }
  using packet = new av.Packet();
  packet.alloc();
  try {
    while ((await input.readFrame(packet)) >= 0) {
      if (packet.streamIndex === stream.index) yield packet;
      packet.unref();
    }
  } finally {
    await input.closeInput();
  }
}

/**
 * Whether a video is of a kind that can be copied in part: each packet for itself, or H.264 in MP4
 * and Matroska, which take its headers beside the encoder's. FFmpeg decodes lossless H.264
 * (4:4:4 predictive) wrongly behind another kind.
 */
export function canBeCopied(av: FFmpeg, { input, stream }: OpenFile): boolean {
  const { codecId, extradata } = stream.codecpar;
  if (!/mp4|matroska/.test(input.iformat?.name ?? '')) return false;
  if (codecId === av.AV_CODEC_ID_PRORES || codecId === av.AV_CODEC_ID_DNXHD) return true;
  const [version, profile = 0, , , lengths = 0] = extradata ?? [];
  const isLossless = profile === 44 || profile === 244;
  return codecId === av.AV_CODEC_ID_H264 && version === 1 && (lengths & 3) === 3 && !isLossless;
}

/**
 * Plans what is copied: up to the last frame before the range that a decoder can begin at, and from
 * the first one behind it.
 *
 * @returns undefined where that is nothing, or where times do not tell which frame a packet is
 */
export async function planCopies(
  av: FFmpeg,
  path: string,
  { from, to }: Range,
): Promise<Copies | undefined> {
  const entries: Entry[] = [];
  let [num, den, isH264] = [1, 1, false];
  const { input, stream } = await openFile(av, 'createWriter', path);
  ({ num, den } = stream.timeBase);
  isH264 = stream.codecpar.codecId === av.AV_CODEC_ID_H264;
  await input.closeInput();
  for await (const packet of videoPackets(av, 'createWriter', path)) {
    const { pts, data } = packet;
    if (pts === av.AV_NOPTS_VALUE || packet.hasFlags(av.AV_PKT_FLAG_DISCARD)) return undefined;
    // In H.264, key frames are other kinds too, which leave something of what was before.
    const isStart =
      packet.isKeyframe &&
      (!isH264 || [...unitsOf(data ?? Buffer.alloc(0))].some((unit) => typeOf(unit) === 5));
    entries.push({ pts, isStart });
  }
  const times = entries.map(({ pts }) => pts).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (times.some((time, i) => time === times[i - 1])) return undefined;
  const ranks = new Map(times.map((time, rank) => [time, rank]));
  const first = times[0] ?? 0n;
  const seconds = (time: bigint) => (Number(time - first) * num) / den;
  const isPast = (moment: Moment, index: number) =>
    typeof moment === 'number'
      ? index >= moment
      : seconds(times[index] as bigint) >= moment.seconds - 1e-6;
  let [latest, delay] = [-1, 0];
  const starts: number[] = [];
  entries.forEach(({ pts, isStart }, i) => {
    const rank = ranks.get(pts) as number;
    delay = Math.max(delay, i - rank);
    // As many are shown before it as are decoded, and these are they.
    if (isStart && rank === i && latest < rank) starts.push(i);
    latest = Math.max(latest, rank);
  });
  const begins = from === undefined ? 0 : times.findIndex((_, i) => isPast(from, i));
  if (begins < 0) return undefined; // it has no such frame
  const lastIsIn = typeof to === 'number' ? to + 1 : to;
  const ends =
    lastIsIn === undefined ? -1 : times.findIndex((_, i) => i > begins && isPast(lastIsIn, i));
  const start = starts.filter((at) => at <= begins).at(-1) ?? 0;
  const end = (ends < 0 ? undefined : starts.find((at) => at >= ends)) ?? times.length;
  if (start === 0 && end === times.length) return undefined;
  return { from: start, end, times, delay };
}

/** An unsigned number of H.264's (Exp-Golomb), from a bit on. */
function golomb(unit: Buffer, bit: number): number {
  const at = (i: number) => ((unit[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
  let zeros = 0;
  while (zeros < 31 && !at(bit + zeros)) zeros += 1;
  let value = 0;
  for (let i = 0; i <= zeros; i++) value = 2 * value + at(bit + zeros + i);
  return value - 1;
}

/** The parameter sets of an `avcC`, and what stands around them. */
function setsOf(extradata: Buffer) {
  let at = 5;
  const list = (mask: number) => {
    const count = (extradata[at++] ?? 0) & mask;
    return Array.from({ length: count }, () => {
      const length = extradata.readUInt16BE(at);
      at += 2 + length;
      return extradata.subarray(at - length, at);
    });
  };
  const [sequences, pictures] = [list(31), list(255)];
  return { head: extradata.subarray(0, 5), sequences, pictures, rest: extradata.subarray(at) };
}

/** A number of parameter sets that a source has not used. */
export function freeSetId(extradata: Buffer): number {
  const { sequences, pictures } = setsOf(extradata);
  const used = [...sequences.map((it) => golomb(it, 32)), ...pictures.map((it) => golomb(it, 8))];
  return Array.from({ length: 32 }, (_, id) => id).find((id) => !used.includes(id)) ?? 31;
}

/** The NAL units between start codes. */
function* unitsBetween(data: Buffer): Generator<Buffer> {
  const code = Buffer.from([0, 0, 1]);
  for (let at = data.indexOf(code); at >= 0; ) {
    const next = data.indexOf(code, at + 3);
    let end = next < 0 ? data.length : next;
    while (next >= 0 && data[end - 1] === 0) end -= 1; // a longer code, or padding
    yield data.subarray(at + 3, end);
    at = next;
  }
}

/** A packet of an encoder, with the length of each NAL unit before it. */
export function withLengths(data: Buffer): Buffer {
  const parts = [...unitsBetween(data)].flatMap((unit) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    return [length, unit];
  });
  return Buffer.concat(parts);
}

/** The headers of a source with those of an encoder, whose sets have a number of their own. */
export function joinHeaders(source: Buffer, encoder: Buffer): Buffer {
  const { head, sequences, pictures, rest } = setsOf(source);
  const own = [...unitsBetween(encoder)];
  const list = (units: readonly Buffer[], mark: number) => {
    const parts = units.map((unit) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(unit.length);
      return Buffer.concat([length, unit]);
    });
    return Buffer.concat([Buffer.of(mark | units.length), ...parts]);
  };
  const made = own.filter((unit) => typeOf(unit) === 7);
  const start = Buffer.from(head);
  // Profile and level are those of the more demanding.
  for (const at of [1, 3])
    start[at] = Math.max(start[at] ?? 0, ...made.map((unit) => unit[at] ?? 0));
  return Buffer.concat([
    start,
    list([...sequences, ...made], 0xe0),
    list([...pictures, ...own.filter((unit) => typeOf(unit) === 8)], 0),
    rest,
  ]);
}
