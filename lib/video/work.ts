// Finished segments beside an output, from which work goes on after it was stopped at any moment.
// Internal to lib/video.

import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { InpaintError } from '../errors.js';
import { version } from '../version.js';
import type { Carried } from './completion.js';
import { decodingTime } from './copies.js';
import { fileError, mediaError } from './ffmpeg.js';
import { syncFolder, takeLock } from './lock.js';

const op = 'inpaintFile';

/** The name of a segment's file. */
export const segmentName = (from: number) => `${String(from).padStart(9, '0')}.segment`;

/** The name of the file of what a frame takes of those before it. */
export const carriedName = (end: number) => `${end}.carried`;

/** What {@link WorkFolder.endSegment} kept of what is carried on. */
export async function readCarried(path: string): Promise<Carried> {
  for await (const record of records(path)) return record as Carried;
  throw mediaError(op, `${path} to be readable`, 'a damaged one');
}

/** An encoded frame; times in units of the encoder. */
export interface StoredPacket {
  readonly pts: bigint;
  readonly duration: bigint;
  readonly flags: number;
  readonly data: Uint8Array;
  /** Kind and bytes. */
  readonly sideData: readonly (readonly [number, Uint8Array])[];
}

/** What is known when a segment ends, of all frames so far. */
export interface Sums {
  /** Frames that had a hole. */
  readonly masked: number;
  /** Sum of their coverage. */
  readonly covered: number;
}

/** What stands at the end of a segment's file. */
interface SegmentEnd extends Sums {
  readonly from: number;
  /** One behind its last frame. */
  readonly end: number;
  /** Of its packets, in their order. */
  readonly pts: readonly bigint[];
  /** Whether the next segment needs what is carried on. */
  readonly isCarriedOn: boolean;
}

const isEnd = (record: unknown): record is SegmentEnd =>
  typeof record === 'object' && record !== null && 'end' in record;

/** Appends records to a file that has its name only when it is whole. */
class RecordWriter {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<RecordWriter> {
    return new RecordWriter(path, await open(`${path}.part`, 'w'));
  }

  async add(record: unknown): Promise<void> {
    const content = serialize(record);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(content.length);
    head.writeUInt32LE(crc32(content), 4);
    await this.#file.writev([head, content]);
  }

  async close(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(`${this.#path}.part`, this.#path);
  }

  async abandon(): Promise<void> {
    await this.#file.close();
  }
}

/** The records of a file, up to one that is not whole. */
async function* records(path: string): AsyncGenerator<unknown, void, void> {
  const file = await open(path).catch(() => undefined);
  if (!file) return;
  try {
    const { size } = await file.stat();
    for (let at = 0; at + 8 <= size; ) {
      const { buffer: head } = await file.read(Buffer.alloc(8), 0, 8, at);
      const length = head.readUInt32LE();
      if (at + 8 + length > size) return;
      const { buffer: content } = await file.read(Buffer.alloc(length), 0, length, at + 8);
      if (crc32(content) !== head.readUInt32LE(4)) return;
      yield deserialize(content);
      at += 8 + length;
    }
  } finally {
    await file.close();
  }
}

/** What tells one version of a file, or of a folder's files, from another. */
export async function fingerprint(path: string): Promise<string> {
  const hash = createHash('sha256');
  const info = await stat(path);
  const note = (name: string, { size, mtimeMs }: { size: number; mtimeMs: number }) =>
    hash.update(`${name}/${size}/${mtimeMs}\n`);
  if (info.isDirectory()) {
    for (const name of (await readdir(path)).sort()) note(name, await stat(join(path, name)));
    return hash.digest('hex');
  }
  note('', info);
  const file = await open(path);
  try {
    const part = 2 ** 16;
    for (const at of [0, Math.max(0, info.size - part)]) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(part), 0, part, at);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Lock files of this process, to be removed should it exit. */
const locks = new Set<string>();
let watching = false;

/**
 * A folder beside an output: a manifest of what is worked on and how, a lock, the segments that are
 * finished, and what the last of them carries on. What is in it has its name only when it is whole
 * and on the disk.
 */
export class WorkFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: string;
  readonly #ends: SegmentEnd[] = [];
  #carried: Carried | undefined;
  #first = 0;
  /** Where segments are that are not in the folder, by their first frame. */
  readonly #elsewhere = new Map<number, string>();
  #begun: RecordWriter | undefined;
  #pts: bigint[] = [];

  private constructor(path: string) {
    this.path = path;
    this.#lock = join(path, 'lock');
  }

  /** Where the work on an output is kept. */
  static pathFor(output: string): string {
    const full = resolve(output);
    return join(dirname(full), `.${basename(full)}.work`);
  }

  /**
   * Opens the folder, or makes it.
   *
   * @throws InpaintError (rejects) ERR_MEDIA when another process is at it
   */
  static async open(output: string, onWarning: (message: string) => void): Promise<WorkFolder> {
    const work = new WorkFolder(WorkFolder.pathFor(output));
    try {
      await mkdir(work.path, { recursive: true });
      if (await takeLock(op, work.#lock, work.path)) {
        onWarning(`the run before ended early; its lock on ${work.path} is taken over`);
      }
    } catch (cause) {
      if (cause instanceof InpaintError) throw cause;
      throw fileError(op, `to write ${work.path}`, cause);
    }
    if (!watching) {
      process.on('exit', () => {
        for (const left of locks) rmSync(left, { force: true });
      });
      watching = true;
    }
    locks.add(work.#lock);
    return work;
  }

  /** A new folder, of which no one else knows, for segments from a frame on. */
  static async private(path: string, first: number): Promise<WorkFolder> {
    const work = new WorkFolder(path);
    await mkdir(path);
    work.#first = first;
    return work;
  }

  /**
   * Takes segments that were made elsewhere, in their order.
   *
   * @throws InpaintError (rejects) ERR_MEDIA when they do not follow each other
   */
  async gather(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      let end: SegmentEnd | undefined;
      for await (const record of records(path)) if (isEnd(record)) end = record;
      if (end?.from !== this.next) {
        const got = end ? `one from frame ${end.from}` : 'a damaged one';
        throw mediaError(op, `${path} to be a segment from frame ${this.next}`, got);
      }
      this.#elsewhere.set(end.from, path);
      this.#ends.push(end);
    }
  }

  /** The first frame that is not finished. */
  get next(): number {
    return this.#ends.at(-1)?.end ?? this.#first;
  }

  get sums(): Sums {
    return this.#ends.at(-1) ?? { masked: 0, covered: 0 };
  }

  /** What the next frame takes of those before it. */
  get carried(): Carried | undefined {
    return this.#carried;
  }

  /**
   * Begins the work, or finds what is finished of it.
   *
   * @param settings all that has an influence on the frames
   * @param whole so many frames are there that are not in the segments' own files
   * @throws InpaintError (rejects) ERR_ARGUMENT when it was begun with others, ERR_MEDIA when its
   *   manifest is damaged
   */
  async begin(settings: Readonly<Record<string, unknown>>, whole: number): Promise<void> {
    const manifest = join(this.path, 'manifest.json');
    const wanted = { version, ...settings };
    const text = await readFile(manifest, 'utf8').catch(() => undefined);
    const names = await readdir(this.path);
    if (text === undefined && !names.some((name) => name.endsWith('.segment'))) {
      await this.#clear(names);
      const file = await open(`${manifest}.part`, 'w');
      try {
        await file.writeFile(JSON.stringify(wanted, undefined, 2));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${manifest}.part`, manifest);
      await syncFolder(this.path);
      await syncFolder(dirname(this.path));
      return;
    }
    this.#expectSame(manifest, text ?? '', wanted);
    await this.#clear(names);
    await this.#find(names, whole);
  }

  #expectSame(manifest: string, text: string, wanted: Readonly<Record<string, unknown>>): void {
    const hint = `delete ${this.path} to begin anew`;
    let known: Record<string, unknown>;
    try {
      known = JSON.parse(text) as Record<string, unknown>;
      if (typeof known !== 'object' || known === null) throw new Error('no settings');
    } catch (cause) {
      throw mediaError(op, `${manifest} to be readable`, `a damaged one; ${hint}`, cause);
    }
    const shown = (value: unknown) => JSON.stringify(value) ?? 'none';
    for (const key of new Set([...Object.keys(known), ...Object.keys(wanted)])) {
      const [before, now] = [shown(known[key]), shown(wanted[key])];
      if (before === now) continue;
      const isShort = before.length + now.length < 100;
      const what = isShort ? `${key} as in the work begun, ${before}` : `the same ${key}`;
      const got = isShort ? now : 'another';
      const message = `expected ${what}, got ${got}; ${hint}`;
      throw new InpaintError('ERR_ARGUMENT', op, message);
    }
  }

  /** Removes what was being written. */
  async #clear(names: readonly string[]): Promise<void> {
    for (const name of names.filter((each) => each.endsWith('.part')))
      await rm(join(this.path, name), { force: true });
  }

  async #find(names: readonly string[], whole: number): Promise<void> {
    const files = names.filter((name) => name.endsWith('.segment')).sort();
    for (const name of files) {
      let end: SegmentEnd | undefined;
      for await (const record of records(join(this.path, name))) if (isEnd(record)) end = record;
      if (!end || end.from !== this.next || end.end > whole) break;
      this.#ends.push(end);
    }
    // Of what is carried on, the latest is kept: without it, the work goes on where a shot begins.
    for (; this.#ends.length && this.#ends.at(-1)?.isCarriedOn; this.#ends.pop()) {
      for await (const record of records(this.#carriedPath)) this.#carried = record as Carried;
      if (this.#carried) return;
    }
  }

  get #carriedPath(): string {
    return join(this.path, carriedName(this.next));
  }

  #segmentPath(from: number): string {
    return this.#elsewhere.get(from) ?? join(this.path, segmentName(from));
  }

  /** Adds a packet to the segment that is being made. */
  async add(packet: StoredPacket): Promise<void> {
    this.#begun ??= await RecordWriter.create(this.#segmentPath(this.next));
    await this.#begun.add(packet);
    this.#pts.push(packet.pts);
  }

  /** Finishes a segment, which lasts from then on. */
  async endSegment(end: number, sums: Sums, carried: Carried | undefined): Promise<void> {
    const from = this.next;
    const { masked, covered } = sums;
    this.#begun ??= await RecordWriter.create(this.#segmentPath(from));
    const isCarriedOn = carried !== undefined;
    const last: SegmentEnd = { from, end, masked, covered, pts: this.#pts, isCarriedOn };
    await this.#begun.add(last);
    if (carried) {
      const file = await RecordWriter.create(join(this.path, carriedName(end)));
      await file.add(carried);
      await file.close();
      await syncFolder(this.path);
    }
    await this.#begun.close();
    await syncFolder(this.path);
    this.#begun = undefined;
    this.#pts = [];
    await rm(this.#carriedPath, { force: true });
    this.#ends.push(last);
  }

  /** The packets of all segments, each with the time at which it is decoded. */
  async *packets(): AsyncGenerator<StoredPacket & { readonly dts: bigint }, void, void> {
    const times = decodingTimes(this.#ends.flatMap(({ pts }) => pts));
    let index = 0;
    for (const { from } of this.#ends) {
      for await (const record of records(this.#segmentPath(from))) {
        if (isEnd(record)) break;
        yield { ...(record as StoredPacket), dts: times[index] as bigint };
        index += 1;
      }
    }
    if (index === times.length) return;
    const got = `${index} packets of ${times.length}`;
    throw mediaError(op, `the segments in ${this.path} to stay whole`, got);
  }

  /** Removes the folder, once the output is there. */
  async remove(): Promise<void> {
    // What says what the rest is goes last, and the lock behind it.
    const isLast = (name: string) => +/^manifest/.test(name) + 2 * +/^lock$/.test(name);
    const names = (await readdir(this.path)).sort((a, b) => isLast(a) - isLast(b));
    for (const name of names) await rm(join(this.path, name), { recursive: true, force: true });
    locks.delete(this.#lock);
    await rmdir(this.path).catch(() => {}); // another run may have come into it
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#begun?.abandon();
    this.#begun = undefined;
    if (!locks.delete(this.#lock)) return;
    await rm(this.#lock, { force: true });
    await rmdir(this.path).catch(() => {}); // where nothing was begun
  }
}

/** When packets are decoded, which are shown at these times. */
export function decodingTimes(shown: readonly bigint[]): bigint[] {
  const sorted = [...shown].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const ranks = new Map(sorted.map((time, rank) => [time, rank]));
  const delay = shown.reduce((most, time, i) => Math.max(most, i - (ranks.get(time) as number)), 0);
  return shown.map((_, i) => decodingTime(sorted, delay, i));
}
