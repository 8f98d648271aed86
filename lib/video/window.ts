import { setImmediate } from 'node:timers/promises';
import { InpaintError } from '../errors.js';
import { type FramePair, type Image, toImage } from './image.js';
import { isCut, type Thumbnail, thumbnail } from './shots.js';

/** Milliseconds of pulling after which other work gets its turn. */
const longestTurn = 8;

/** A frame waiting for its turn, or kept as a reference. The data is the window's own copy. */
export interface HeldFrame {
  readonly index: number;
  readonly frame: Image;
  /** One channel. */
  readonly mask: Image;
  /** First frame of the shot it belongs to. */
  readonly shot: number;
  /** Bounds of the mask's non-zero pixels, undefined when there are none. */
  readonly bounds:
    | { readonly y: number; readonly x: number; readonly h: number; readonly w: number }
    | undefined;
}

/** Bounds of the non-zero pixels of a one-channel image. */
export function maskBounds({ data, width, height }: Image): HeldFrame['bounds'] {
  // Whole words first: most of a mask is zero.
  const zeros = Buffer.alloc(width);
  const row = (y: number) => Buffer.from(data.buffer, data.byteOffset + y * width, width);
  let [top, bottom, left, right] = [-1, -1, width, -1];
  for (let y = 0; y < height; ++y) {
    const line = row(y);
    if (line.equals(zeros)) continue;
    if (top < 0) top = y;
    bottom = y;
    for (let x = 0; x < left; ++x) if (line[x] !== 0) left = x;
    for (let x = width - 1; x > right; --x) if (line[x] !== 0) right = x;
  }
  return top < 0 ? undefined : { y: top, x: left, h: bottom - top + 1, w: right - left + 1 };
}

/**
 * A mask in one channel: any non-zero colour is hole; the alpha of four channels does not count.
 */
function oneChannel(mask: Image, into: Uint8Array): Uint8Array {
  const { data, channels } = mask;
  if (channels === 1) {
    into.set(data);
    return into;
  }
  for (let i = 0, at = 0; i < into.length; ++i, at += channels) {
    into[i] = (data[at] as number) | (data[at + 1] as number) | (data[at + 2] as number);
  }
  return into;
}

/**
 * The part of a source that is in memory: pulled ahead of the target, dropped behind it. Frames are
 * copied as they come, so a source may reuse its buffers; the copies' memory is reused too.
 */
export class FrameWindow {
  readonly #source: AsyncIterator<FramePair> | Iterator<FramePair>;
  readonly #held = new Map<number, HeldFrame>();
  readonly #spare: { frame: Uint8Array; mask: Uint8Array }[] = [];
  #pulled = 0;
  #ended = false;
  #last: { image: Image; thumbnail: Thumbnail; shot: number } | undefined;

  constructor(source: Iterable<FramePair> | AsyncIterable<FramePair>) {
    const given = source as
      | Partial<AsyncIterable<FramePair> & Iterable<FramePair>>
      | null
      | undefined;
    const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.();
    if (typeof iterator?.next !== 'function') {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'inpaint',
        `expected an iterable source of { frame, mask }, got ${typeof source}`,
      );
    }
    this.#source = iterator;
  }

  /** Frames pulled so far. */
  get pulled(): number {
    return this.#pulled;
  }

  /** Pulls until `count` frames have come, or the source has ended. */
  async pull(count: number): Promise<void> {
    let since = performance.now();
    while (!this.#ended && this.#pulled < count) {
      // A source that never waits would keep timers waiting.
      if (performance.now() - since > longestTurn) {
        await setImmediate();
        since = performance.now();
      }
      const next = await this.#source.next();
      if (next.done) {
        this.#ended = true;
        return;
      }
      this.#add(next.value);
    }
  }

  #add(pair: FramePair): void {
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
    const { width, height, channels } = this.#last?.image ?? frame;
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
    const memory = this.#spare.pop() ?? {
      frame: new Uint8Array(width * height * channels),
      mask: new Uint8Array(width * height),
    };
    memory.frame.set(frame.data);
    oneChannel(mask, memory.mask);
    const image: Image = { data: memory.frame, width, height, channels };
    const small = thumbnail(image);
    const shot = !this.#last || isCut(this.#last.thumbnail, small) ? index : this.#last.shot;
    this.#last = { image, thumbnail: small, shot };
    const hole: Image = { data: memory.mask, width, height, channels: 1 };
    this.#held.set(index, { index, frame: image, mask: hole, shot, bounds: maskBounds(hole) });
    this.#pulled = index + 1;
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

  /** Drops every frame that `keep` does not want. */
  drop(keep: (frame: HeldFrame) => boolean): void {
    for (const [index, held] of this.#held) {
      if (keep(held)) continue;
      this.#held.delete(index);
      this.#spare.push({
        frame: held.frame.data as Uint8Array,
        mask: held.mask.data as Uint8Array,
      });
    }
  }

  /** Tells the source that no more frames are wanted. */
  async close(): Promise<void> {
    this.#held.clear();
    this.#spare.length = 0;
    if (!this.#ended) await this.#source.return?.();
    this.#ended = true;
  }
}
