import { setTimeout } from 'node:timers/promises';
import { addon, type Bounds, fromNative } from '../addon.js';
import { InpaintError } from '../errors.js';
import { type FramePair, type Image, type StoredFrame, storedOf, toImage } from './image.js';
import { newThumbnail, type ShotChange, Shots, type Thumbnail } from './shots.js';

/** A frame waiting for its turn. */
export interface HeldFrame {
  readonly index: number;
  readonly size: Pick<Image, 'width' | 'height' | 'channels'>;
  /** First frame of the shot it belongs to. */
  readonly shot: number;
  /** Bounds of the mask's non-zero pixels, undefined when there are none. */
  readonly bounds: Bounds | undefined;
  /** The frame as it was decoded, where that is smaller than its bytes. */
  readonly stored: StoredFrame | undefined;
  /** What of the mask lies in the bounds, a bit a pixel, where the frame is stored. */
  readonly hole: Uint8Array | undefined;
}

/** Memory of the window's own for a frame: its bytes, and its mask in one channel. */
export interface Memory {
  readonly frame: Uint8Array;
  readonly mask: Uint8Array;
}

interface Dropped {
  readonly memory: Memory;
  readonly isFree: () => boolean;
}

/**
 * The bytes of an image where the addon can read them while other code runs: it cannot look into
 * shared memory, and what is resizable may be taken away under it.
 */
function readable({ data }: Image): Image['data'] {
  const buffer = data.buffer as ArrayBufferLike & { readonly resizable?: boolean };
  const fixed = buffer instanceof ArrayBuffer && !buffer.resizable;
  return fixed ? data : new Uint8Array(data);
}

/** Copies of bytes that the device may still have to read, at most; more wait for it. */
export const mostInFlight = 4;

/** What of a mask lies in the bounds, a bit a pixel. */
function pack(mask: Uint8Array, width: number, { y, x, h, w }: Bounds): Uint8Array {
  const bits = new Uint8Array(Math.ceil((h * w) / 8));
  for (let row = 0, i = 0; row < h; ++row) {
    const from = (y + row) * width + x;
    for (let at = from; at < from + w; ++at, ++i) {
      if (mask[at]) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
    }
  }
  return bits;
}

/** The whole of a mask again; what is not zero is 1. */
function unpack(bits: Uint8Array, width: number, { y, x, h, w }: Bounds, mask: Uint8Array): void {
  mask.fill(0);
  for (let row = 0, i = 0; row < h; ++row) {
    const from = (y + row) * width + x;
    for (let at = from; at < from + w; ++at, ++i)
      mask[at] = ((bits[i >> 3] as number) >> (i & 7)) & 1;
  }
}

/**
 * Copies a frame and its mask, that in one channel: any non-zero colour is hole; the alpha of four
 * channels does not count. Neither may change until it is done. They have been judged by the
 * caller.
 *
 * @returns what is seen on the way: the frame's thumbnail and the bounds of its hole
 */
export async function take(
  frame: Image,
  mask: Image,
  into: Memory,
): Promise<{ readonly small: Thumbnail; readonly bounds: Bounds | undefined }> {
  const { width, height, channels } = frame;
  const size = { width, height, channels, maskChannels: mask.channels };
  const small = newThumbnail();
  try {
    const bounds = await addon().takeFrame(
      readable(frame),
      readable(mask),
      size,
      into.frame,
      into.mask,
      small,
    );
    return { small, bounds };
  } catch (error) {
    throw fromNative('inpaint', error);
  }
}

/** @throws InpaintError ERR_ARGUMENT when it cannot be iterated */
export function iteratorOf(
  source: Iterable<FramePair> | AsyncIterable<FramePair>,
): AsyncIterator<FramePair> | Iterator<FramePair> {
  const given = source as
    | Partial<AsyncIterable<FramePair> & Iterable<FramePair>>
    | null
    | undefined;
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.();
  if (typeof iterator?.next === 'function') return iterator;
  const message = `expected an iterable source of { frame, mask }, got ${typeof source}`;
  throw new InpaintError('ERR_ARGUMENT', 'inpaint', message);
}

/**
 * The part of a source that is in memory: pulled ahead of the target, dropped behind it. Frames are
 * copied as they come, on a thread of their own, so a source may reuse its buffers when the next
 * frame is asked for; the copies' memory is reused too.
 *
 * Of a frame whose source tells how it is stored, the bytes are there when it has come, and again
 * when they are brought; when the next frame comes, or they are let go, only what is stored stays.
 */
export class FrameWindow {
  readonly #source: AsyncIterator<FramePair> | Iterator<FramePair>;
  readonly #held = new Map<number, HeldFrame>();
  readonly #bytes = new Map<number, Memory>();
  /** Memory of frames that were dropped or let go. */
  #spare: Dropped[] = [];
  #pulled = 0;
  #ended = false;
  #closed = false;
  /** A frame that is being copied. */
  #taking: Promise<unknown> | undefined;
  readonly #shots = new Shots();
  readonly #known: Pick<ReadonlyMap<number, ShotChange>, 'get'> | undefined;
  /** What each frame said of the shots before it, where it said something. */
  readonly changes = new Map<number, ShotChange>();
  #last: { size: HeldFrame['size']; shot: number } | undefined;

  /** @param known what frames say of the shots before them, where that was found out before */
  constructor(
    source: Iterable<FramePair> | AsyncIterable<FramePair>,
    known?: Pick<ReadonlyMap<number, ShotChange>, 'get'>,
  ) {
    this.#known = known;
    this.#source = iteratorOf(source);
  }

  /** Frames pulled so far. */
  get pulled(): number {
    return this.#pulled;
  }

  /**
   * Pulls until `count` frames have come, or the source has ended. One call at a time. A source
   * that never waits does not keep timers waiting: each frame is waited for.
   */
  async pull(count: number): Promise<void> {
    while (!this.#ended && this.#pulled < count) {
      const next = await this.#source.next();
      if (this.#closed) return;
      if (next.done) {
        this.#ended = true;
        return;
      }
      await this.#add(next.value);
    }
  }

  async #add(pair: FramePair): Promise<void> {
    const index = this.#pulled;
    const at = `frame ${index}`;
    if (typeof pair !== 'object' || pair === null) {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'inpaint',
        `expected ${at} to be { frame, mask }, got ${String(pair)}`,
      );
    }
    const frame = toImage('inpaint', at, pair.frame);
    const mask = toImage('inpaint', `the mask of ${at}`, pair.mask);
    if (frame.channels === 1) {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'inpaint',
        `expected ${at} to have 3 or 4 channels, got 1`,
      );
    }
    const { width, height, channels } = this.#last?.size ?? frame;
    if (frame.width !== width || frame.height !== height || frame.channels !== channels) {
      throw new InpaintError(
        'ERR_SHAPE',
        'inpaint',
        `expected ${at} to be ${width} x ${height} x ${channels} like the first, got ${frame.width} x ${frame.height} x ${frame.channels}`,
      );
    }
    if (mask.width !== width || mask.height !== height) {
      throw new InpaintError(
        'ERR_SHAPE',
        'inpaint',
        `expected the mask of ${at} to be ${width} x ${height} like the frame, got ${mask.width} x ${mask.height}`,
      );
    }
    const stored = storedOf(pair.frame);
    const size = { width, height, channels };
    if (stored) this.letGo(index - 1);
    const memory = await this.#memory(size);
    if (this.#closed) {
      stored?.free();
      return;
    }
    const taking = take(frame, mask, memory);
    this.#taking = taking;
    const { small, bounds } = await taking;
    if (this.#closed) {
      stored?.free();
      return;
    }
    const change = this.#known ? this.#known.get(index) : this.#shots.next(small);
    const shot = change?.start ?? this.#last?.shot ?? index;
    this.#last = { size, shot };
    const hole = stored && bounds && pack(memory.mask, width, bounds);
    this.#bytes.set(index, memory);
    this.#held.set(index, { index, size, shot, bounds, stored, hole });
    this.#pulled = index + 1;
    if (!change) return;
    this.changes.set(index, change);
    this.#divide(change);
  }

  /** Puts frames that came before a dissolve was known into the shots that it begins. */
  #divide({ start, mixed = start }: ShotChange): void {
    for (let at = mixed; at < this.#pulled; ++at) {
      const held = this.#held.get(at);
      if (held) this.#held.set(at, { ...held, shot: at < start ? mixed : start });
    }
  }

  /** A frame that is in the window. */
  get(index: number): HeldFrame | undefined {
    return this.#held.get(index);
  }

  /** One behind the last pulled frame of the shot that `held` belongs to. */
  shotEnd(held: HeldFrame): number {
    let end = held.index + 1;
    while (this.#held.get(end)?.shot === held.shot) ++end;
    return end;
  }

  /** Whether `held`, or a frame pulled behind it of its shot, has a hole. */
  holeFrom(held: HeldFrame): boolean {
    for (let at = held.index; this.#held.get(at)?.shot === held.shot; ++at)
      if (this.#held.get(at)?.bounds) return true;
    return false;
  }

  /** The bytes of a frame, if they are there. */
  bytes(index: number): Memory | undefined {
    return this.#bytes.get(index);
  }

  /** Has the bytes of a frame in the window there, until they are let go. */
  async bring(index: number): Promise<Memory> {
    const held = this.#held.get(index) as HeldFrame;
    const known = this.#bytes.get(index);
    if (known) return known;
    const { size, stored, bounds, hole } = held;
    const memory = await this.#memory(size);
    if (this.#closed) return memory;
    const reading = (stored as StoredFrame).read(memory.frame);
    this.#taking = reading;
    await reading;
    if (bounds && hole) unpack(hole, size.width, bounds, memory.mask);
    else memory.mask.fill(0);
    if (!this.#closed) this.#bytes.set(index, memory);
    return memory;
  }

  /**
   * Lets the bytes of a frame go that can be brought again.
   *
   * @param isFree whether nothing reads them any more, when it is asked
   */
  letGo(index: number, isFree: () => boolean = () => true): void {
    const memory = this.#bytes.get(index);
    if (!memory || !this.#held.get(index)?.stored) return;
    this.#bytes.delete(index);
    this.#spare.push({ memory, isFree });
  }

  /**
   * Drops every frame that `keep` does not want.
   *
   * @param isFree whether nothing reads a dropped frame any more, when it is asked
   */
  drop(keep: (frame: HeldFrame) => boolean, isFree: () => boolean = () => true): void {
    for (const [index, held] of this.#held) {
      if (keep(held)) continue;
      const memory = this.#bytes.get(index);
      if (memory) this.#spare.push({ memory, isFree });
      this.#bytes.delete(index);
      this.#held.delete(index);
      held.stored?.free();
    }
  }

  /** Memory for a frame: that of one that nothing reads any more, or new. */
  async #memory({ width, height, channels }: HeldFrame['size']): Promise<Memory> {
    // What was dropped first is free first.
    while (this.#isStoring() && this.#spare.length >= mostInFlight && !this.#spare[0]?.isFree()) {
      await setTimeout(1);
      if (this.#closed) break;
    }
    const spare = this.#spare[0]?.isFree() ? this.#spare.shift()?.memory : undefined;
    return (
      spare ?? {
        frame: new Uint8Array(width * height * channels),
        mask: new Uint8Array(width * height),
      }
    );
  }

  #isStoring(): boolean {
    return this.#held.values().next().value?.stored !== undefined;
  }

  /**
   * Tells the source that no more frames are wanted, when what it gave last is no longer read. A
   * pull in progress ends without another frame.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#taking?.catch(() => {});
    for (const { stored } of this.#held.values()) stored?.free();
    this.#held.clear();
    this.#bytes.clear();
    this.#spare.length = 0;
    if (!this.#ended) await this.#source.return?.();
    this.#ended = true;
  }
}
