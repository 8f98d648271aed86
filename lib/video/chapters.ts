// Chapters of Matroska and MP4, which FFmpeg's bindings do not give. Internal to lib/video.

import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** A part of a video that has a title. */
export interface Chapter {
  /** Nanoseconds. */
  readonly start: bigint;
  /** Nanoseconds, if told. */
  readonly end: bigint | undefined;
  readonly title: string;
}

/** Bytes of a file; fewer at its end. */
type Read = (position: number, length: number) => Promise<Buffer>;

/** More than this no list of chapters has. */
const longestList = 2 ** 24;

const ids = {
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  chapters: 0x1043a770,
  edition: 0x45b9,
  atom: 0xb6,
  start: 0x91,
  end: 0x92,
  display: 0x80,
  title: 0x85,
  crc: 0xbf,
  void: 0xec,
} as const;

/** A number of Matroska's: how many bytes it takes is told by its first one. */
function variable(bytes: Buffer, at: number, keepsMarker: boolean) {
  const first = bytes[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (!first || at + length > bytes.length) return undefined;
  let value = keepsMarker ? first : first & (0xff >> length);
  for (let i = 1; i < length; i++) value = value * 256 + (bytes[at + i] as number);
  const isUnknown = !keepsMarker && value === 2 ** (7 * length) - 1;
  return { value: isUnknown ? Number.POSITIVE_INFINITY : value, length };
}

/** The head of the element at a place: its id, size, and where it and its content begin. */
function elementAt(bytes: Buffer, at: number) {
  const id = variable(bytes, at, true);
  const size = id && variable(bytes, at + id.length, false);
  if (!size) return undefined;
  const sizeAt = at + id.length;
  return { id: id.value, at, sizeAt, start: sizeAt + size.length, size: size.value };
}

/** The elements in a part of a buffer, each with its content. */
function* elementsOf(bytes: Buffer): Generator<readonly [id: number, content: Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at);
    if (!element || element.start + element.size > bytes.length) return;
    yield [element.id, bytes.subarray(element.start, element.start + element.size)];
    at = element.start + element.size;
  }
}

const integer = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex') || '0'}`);

function parseMatroska(content: Buffer): Chapter[] {
  const chapters: Chapter[] = [];
  for (const [edition, atoms] of elementsOf(content)) {
    if (edition !== ids.edition) continue;
    for (const [id, atom] of elementsOf(atoms)) {
      if (id !== ids.atom) continue;
      const parts = new Map(elementsOf(atom));
      const title = new Map(elementsOf(parts.get(ids.display) ?? Buffer.alloc(0))).get(ids.title);
      const end = parts.get(ids.end);
      chapters.push({
        start: integer(parts.get(ids.start) ?? Buffer.alloc(0)),
        end: end && integer(end),
        title: title?.toString('utf8') ?? '',
      });
    }
  }
  return chapters;
}

async function readMatroska(read: Read): Promise<Chapter[] | undefined> {
  for (let at = 0; ; ) {
    const element = elementAt(await read(at, 12), 0);
    if (!element) return undefined;
    const { id, start, size } = element;
    if (id === ids.chapters && size < longestList)
      return parseMatroska(await read(at + start, size));
    at += start + (id === ids.segment ? 0 : size);
    if (!Number.isFinite(at)) return undefined;
  }
}

/** A box of MP4: its type, and where it and its content begin and end. */
interface Box {
  readonly type: string;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** The boxes between two places. */
async function* boxesOf(read: Read, from = 0, to = Number.POSITIVE_INFINITY): AsyncGenerator<Box> {
  for (let at = from; at + 8 <= to; ) {
    const head = await read(at, 16);
    if (head.length < 8) return;
    const short = head.readUInt32BE(0);
    const isLong = short === 1 && head.length === 16;
    const size = isLong ? Number(head.readBigUInt64BE(8)) : short;
    if (size < 8) return;
    const type = head.toString('latin1', 4, 8);
    yield { type, at, start: at + (isLong ? 16 : 8), end: at + size };
    at += size;
  }
}

/** The boxes on the way to what tells of chapters. */
const nested = new Set(['moov', 'udta', 'trak', 'tref']);

function parseMp4(list: Buffer): Chapter[] {
  const chapters: Chapter[] = [];
  // Version and flags; from version 1 on four bytes more; how many.
  let at = list[0] ? 9 : 5;
  for (let left = list[at - 1] ?? 0; left > 0 && at + 9 <= list.length; left--) {
    const length = list[at + 8] as number;
    const title = list.toString('utf8', at + 9, at + 9 + length);
    chapters.push({ start: list.readBigUInt64BE(at) * 100n, end: undefined, title });
    at += 9 + length;
  }
  return chapters;
}

/** Nero's list; none where a track tells the chapters, as Apple has it, and there is no list. */
async function readMp4(read: Read, from?: number, to?: number): Promise<Chapter[] | undefined> {
  let found: Chapter[] | undefined;
  for await (const { type, start, end } of boxesOf(read, from, to)) {
    if (type === 'chap') found ??= [];
    if (type === 'chpl' && end - start < longestList)
      return parseMp4(await read(start, end - start));
    if (!nested.has(type)) continue;
    const inside = await readMp4(read, start, end);
    if (inside?.length) return inside;
    found ??= inside;
  }
  return found;
}

const readFrom =
  (file: FileHandle): Read =>
  async (position, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };

/**
 * The chapters of a Matroska or MP4 file: an empty list where there are some that cannot be read,
 * undefined where there are none or it is another kind of file.
 */
export async function readChapters(path: string): Promise<readonly Chapter[] | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const read = readFrom(file);
    const start = await read(0, 8);
    if (start.readUInt32BE(0) === 0x1a45dfa3) return await readMatroska(read);
    return start.toString('latin1', 4, 8) === 'ftyp' ? await readMp4(read) : undefined;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

/** A size in so many bytes. */
function sizeOf(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value) | (1n << BigInt(7 * length)));
  return bytes.subarray(8 - length);
}

function element(id: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const name = Buffer.from(id.toString(16), 'hex');
  return Buffer.concat([name, sizeOf(content.length, 8), content]);
}

function unsigned(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function makeMatroska(chapters: readonly Chapter[]): Buffer {
  const atoms = chapters.map(({ start, end, title }, i) =>
    element(
      ids.atom,
      element(0x73c4, unsigned(BigInt(i + 1))), // its number, which must not be 0
      element(ids.start, unsigned(start)),
      ...(end === undefined ? [] : [element(ids.end, unsigned(end))]),
      element(
        ids.display,
        element(ids.title, Buffer.from(title)),
        element(0x437c, Buffer.from('und')),
      ),
    ),
  );
  return element(ids.chapters, element(ids.edition, ...atoms));
}

/**
 * Puts chapters behind all else, and the place of them into the list of places at the start, for
 * which FFmpeg leaves room.
 */
async function writeMatroska(file: FileHandle, chapters: readonly Chapter[]): Promise<void> {
  const { size: end } = await file.stat();
  const head = await readFrom(file)(0, 4096);
  const first = elementAt(head, 0);
  const segment = first && elementAt(head, first.start + first.size);
  const places = segment && elementAt(head, segment.start);
  const room = places && elementAt(head, places.start + places.size);
  if (!segment || places?.id !== ids.seekHead || room?.id !== ids.void) return;
  const made = makeMatroska(chapters);
  const id = Buffer.from('53ab841043a770', 'hex');
  const place = [id, Buffer.from('53ac88', 'hex'), unsigned(BigInt(end - segment.start))];
  const entry = Buffer.concat([Buffer.from('4dbb92', 'hex'), ...place]);
  if (room.size < entry.length) return;

  const content = Buffer.concat([head.subarray(places.start, places.start + places.size), entry]);
  if (content[0] === ids.crc && content[1] === 0x84) {
    content.writeUInt32LE(crc32(content.subarray(6)), 2);
  }
  const list = [
    head.subarray(places.at, places.sizeAt),
    sizeOf(content.length, places.start - places.sizeAt),
    content,
    head.subarray(room.at, room.sizeAt),
    sizeOf(room.size - entry.length, room.start - room.sizeAt),
  ];
  await file.write(Buffer.concat(list), 0, undefined, places.at);
  const whole = sizeOf(segment.size + made.length, segment.start - segment.sizeAt);
  if (Number.isFinite(segment.size)) await file.write(whole, 0, undefined, segment.sizeAt);
  await file.write(made, 0, undefined, end);
}

function box(type: string, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, content]);
}

/** Puts Nero's list into the index, which has to be the last box of the file. */
async function writeMp4(file: FileHandle, chapters: readonly Chapter[]): Promise<void> {
  const read = readFrom(file);
  const entries = chapters.slice(0, 255).map(({ start, title }) => {
    const text = Buffer.from(title).subarray(0, 255);
    return Buffer.concat([unsigned(start / 100n), Buffer.of(text.length), text]);
  });
  const list = box('chpl', Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, entries.length]), ...entries);
  let index: Box | undefined;
  for await (const each of boxesOf(read)) index = each;
  if (index?.type !== 'moov') return;
  const parts: Buffer[] = [];
  let hasTags = false;
  for await (const { type, at, start, end } of boxesOf(read, index.start, index.end)) {
    const isTags = type === 'udta';
    hasTags ||= isTags;
    const part = await read(isTags ? start : at, end - (isTags ? start : at));
    parts.push(isTags ? box('udta', list, part) : part);
  }
  if (!hasTags) parts.push(box('udta', list));
  await file.write(box('moov', ...parts), 0, undefined, index.at);
}

/** Writes chapters into a finished Matroska or MP4 file. */
export async function writeChapters(
  path: string,
  container: string,
  chapters: readonly Chapter[],
): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await (container === 'matroska' ? writeMatroska : writeMp4)(file, chapters);
  } finally {
    await file.close();
  }
}
