import { setImmediate } from 'node:timers/promises';
import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { trust } from '../network/align.js';
import { flowScale } from '../network/flow.js';
import type { Pyramid } from '../network/homography.js';
import type {
  Encoded,
  Network,
  Owner,
  Packed,
  Previous,
  Registration,
} from '../network/network.js';
import { grow } from '../network/region.js';
import { type Anchor, makeUp } from '../network/synthesis.js';
import { composite, paintNative, type Region, type Size } from '../ops/index.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import {
  chooseReferences,
  lookAhead,
  lookBehind,
  nearReach,
  oldestReference,
} from './references.js';
import type { FrameWindow, HeldFrame, Memory } from './window.js';

/** How a {@link Completion} works; see the inpainter's options of the same names. */
export interface CompletionOptions {
  readonly workSize: number;
  readonly dilate: number;
  readonly maxReferences: number;
  readonly referenceStride: number;
  readonly memoryLimit: number;
  readonly logger: (message: string) => void;
}

/** The sizes of a video's frames. */
interface Sizes {
  /** As given. */
  readonly native: Size;
  /** In the working plane. */
  readonly scaled: Size;
  /** Working plane: multiples of 16. */
  readonly plane: Size;
  /** What the working plane spans in the frame's own pixels. */
  readonly extent: Size;
  /** Radius by which holes grow, in the frame's own pixels. */
  readonly dilate: number;
}

/** A frame's pixels on the device; `packed` until it is encoded. */
interface Loaded {
  readonly frame: Tensor;
  packed: Packed | undefined;
  encoded: Encoded | undefined;
}

/** What registers a frame with others, and with the one before it if that is tracked too. */
interface Tracked {
  /** Absent where it only leads to others: large, and soon made. All of it of the last frame. */
  features: Registration | (Pyramid & Owner) | undefined;
  readonly step: Tensor | undefined;
}

/** What the next frames of a shot get of a frame. */
interface Output {
  /** [1 h w 3] at working size, float. */
  readonly working: Tensor;
  /** At the frame's own size, uint8. */
  readonly native: Tensor;
  /** Whether the tensors are its own, or those of a frame that passed through. */
  readonly owned: boolean;
}

/**
 * What a frame takes of the frames before it in its shot, beside what it sees of them: with it, the
 * work goes on anywhere, and gives the same bits.
 */
export interface Carried {
  /** The outputs before it, latest first: see {@link Output}. */
  readonly outputs: readonly { readonly working: Float32Array; readonly native: Uint8Array }[];
  readonly anchor:
    | { readonly frame: Float32Array; readonly theta: Float32Array; readonly age: number }
    | undefined;
  /** What was painted of it, latest first. */
  readonly windows: readonly Region[];
}

/** A completed frame: its bytes, and the share of its hole that some reference shows. */
export interface CompletedFrame {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly coverage: number;
}

/**
 * A frame whose work is queued: its bytes, and if it has a hole, the pixels of that and those of
 * them that a reference shows.
 */
export interface Queued {
  readonly data: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  readonly coverage?: Promise<Float32Array>;
}

/** A frame as it is painted, or painted from. */
interface Painted {
  readonly frame: Tensor;
  readonly encoded: Encoded;
  readonly pyramid: Pyramid;
}

/** What a target is painted with. */
interface PaintInputs {
  readonly target: Painted;
  readonly references: readonly Painted[];
  /** Homographies to the references, not refined. */
  readonly starts: Tensor;
  readonly previous: Previous | undefined;
  /** The previous output at the frame's own size. */
  readonly native: Tensor | undefined;
  readonly anchor: Anchor | undefined;
}

/** Grid that the hole's window is rounded to on a GPU, in pixels of the working size. */
const windowGrid = 32;

/** Of the area of a hole's bounds, rounded outwards, a window takes at most so much. */
const mostGrown = 1.3;

/** Windows that are kept for the holes to come. */
const mostWindows = 8;

/**
 * Painted frames after which what was made up is carried on from a later one: each such step blurs
 * it a little, and what the anchor does not show is made up anew in every frame.
 */
const anchored = 16;

/** The homography of no motion. */
const identity: Float32Array = new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]);

/** Milliseconds of queueing after which other work gets its turn. */
const longestTurn = 5;

/** A turn of the event loop. */
class Turn {
  #since = performance.now();
  readonly #ended: () => boolean;

  constructor(ended: () => boolean) {
    this.#ended = ended;
  }

  /** Waits for the next turn when this one has lasted long enough. */
  async over(): Promise<void> {
    if (performance.now() - this.#since < longestTurn) return;
    await setImmediate();
    this.#since = performance.now();
    this.check();
  }

  check(): void {
    if (this.#ended())
      throw new InpaintError('ERR_ABORTED', 'inpaint', 'expected to finish, got aborted');
  }
}

/** Waits for a frame's work. */
export async function completed({ data, coverage }: Queued): Promise<CompletedFrame> {
  const [hole = 0, covered = 0] = (await coverage) ?? [];
  return { data: await data, coverage: hole ? covered / hole : 1 };
}

const multiple = (side: number) => Math.ceil(side / 16) * 16;

/**
 * The working size of a frame: longer side at most `workSize`, never enlarged, padded to multiples
 * of 16.
 */
export function workingSizes(
  height: number,
  width: number,
  workSize: number,
  dilate: number,
): Sizes {
  const scale = Math.min(1, workSize / Math.max(height, width));
  const native = { h: height, w: width };
  const scaled = {
    h: Math.max(1, Math.round(height * scale)),
    w: Math.max(1, Math.round(width * scale)),
  };
  const plane = { h: multiple(scaled.h), w: multiple(scaled.w) };
  const extent = { h: (plane.h * native.h) / scaled.h, w: (plane.w * native.w) / scaled.w };
  // A hole grown by the frame's diagonal is all of the frame.
  const farthest = Math.ceil(Math.hypot(height, width));
  const radius = Math.min(Math.round(dilate / scale), farthest);
  return { native, scaled, plane, extent, dilate: radius };
}

/**
 * The part of the working plane that bounds of the frame's own pixels lie on; at the frame's edge
 * with the padding behind it.
 */
export function workingBounds({ y, x, h, w }: Region, { native, scaled, plane }: Sizes): Region {
  const span = (at: number, length: number, own: number, work: number, padded: number) => {
    const first = Math.floor((at * work) / own);
    const end = at + length === own ? padded : Math.ceil(((at + length) * work) / own);
    return [first, end - first] as const;
  };
  const [top, height] = span(y, h, native.h, scaled.h, plane.h);
  const [left, width] = span(x, w, native.w, scaled.w, plane.w);
  return { y: top, x: left, h: height, w: width };
}

/**
 * Bytes that a video with `references` references takes at most, frames and device together.
 *
 * @param kind of the device: copies to a GPU, pinned and its own, are held until it has made them
 */
export function estimateBytes(
  { native, plane }: Sizes,
  channels: number,
  stride: number,
  references: number,
  kind: Device['kind'] = 'cpu',
): number {
  const own = native.h * native.w * (channels + 1);
  const pixels = plane.h * plane.w;
  const frames = lookAhead(stride, references) + 2;
  // Of a reference: its bytes, colour and visibility, features and colours at a quarter; colour and
  // visibility at three sizes, weights at 1/4, the square and its cells.
  const kept = own + pixels * (51 + 21.25) + 2 ** 19;
  // While a frame is completed: aligned features and frames of all references, activations, 8-bit
  // copies, scratch.
  const working = pixels * (references * 52 + 800) + own * 8 + 112 * 2 ** 20;
  const weights = 48 * 2 ** 20; // packed; measured: what a new inpainter has in use
  // At a shot's start all references come at once.
  const copies = kind === 'cuda' ? 2 * (references + 2) * own : 0;
  const held = 1.5 * references + 2 * nearReach(references) + 2;
  return frames * own + held * kept + working + weights + copies;
}

/**
 * Completes the frames of one video in order: chooses references, keeps what they need on the
 * device, and hands each output to the next frames of its shot.
 */
export class Completion {
  readonly #device: Device;
  readonly #network: Network;
  readonly #window: FrameWindow;
  readonly #options: CompletionOptions;
  readonly #loaded = new Map<number, Loaded>();
  /** Consecutive frames. */
  readonly #tracked = new Map<number, Tracked>();
  readonly #outputs: Output[] = []; // latest first
  /** What is made up is carried on from here; owns it, but `frame` only once no output does. */
  #anchor: { readonly from: Anchor; readonly age: number } | undefined;
  #windows: readonly Region[] = []; // that were painted, latest first
  #shot = -1;
  /** First frame that is tracked. */
  #start: number | undefined;
  #disposed = false;
  #plan: { readonly sizes: Sizes; readonly maxReferences: number } | undefined;

  constructor(device: Device, network: Network, window: FrameWindow, options: CompletionOptions) {
    this.#device = device;
    this.#network = network;
    this.#window = window;
    this.#options = options;
  }

  /**
   * Sizes and number of references for frames like this one.
   *
   * @throws InpaintError ERR_OUT_OF_MEMORY when not even one reference fits the memory limit
   */
  plan(held: HeldFrame): { readonly sizes: Sizes; readonly maxReferences: number } {
    if (this.#plan) return this.#plan;
    const { workSize, dilate, maxReferences, referenceStride, memoryLimit, logger } = this.#options;
    const { width, height, channels } = held.size;
    const sizes = workingSizes(height, width, workSize, dilate);
    const need = (references: number) =>
      estimateBytes(sizes, channels, referenceStride, references, this.#device.kind);
    let references = maxReferences;
    while (references > 1 && need(references) > memoryLimit) --references;
    if (need(references) > memoryLimit) {
      throw new InpaintError(
        'ERR_OUT_OF_MEMORY',
        'inpaint',
        `expected a memory limit of at least ${need(1)} bytes for ${width} x ${height} with one reference, got ${memoryLimit}`,
      );
    }
    if (references < maxReferences) {
      logger(
        `references: ${references} instead of ${maxReferences}, to stay under ${memoryLimit} bytes`,
      );
    }
    this.#plan = { sizes, maxReferences: references };
    return this.#plan;
  }

  /**
   * Queues the completion of the next frame, piece by piece, so that timers and sockets get their
   * turns in between.
   */
  async queue(held: HeldFrame): Promise<Queued> {
    const turn = this.#enter(held);
    const result = held.bounds
      ? await this.#paint(held, held.bounds, turn)
      : await this.#passThrough(held, turn);
    this.#leave(held);
    return result;
  }

  /**
   * Goes past the next frame without completing it, on the way to the first one that is wanted: it
   * is registered if that one can reach it. As an output it is missing, unless it has no hole.
   */
  async skip(held: HeldFrame, wanted: number): Promise<void> {
    const { index, bounds } = held;
    const turn = this.#enter(held);
    const reach = lookBehind(this.#options.referenceStride, this.plan(held).maxReferences);
    if (this.#start !== undefined && index >= wanted - reach) {
      await this.#track([index], turn);
      await this.#bring(index, turn);
      this.#load(held);
    }
    if (bounds) this.#dropOutputs();
    else if (index >= wanted - 2) {
      await this.#bring(index, turn);
      this.#pushOriginal(held);
    }
    this.#leave(held);
  }

  /**
   * What the next frame takes of those before it; undefined where it begins a shot, as nothing goes
   * over a cut.
   */
  async carry(next: HeldFrame): Promise<Carried | undefined> {
    if (next.shot !== this.#shot) return undefined;
    const windows = this.#windows;
    const { from, age = 0 } = this.#anchor ?? {};
    // All reads are queued before the next frame changes anything.
    const floats = (tensor: Tensor) => tensor.read() as Promise<Float32Array>;
    const bytes = (tensor: Tensor) => tensor.read() as Promise<Uint8Array>;
    const outputs = this.#outputs.map(({ working, native }) =>
      Promise.all([floats(working), bytes(native)]),
    );
    const anchor = from && Promise.all([floats(from.frame), floats(from.theta)]);
    const [made, kept] = await Promise.all([Promise.all(outputs), anchor]);
    return {
      outputs: made.map(([working, native]) => ({ working, native })),
      anchor: kept && { frame: kept[0], theta: kept[1], age },
      windows,
    };
  }

  /**
   * Goes on at a frame with what {@link carry} told for it. All frames before it were gone past with
   * {@link skip}.
   *
   * @throws InpaintError ERR_SHAPE when it was told of frames of another size
   */
  carryOn(next: HeldFrame, { outputs, anchor, windows }: Carried): void {
    const { plane } = this.plan(next).sizes;
    const { width, height, channels } = next.size;
    const working = (data: Float32Array) => this.#device.upload(data, [1, plane.h, plane.w, 3]);
    this.#dropOutputs();
    for (const output of [...outputs].reverse()) {
      const native = this.#device.upload(output.native, [1, height, width, channels]);
      this.#push({ working: working(output.working), native, owned: true });
    }
    this.#dropAnchor();
    if (anchor) this.#setAnchor(working(anchor.frame), anchor);
    this.#windows = windows;
  }

  #enter(held: HeldFrame): Turn {
    const { index, shot } = held;
    if (shot !== this.#shot) {
      this.#forget();
      this.#shot = shot;
    }
    // Frames are tracked from half a reference window before a hole on.
    if (!this.#window.holeFrom(held)) this.#loseTrack(index);
    else this.#start ??= index;
    return new Turn(() => this.#disposed);
  }

  /** Frees what no later frame asks for. */
  #leave(held: HeldFrame): void {
    const { index } = held;
    const { referenceStride: stride } = this.#options;
    const { maxReferences } = this.plan(held);
    const start = this.#start ?? index + 1;
    const oldest = oldestReference(index + 1, start, stride, maxReferences);
    // Those near the next target, and the last two outputs when they passed through.
    const near = Math.min(index + 1 - nearReach(maxReferences), index - 1);
    const done = (at: number) => at < near && ((at - start) % stride !== 0 || at < oldest);
    for (const at of this.#loaded.keys()) if (done(at)) this.#unload(at);
    for (const at of this.#tracked.keys()) {
      if (done(at)) this.#dropFeatures(at);
      if (at < Math.min(oldest, near)) this.#untrack(at);
    }
    this.#window.drop((frame) => frame.index > index, this.#device.copied());
  }

  /** A frame without a hole: its own output. */
  async #passThrough(held: HeldFrame, turn: Turn): Promise<Queued> {
    if (this.#start !== undefined) await this.#track([held.index], turn);
    this.#followAnchor(held.index);
    const { frame } = await this.#window.bring(held.index);
    turn.check();
    this.#pushOriginal(held);
    return { data: new Uint8Array(frame) };
  }

  #pushOriginal(held: HeldFrame): void {
    const { frame, packed, encoded } = this.#load(held);
    const { colour } = (encoded ?? packed) as Encoded | Packed;
    this.#push({ working: colour, native: frame, owned: false });
  }

  async #paint(held: HeldFrame, hole: Region, turn: Turn): Promise<Queued> {
    const { index } = held;
    const { sizes, maxReferences } = this.plan(held);
    const { native, dilate } = sizes;
    const { referenceStride } = this.#options;
    const start = this.#start as number;
    const end = this.#window.shotEnd(held);
    const chosen = chooseReferences(index, start, end, referenceStride, maxReferences);
    const exact = grow(hole, dilate, native);
    const bounds = this.#windowFor(exact, sizes);
    const [latest, before = latest] = this.#outputs;
    const previous = latest && before && { y1: latest.working, y2: before.working };

    await this.#track([index, ...chosen], turn);
    this.#followAnchor(index);
    await this.#bring(index, turn);
    const target = this.#painted(index);
    const references: Painted[] = [];
    for (const at of chosen) {
      await turn.over();
      await this.#bring(at, turn);
      references.push(this.#painted(at));
    }
    await turn.over();
    using starts = this.#chainHomographies(index, chosen);
    const inputs: PaintInputs = {
      target,
      references,
      starts,
      previous,
      native: latest?.native,
      anchor: this.#anchor?.from,
    };
    const painted = previous
      ? this.#network.programs.run(this.#paintKey(inputs, bounds, sizes), inputs, (it) =>
          this.#fill(it, bounds, sizes),
        )
      : scope(() => this.#fill(inputs, bounds, sizes));
    this.#push({ working: painted.working, native: painted.frame, owned: true });
    if (!this.#anchor || this.#anchor.age >= anchored) this.#setAnchor(painted.working);
    const data = painted.frame.read() as Promise<Uint8Array<ArrayBuffer>>;
    const coverage = painted.coverage.read() as Promise<Float32Array>;
    painted.coverage.dispose();
    // A rejection is heard when its turn to be awaited comes.
    for (const read of [data, coverage]) read.catch(() => {});
    await this.#trackAhead(index, end, turn);
    return { data, coverage };
  }

  /**
   * The window that is painted for a hole. On a CPU, its bounds. On a GPU, pixels cost less than to
   * record a program, so that a hole that moves or changes its size is given a window that was there
   * before: the smallest that contains it, if it is not much larger than the bounds rounded
   * outwards; else these.
   */
  #windowFor(bounds: Region, { native, scaled }: Sizes): Region {
    if (this.#device.kind === 'cpu') return bounds;
    const { y, x, h, w } = bounds;
    const step = Math.ceil((windowGrid * native.h) / scaled.h);
    const [top, left] = [y - (y % step), x - (x % step)];
    const end = (at: number, most: number) => Math.min(Math.ceil(at / step) * step, most);
    const rounded = {
      y: top,
      x: left,
      h: end(y + h, native.h) - top,
      w: end(x + w, native.w) - left,
    };
    const area = (it: Region) => it.h * it.w;
    const fits = (it: Region) =>
      it.y <= y && it.x <= x && it.y + it.h >= y + h && it.x + it.w >= x + w;
    const [window = rounded] = this.#windows
      .filter((it) => fits(it) && area(it) <= mostGrown * area(rounded))
      .sort((a, b) => area(a) - area(b));
    this.#windows = [window, ...this.#windows.filter((it) => it !== window)].slice(0, mostWindows);
    return window;
  }

  /** Names all that {@link #fill} works with beside the tensors' values. */
  #paintKey(
    { target, references, anchor }: PaintInputs,
    { y, x, h, w }: Region,
    sizes: Sizes,
  ): string {
    const { scaled, plane } = sizes;
    const numbers = [
      y,
      x,
      h,
      w,
      scaled.h,
      scaled.w,
      plane.h,
      plane.w,
      references.length,
      +!!anchor,
    ];
    return `paint ${[...target.frame.shape, ...numbers]}`;
  }

  /** Completes the target within bounds of its hole, in the frame's own pixels. */
  #fill(inputs: PaintInputs, bounds: Region, sizes: Sizes) {
    const { starts, previous, native: latest, anchor } = inputs;
    const { native, scaled, plane, extent } = sizes;
    const { frame: own, encoded, pyramid } = inputs.target;
    const references = inputs.references.map((it) => it.encoded);
    const window = workingBounds(bounds, sizes);
    const pyramids = inputs.references.map((it) => it.pyramid);
    const theta = this.#network.refineHomographies(starts, pyramid, pyramids, window);
    const options = { target: encoded, references, theta, previous, window };
    const completion = makeUp(this.#network.complete(options), { target: encoded, anchor });
    const finished = this.#network.finish(completion, options);
    const same = scaled.h === native.h && scaled.w === native.w;
    const sources = inputs.references.length ? inputs.references : [inputs.target];
    const { frame, coverage } = same
      ? composite(finished.y, completion.covered, own, encoded.nativeVisibility)
      : paintNative({
          target: { frame: own, visibility: encoded.nativeVisibility },
          references: sources.map((it) => ({
            frame: it.frame,
            visibility: it.encoded.nativeVisibility,
          })),
          theta,
          distance: completion.distance,
          offset: completion.offset,
          scale: this.#network.poolScale,
          ...trust,
          bounds,
          plane,
          extent,
          coarse: completion.coarse,
          decoded: completion.decoded,
          motion: completion.motion,
          previous: latest,
          flowScale: flowScale.pixels,
        });
    return { working: finished.frame, frame, coverage };
  }

  /**
   * Registers the frames up to the last wanted one, each with the one before it. What is made of a
   * frame meanwhile is made anew when it is painted or painted from: kept for a whole look-ahead, it
   * would be many times all else.
   */
  async #track(wanted: readonly number[], turn: Turn): Promise<void> {
    const last = Math.max(...wanted);
    // The first that is tracked: where its shot's tracking starts, or what is wanted first reaches.
    const tracked = [...this.#tracked.keys()];
    for (
      let at = Math.max(...(tracked.length ? tracked : [Math.min(...wanted)]));
      at <= last;
      ++at
    ) {
      if (this.#tracked.has(at)) continue;
      await turn.over();
      await this.#bring(at, turn);
      this.#register(at);
    }
  }

  /**
   * Registers the next frame that later targets reach, so that not all between two far references
   * come at once.
   */
  async #trackAhead(target: number, end: number, turn: Turn): Promise<void> {
    const { referenceStride: stride } = this.#options;
    const at = Math.max(...this.#tracked.keys()) + 1;
    const reach = target + lookAhead(stride, this.#plan?.maxReferences as number);
    if (at >= end || at > reach) return;
    await this.#bring(at, turn);
    this.#register(at);
  }

  /** Has the bytes of a frame there that is not loaded. */
  async #bring(at: number, turn: Turn): Promise<void> {
    if (this.#loaded.has(at) || this.#window.bytes(at)) return;
    await this.#window.bring(at);
    turn.check();
  }

  /** Registers a frame with the one before it. */
  #register(at: number): void {
    const before = this.#tracked.get(at - 1)?.features as Registration | undefined;
    const held = this.#window.get(at);
    if (before && held && !this.#loaded.has(at)) {
      const { sizes } = this.plan(held);
      const { frame, mask } = this.#upload(held);
      this.#tracked.set(at, this.#network.register(frame, mask, sizes, before));
      frame.dispose();
      mask.dispose();
    } else {
      const features = this.#network.registrationFeatures(this.#packed(at));
      const step = before && this.#network.track(features, before);
      this.#tracked.set(at, { features, step });
    }
    if (!this.#loaded.has(at - 1)) this.#dropFeatures(at - 1);
  }

  #upload({ index, size: { width, height, channels } }: HeldFrame) {
    const { frame, mask } = this.#window.bytes(index) as Memory;
    const tensors = {
      frame: this.#device.uploadLater(frame, [1, height, width, channels]),
      mask: this.#device.uploadLater(mask, [1, height, width, 1]),
    };
    this.#window.letGo(index, this.#device.copied());
    return tensors;
  }

  /** A frame of which nothing is encoded yet. */
  #packed(index: number): Packed {
    return this.#load(this.#window.get(index) ?? index).packed as Packed;
  }

  #dropFeatures(index: number): void {
    const tracked = this.#tracked.get(index);
    if (!tracked?.features) return;
    tracked.features.dispose();
    tracked.features = undefined;
  }

  /** The homographies from a target to the references chosen for it, not refined. */
  #chainHomographies(target: number, chosen: readonly number[]): Tensor {
    const first = Math.min(target, ...chosen);
    const last = Math.max(target, ...chosen);
    const tracked = (at: number) => this.#tracked.get(at) as Tracked;
    const steps = Array.from(
      { length: last - first },
      (_, i) => tracked(first + i + 1).step as Tensor,
    );
    const references = chosen.map((at) => at - first);
    return this.#network.chainHomographies({ steps, target: target - first, references });
  }

  /**
   * A frame's tensors; a number stands for a frame that has left the window and was loaded before.
   */
  #load(from: HeldFrame | number): Loaded {
    const index = typeof from === 'number' ? from : from.index;
    const known = this.#loaded.get(index);
    if (known) return known;
    const held = from as HeldFrame;
    const { sizes } = this.plan(held);
    const loaded = scope((): Loaded => {
      const { frame, mask } = this.#upload(held);
      return { frame, packed: this.#network.pack(frame, mask, sizes), encoded: undefined };
    });
    this.#loaded.set(index, loaded);
    return loaded;
  }

  /** A frame that is tracked, with all that painting takes of it. */
  #painted(index: number): Painted {
    const tracked = this.#tracked.get(index) as Tracked;
    if (!tracked.features && !this.#loaded.has(index)) {
      const held = this.#window.get(index) as HeldFrame;
      const { sizes } = this.plan(held);
      const { frame, mask } = this.#upload(held);
      const { encoded, pyramid } = this.#network.prepare(frame, mask, sizes);
      mask.dispose();
      this.#loaded.set(index, { frame, packed: undefined, encoded });
      tracked.features = pyramid;
    }
    const loaded = this.#load(this.#window.get(index) ?? index);
    if (loaded.packed) {
      tracked.features ??= this.#network.pyramid(loaded.packed);
      loaded.encoded = this.#network.encode(loaded.packed);
      loaded.packed = undefined;
    }
    const { levels, near } = tracked.features as Pyramid;
    const { frame, encoded } = loaded as Loaded & { encoded: Encoded };
    return { frame, encoded, pyramid: { levels, near } };
  }

  #unload(index: number): void {
    const loaded = this.#loaded.get(index);
    loaded?.frame.dispose();
    loaded?.packed?.dispose();
    loaded?.encoded?.dispose();
    this.#loaded.delete(index);
  }

  #untrack(index: number): void {
    const tracked = this.#tracked.get(index);
    tracked?.features?.dispose();
    tracked?.step?.dispose();
    this.#tracked.delete(index);
  }

  /** Forgets what registers frames, and all that is loaded of frames behind `index`. */
  #loseTrack(index: number): void {
    this.#start = undefined;
    this.#dropAnchor();
    for (const at of this.#tracked.keys()) this.#untrack(at);
    for (const at of this.#loaded.keys()) if (at > index) this.#unload(at);
  }

  #setAnchor(frame: Tensor, { theta, age } = { theta: identity, age: 0 }): void {
    this.#dropAnchor();
    const [, h = 0, w = 0] = frame.shape;
    const visibility = this.#device.upload(new Float32Array(h * w).fill(1), [1, h, w, 1]);
    const from = { frame, visibility, theta: this.#device.upload(theta, [1, 3, 3]) };
    this.#anchor = { from, age };
  }

  /** Leads the homography to the anchor on from the frame before to this one. */
  #followAnchor(index: number): void {
    if (!this.#anchor) return;
    const { from, age } = this.#anchor;
    const step = this.#tracked.get(index)?.step;
    if (!step) {
      this.#dropAnchor();
      return;
    }
    const steps = [from.theta, step];
    const theta = this.#network.chainHomographies({ steps, target: 2, references: [0] });
    from.theta.dispose();
    this.#anchor = { from: { ...from, theta }, age: age + 1 };
  }

  #dropAnchor(): void {
    if (!this.#anchor) return;
    const { frame, visibility, theta } = this.#anchor.from;
    this.#anchor = undefined;
    theta.dispose();
    visibility.dispose();
    if (!this.#outputs.some((it) => it.working === frame)) frame.dispose();
  }

  /** Makes `output` the latest; two are kept. */
  #push(output: Output): void {
    this.#outputs.unshift(output);
    for (const old of this.#outputs.splice(2)) this.#release(old);
  }

  #release({ working, native, owned }: Output): void {
    if (!owned) return;
    if (working !== this.#anchor?.from.frame) working.dispose();
    native.dispose();
  }

  #dropOutputs(): void {
    for (const output of this.#outputs.splice(0)) this.#release(output);
  }

  /** Frees everything of the shot so far. */
  #forget(): void {
    this.#dropOutputs();
    this.#loseTrack(-1);
    this.#windows = [];
  }

  /** Frees everything; a frame in hand fails with ERR_ABORTED. */
  dispose(): void {
    this.#disposed = true;
    this.#forget();
    this.#device.trim();
  }
}
