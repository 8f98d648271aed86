import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import type { Network, Registration } from '../network/network.js';
import { resize } from '../ops/resize.js';
import type { Size } from '../ops/window.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { workingSizes } from '../video/completion.js';
import type { Image } from '../video/image.js';
import { isCut, newThumbnail, type Thumbnail } from '../video/shots.js';
import { binsOf, toLab } from './colours.js';
import { chain, identity, type Matrix } from './homographies.js';

/** A frame as it is compared with others, at half the working size. */
export interface View {
  readonly index: number;
  /** First frame of its shot. */
  readonly shot: number;
  /** [h w 3], see {@link toLab}. */
  readonly lab: Float32Array;
  /** See {@link binsOf}. */
  readonly bin: Uint16Array;
  /** lab as [1 h w 3]. */
  readonly half: Tensor;
  /** The same at half that size. */
  readonly quarter: Tensor;
}

/** What is kept of a frame: its bytes at half the working size, and how it relates to the last. */
interface Kept {
  readonly rgb: Uint8Array;
  readonly step: Matrix;
  readonly shot: number;
}

/** How many views are held ready. */
const ready = 40;

function thumbnailOf(rgb: Uint8Array, { h, w }: Size): Thumbnail {
  const small = newThumbnail();
  const counts = new Float32Array(small.length);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = Math.floor((y * 18) / h) * 32 + Math.floor((x * 32) / w);
      const i = 3 * (y * w + x);
      small[at] =
        (small[at] as number) +
        0.299 * (rgb[i] as number) +
        0.587 * (rgb[i + 1] as number) +
        0.114 * (rgb[i + 2] as number);
      counts[at] = (counts[at] as number) + 1;
    }
  }
  return small.map((sum, i) => sum / Math.max(1, counts[i] as number));
}

/**
 * The frames of a video as they are compared with one another: small, with the homographies between
 * them. Those up to a given one are kept in a file without a name, so that they can be gone through
 * backwards; of those behind it, as many as are still of use are kept in memory.
 */
export class Scene {
  /** Of the frames as given. */
  readonly native: Size;
  /** Of the frame in the working plane. */
  readonly scaled: Size;
  /** Half the working plane: the size of views, and of what is told of them. */
  readonly size: Size;
  /** A quarter of the working plane. */
  readonly cells: Size;
  readonly #device: Device;
  readonly #network: Network;
  readonly #plane: Size;
  readonly #blank: Tensor;
  readonly #kept = new Map<number, Kept>();
  readonly #views = new Map<number, View>();
  readonly #pinned = new Set<number>();
  readonly #file: FileHandle | undefined;
  readonly #filed: number;
  #latest: { features: Registration; small: Thumbnail; shot: number } | undefined;
  #count = 0;

  private constructor(
    device: Device,
    network: Network,
    first: Image,
    workSize: number,
    filed: number,
    file: FileHandle | undefined,
  ) {
    const { native, scaled, plane } = workingSizes(first.height, first.width, workSize, 0);
    this.#device = device;
    this.#network = network;
    this.#plane = plane;
    this.native = native;
    this.scaled = scaled;
    this.size = { h: plane.h / 2, w: plane.w / 2 };
    this.cells = { h: plane.h / 4, w: plane.w / 4 };
    this.#blank = device.upload(new Uint8Array(native.h * native.w), [1, native.h, native.w, 1]);
    this.#file = file;
    this.#filed = filed;
  }

  /** @param filed how many frames can be gone back to */
  static async open(
    device: Device,
    network: Network,
    first: Image,
    workSize: number,
    filed: number,
  ): Promise<Scene> {
    let file: FileHandle | undefined;
    if (filed > 0) {
      const folder = await mkdtemp(join(tmpdir(), 'align-and-attend-'));
      try {
        file = await open(join(folder, 'frames'), 'wx+', 0o600);
      } finally {
        // The file stays as long as it is open.
        await rm(folder, { recursive: true });
      }
    }
    return new Scene(device, network, first, workSize, filed, file);
  }

  /** Frames that were added. */
  get count(): number {
    return this.#count;
  }

  /** Adds the next frame. */
  async add({ data, width, height, channels }: Image): Promise<void> {
    const { h, w } = this.native;
    if (width !== w || height !== h) {
      throw new InpaintError(
        'ERR_SHAPE',
        'trackMask',
        `expected frame ${this.#count} to be ${w} x ${h} like the first, got ${width} x ${height}`,
      );
    }
    const before = this.#latest;
    const { features, half, step } = scope(() => {
      const frame = this.#device.upload(data, [1, h, w, channels]);
      const packed = this.#network.pack(frame, this.#blank, {
        dilate: 0,
        scaled: this.scaled,
        plane: this.#plane,
      });
      const now = this.#network.registrationFeatures(packed);
      return {
        features: now,
        half: resize(packed.colour, { ...this.size, mode: 'area' }),
        step: before && this.#network.track(now, before.features),
      };
    });
    const [colour, found] = await Promise.all([half.read(), step?.read()]);
    half.dispose();
    step?.dispose();
    before?.features.dispose();
    const rgb = Uint8Array.from(colour, (v) => Math.round(127.5 * (v + 1)));
    const small = thumbnailOf(rgb, this.size);
    const shot = !before || isCut(before.small, small) ? this.#count : before.shot;
    this.#latest = { features, small, shot };
    const sane = found?.every(Number.isFinite);
    const kept = { rgb, shot, step: found && sane ? [...found] : identity };
    if (this.#file && this.#count < this.#filed) await this.#write(this.#count, kept);
    this.#kept.set(this.#count, kept);
    this.#count += 1;
  }

  /** A frame that was added, and can still be had. */
  async view(index: number): Promise<View> {
    const held = this.#views.get(index);
    if (held) {
      // Last in the order of the map: latest used.
      this.#views.delete(index);
      this.#views.set(index, held);
      return held;
    }
    const { rgb, shot } = await this.#keep(index);
    const lab = toLab(rgb);
    const { h, w } = this.size;
    const { half, quarter } = scope(() => {
      const half = this.#device.upload(lab, [1, h, w, 3]);
      return { half, quarter: resize(half, { ...this.cells, mode: 'area' }) };
    });
    const view = { index, shot, lab, bin: binsOf(lab), half, quarter };
    this.#views.set(index, view);
    for (const [other, { half, quarter }] of this.#views) {
      if (this.#views.size <= ready) break;
      half.dispose();
      quarter.dispose();
      this.#views.delete(other);
    }
    return view;
  }

  /** Several frames at once; no more than are held ready. */
  async views(indices: readonly number[]): Promise<View[]> {
    const views: View[] = [];
    for (const index of indices) views.push(await this.view(index));
    return views;
  }

  /** First frame of the shot that a frame is in. */
  async shotOf(index: number): Promise<number> {
    return (await this.#keep(index)).shot;
  }

  /** From a frame to others of its shot, not far away. */
  async relate(target: number, others: readonly number[]): Promise<Matrix[]> {
    const [first, last] = [Math.min(target, ...others), Math.max(target, ...others)];
    const steps = new Map<number, Matrix>();
    for (let i = first + 1; i <= last; i++) steps.set(i, (await this.#keep(i)).step);
    return others.map((other) => chain((i) => steps.get(i) as Matrix, target, other));
  }

  /** Keeps a frame for good. */
  async pin(index: number): Promise<void> {
    const kept = await this.#keep(index);
    this.#pinned.add(index);
    this.#kept.set(index, kept);
  }

  /** Lets go of the frames outside of these. */
  drop(first: number, last: number): void {
    for (const index of this.#kept.keys())
      if ((index < first || index > last) && !this.#pinned.has(index)) this.#kept.delete(index);
  }

  /** Files the mask of a frame that can be gone back to: of two, the first or the second. */
  async fileMask(index: number, object: Float32Array, which: 0 | 1 = 0): Promise<void> {
    const bytes = Uint8Array.from(object, (v) => Math.round(255 * v));
    await this.#file?.write(bytes, 0, bytes.length, this.#maskPlace(index, which));
  }

  /** A mask that was filed. */
  async filedMask(index: number, which: 0 | 1 = 0): Promise<Float32Array> {
    const bytes = Buffer.alloc(this.#bytes / 3);
    await this.#file?.read(bytes, 0, bytes.length, this.#maskPlace(index, which));
    return Float32Array.from(bytes, (v) => v / 255);
  }

  async dispose(): Promise<void> {
    for (const { half, quarter } of this.#views.values()) {
      half.dispose();
      quarter.dispose();
    }
    this.#views.clear();
    this.#kept.clear();
    this.#latest?.features.dispose();
    this.#blank.dispose();
    await this.#file?.close();
  }

  get #bytes(): number {
    return this.size.h * this.size.w * 3;
  }

  /** Where the file holds a frame: its bytes, ten numbers, two masks. */
  #place(index: number): number {
    return index * (this.#bytes + 80 + (2 * this.#bytes) / 3);
  }

  #maskPlace(index: number, which: 0 | 1): number {
    return this.#place(index) + this.#bytes + 80 + (which * this.#bytes) / 3;
  }

  async #write(index: number, { rgb, step, shot }: Kept): Promise<void> {
    const numbers = Float64Array.from([...step, shot]);
    const record = Buffer.concat([rgb, new Uint8Array(numbers.buffer)]);
    await this.#file?.write(record, 0, record.length, this.#place(index));
  }

  async #keep(index: number): Promise<Kept> {
    const held = this.#kept.get(index);
    if (held) return held;
    const length = this.#bytes + 80;
    const record = Buffer.alloc(length);
    const read = await this.#file?.read(record, 0, length, this.#place(index));
    if (read?.bytesRead !== length)
      throw new InpaintError(
        'ERR_MEDIA',
        'trackMask',
        `expected frame ${index} in a temporary file, got an end`,
      );
    const numbers = new Float64Array(Uint8Array.from(record.subarray(this.#bytes)).buffer);
    const rgb = Uint8Array.from(record.subarray(0, this.#bytes));
    const kept = { rgb, step: [...numbers.subarray(0, 9)], shot: numbers[9] as number };
    this.#kept.set(index, kept);
    return kept;
  }
}
