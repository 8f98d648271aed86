import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { paintNative } from '../network/native.js';
import type { Encoded, Network, Packed } from '../network/network.js';
import type { Region, Size } from '../ops/index.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { chooseReferences, lookAhead, oldestReference } from './references.js';
import type { FrameWindow, HeldFrame } from './window.js';

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

/** A frame on the device. */
interface Loaded {
  readonly frame: Tensor;
  readonly packed: Packed;
  encoded: Encoded | undefined;
}

/** What the next frames of a shot get of this one. */
interface Output {
  /** At working size, float. */
  readonly working: Tensor;
  /** At the frame's own size, uint8; undefined when that is the working size. */
  readonly native: Tensor | undefined;
}

const multiple = (side: number) => Math.ceil(side / 16) * 16;

/** The working size of a frame: longer side at most `workSize`, never enlarged, padded to multiples of 16. */
export function workingSizes(height: number, width: number, workSize: number, dilate: number): Sizes {
  const scale = Math.min(1, workSize / Math.max(height, width));
  const native = { h: height, w: width };
  const scaled = { h: Math.max(1, Math.round(height * scale)), w: Math.max(1, Math.round(width * scale)) };
  const plane = { h: multiple(scaled.h), w: multiple(scaled.w) };
  const extent = { h: (plane.h * native.h) / scaled.h, w: (plane.w * native.w) / scaled.w };
  return { native, scaled, plane, extent, dilate: Math.round(dilate / scale) };
}

/** Bytes that a video with `references` references takes at most, frames and device together. */
export function estimateBytes({ native, plane }: Sizes, channels: number, stride: number, references: number): number {
  const own = native.h * native.w * (channels + 1);
  const pixels = plane.h * plane.w;
  const frames = lookAhead(stride, references) + 2;
  // Of a reference: its bytes, colour and visibility, features at a quarter, what the homography keeps.
  const kept = own + pixels * 56 + 2 ** 19;
  // While a frame is completed: aligned features and frames of all references, activations, 8-bit copies, bands, scratch.
  const working = pixels * (references * 52 + 640) + own * 8 + 112 * 2 ** 20;
  const weights = 32 * 2 ** 20;
  return frames * own + (1.5 * references + 2) * kept + working + weights;
}

/**
 * Completes the frames of one video in order: chooses references, keeps what they need on the device, and hands each output to the next
 * frames of its shot.
 */
export class Completion {
  readonly #device: Device;
  readonly #network: Network;
  readonly #window: FrameWindow;
  readonly #options: CompletionOptions;
  readonly #loaded = new Map<number, Loaded>();
  #outputs: Output[] = []; // latest first
  #shot = -1;
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
    const { width, height, channels } = held.frame;
    const sizes = workingSizes(height, width, workSize, dilate);
    const need = (references: number) => estimateBytes(sizes, channels, referenceStride, references);
    let references = maxReferences;
    while (references > 1 && need(references) > memoryLimit) --references;
    if (need(references) > memoryLimit) {
      throw new InpaintError('ERR_OUT_OF_MEMORY', 'inpaint',
        `expected a memory limit of at least ${need(1)} bytes for ${width} x ${height} with one reference, got ${memoryLimit}`);
    }
    if (references < maxReferences) {
      logger(`references: ${references} instead of ${maxReferences}, to stay under ${memoryLimit} bytes`);
    }
    this.#plan = { sizes, maxReferences: references };
    return this.#plan;
  }

  /** Completes the next frame. */
  async complete(held: HeldFrame): Promise<{ data: Uint8Array<ArrayBuffer>; coverage: number }> {
    const { maxReferences } = this.plan(held);
    const { referenceStride: stride } = this.#options;
    const { index, shot } = held;
    if (shot !== this.#shot) {
      this.#forget();
      this.#shot = shot;
    }
    const target = this.#load(held);
    const chosen = chooseReferences(index, shot, this.#window.shotEnd(held), stride, maxReferences);
    const { data, coverage } = await (held.bounds
      ? this.#paint(held, target, chosen)
      : this.#passThrough(held, target));

    const oldest = oldestReference(index + 1, shot, stride, maxReferences);
    const isReference = (frame: number, first: number) => (frame - first) % stride === 0;
    for (const [at, loaded] of this.#loaded) {
      if (at > index || (at >= oldest && isReference(at, shot))) continue;
      this.#unload(loaded);
      this.#loaded.delete(at);
    }
    this.#window.drop((frame) => frame.index > index);
    return { data, coverage };
  }

  async #passThrough(held: HeldFrame, target: Loaded): Promise<{ data: Uint8Array<ArrayBuffer>; coverage: number }> {
    this.#push(scope(() => this.#network.passThrough(target.packed)), target.frame);
    return { data: Uint8Array.from(held.frame.data), coverage: 1 };
  }

  async #paint(held: HeldFrame, target: Loaded, chosen: readonly number[]) {
    return { data: Uint8Array.from(held.frame.data), coverage: 1 };
  }

  #load(held: HeldFrame): Loaded {
    const known = this.#loaded.get(held.index);
    if (known) return known;
    const { sizes } = this.plan(held);
    const loaded = scope(() => {
      const { data, width, height, channels } = held.frame;
      const frame = this.#device.upload(data, [1, height, width, channels]);
      const mask = this.#device.upload(held.mask.data, [1, height, width, 1]);
      return { frame, packed: this.#network.pack(frame, mask, sizes), encoded: undefined };
    });
    this.#loaded.set(held.index, loaded);
    return loaded;
  }

  #unload({ frame, packed, encoded }: Loaded): void {
  }

  #push(working: Tensor, native: Tensor): void {
  }

  #forget(): void {
  }

  dispose(): void {
    this.#forget();
  }
}
