// Finds out whether a file has chapters, which FFmpeg's bindings do not tell. Internal to lib/video.

import { type FileHandle, open } from 'node:fs/promises';

/** Bytes of a file; fewer at its end. */
type Read = (position: number, length: number) => Promise<Buffer>;

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

const segment = 0x18538067;
const chapters = 0x1043a770;

/** Looks at the elements of a Matroska file, and into its segment. */
async function inMatroska(read: Read): Promise<boolean> {
  for (let at = 0; ; ) {
    const head = await read(at, 12);
    const id = variable(head, 0, true);
    const size = id && variable(head, id.length, false);
    if (!size) return false;
    if (id.value === chapters) return true;
    at += id.length + size.length + (id.value === segment ? 0 : size.value);
    if (!Number.isFinite(at)) return false;
  }
}

/** The boxes of MP4 that hold others on the way to what tells of chapters. */
const nested = new Set(['moov', 'udta', 'trak', 'tref']);

/** Looks for Nero's list of chapters, or a track that refers to another as its chapters. */
async function inMp4(read: Read, from = 0, to = Number.POSITIVE_INFINITY): Promise<boolean> {
  for (let at = from; at + 8 <= to; ) {
    const head = await read(at, 16);
    if (head.length < 8) return false;
    const type = head.toString('latin1', 4, 8);
    const short = head.readUInt32BE(0);
    const isLong = short === 1 && head.length === 16;
    const size = isLong ? Number(head.readBigUInt64BE(8)) : short;
    if (type === 'chpl' || type === 'chap') return true;
    if (size < 8) return false;
    const start = at + (isLong ? 16 : 8);
    if (nested.has(type) && (await inMp4(read, start, at + size))) return true;
    at += size;
  }
  return false;
}

/** Whether a Matroska or MP4 file has chapters; false for what cannot be read. */
export async function hasChapters(path: string): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const read: Read = async (position, length) => {
      const { buffer, bytesRead } = await (file as FileHandle).read(
        Buffer.alloc(length),
        0,
        length,
        position,
      );
      return buffer.subarray(0, bytesRead);
    };
    const start = await read(0, 8);
    if (start.readUInt32BE(0) === 0x1a45dfa3) return await inMatroska(read);
    return start.toString('latin1', 4, 8) === 'ftyp' && (await inMp4(read));
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
