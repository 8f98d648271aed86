import type { Device } from '../device.js';
import { InpaintError } from '../errors.js';
import { expectInteger, expectObject } from '../expect.js';
import { defaultWeights } from '../inpainter.js';
import { Network } from '../network/network.js';
import { resize } from '../ops/resize.js';
import { scope } from '../scope.js';
import { type Image, type ImageLike, toImage } from '../video/image.js';
import { Attacher, attachedReach } from './attached.js';
import { Follower, lookAhead, lookBack } from './follow.js';
import { type Checked, expectInside, expectPrompts, type Prompt } from './prompts.js';
import { Scene } from './scene.js';
import { type Spot, seed, seedAhead } from './seed.js';
import { clamp } from './smooth.js';

const op = 'trackMask';

/** What it costs, of an agreement of at most 1, that a correction reaches less far back. */
const nearness = 0.25;
/** Masks from before and from behind are mixed over this many frames on either side. */
const blended = 4;

/** How an object is followed; everything may be left out. */
export interface TrackOptions {
  /** Longer side, in pixels, at which frames are compared, 64 to 1024, default 432. */
  readonly workSize?: number | undefined;
  /**
   * Whether masks hold what belongs to the object too: what differs from the background, touches the
   * object and moves with it, as shadows, reflections and what is carried. By default they do not.
   * Reads 88 frames further ahead.
   */
  readonly attached?: boolean | undefined;
  /** Path of the weights, by default those that come with the package. */
  readonly weights?: string | undefined;
  /** Ends the work with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Told where the object is lost, and where it is found again. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Told how many frames were looked at, and how many masks were given. */
  readonly onProgress?:
    | ((progress: { readonly looked: number; readonly given: number }) => void)
    | undefined;
}

/** The mask of one frame. The data is the caller's. */
export interface TrackedMask extends Image {
  /** 255 where the object is, 0 elsewhere. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly channels: 1;
  /** Number of the frame, from 0. */
  readonly index: number;
  /** Whether the object was not found; the mask is empty then. */
  readonly lost: boolean;
}

/**
 * Masks of an object, from what is said of it in some frames: one for every frame, in order.
 *
 * From the first frame that is spoken of the object is followed both ways; what is said of later
 * frames corrects the masks before and behind them. Frames are pulled up to the last one that is
 * spoken of, and a second or so beyond, before the first mask is given: until then they are kept,
 * small, in a temporary file. Memory does not depend on the length.
 *
 * @param source frames of one size: an {@link Image}, sharp's `{ data, info }` and ImageData are
 *   taken
 * @throws InpaintError ERR_ARGUMENT at the call; while it runs ERR_ARGUMENT, ERR_SHAPE (a frame, a
 *   prompt outside), ERR_WEIGHTS, ERR_OUT_OF_MEMORY, ERR_DEVICE, ERR_ABORTED, and whatever the
 *   source throws
 */
export function trackMask(
  device: Device,
  source: Iterable<ImageLike> | AsyncIterable<ImageLike>,
  prompts: readonly Prompt[],
  options: TrackOptions = {},
): AsyncGenerator<TrackedMask, void, void> {
  expectObject(op, 'options', options);
  const { workSize = 432, signal, attached } = options;
  expectInteger(op, 'workSize', workSize, 64, 1024);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    const message = `expected signal to be an AbortSignal, got ${typeof signal}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  if (attached !== undefined && typeof attached !== 'boolean') {
    const message = `expected attached to be a boolean, got ${typeof attached}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  const checked = expectPrompts(prompts);
  const given = source as
    | Partial<AsyncIterable<ImageLike> & Iterable<ImageLike>>
    | null
    | undefined;
  const iterator = given?.[Symbol.asyncIterator]?.() ?? given?.[Symbol.iterator]?.();
  if (typeof iterator?.next !== 'function') {
    const message = `expected an iterable source of frames, got ${typeof source}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  return new Tracking(device, iterator, checked, { ...options, workSize }).masks();
}

type Frames = AsyncIterator<ImageLike> | Iterator<ImageLike>;

/** The work of one {@link trackMask}. */
class Tracking {
  readonly #device: Device;
  readonly #source: Frames;
  readonly #prompts: readonly Checked[];
  readonly #options: TrackOptions & { readonly workSize: number };
  #scene!: Scene;
  #ended = false;
  /** Whether all frames at hand are in the scene's file. */
  #filing = true;

  constructor(
    device: Device,
    source: Frames,
    prompts: readonly Checked[],
    options: TrackOptions & { readonly workSize: number },
  ) {
    this.#device = device;
    this.#source = source;
    this.#prompts = prompts;
    this.#options = options;
  }

  async *masks(): AsyncGenerator<TrackedMask, void, void> {
    let network: Network | undefined;
    try {
      const first = await this.#next();
      if (!first) return;
      for (const prompt of this.#prompts) expectInside(prompt, first.width, first.height);
      network = await Network.load(this.#device, this.#options.weights ?? defaultWeights);
      const last = (this.#prompts.at(-1) as Checked).frame;
      const filed = last > 0 ? last + seedAhead + 1 : 0;
      this.#scene = await Scene.open(this.#device, network, first, this.#options.workSize, filed);
      await this.#scene.add(first);
      let given = 0;
      for await (const object of this.#options.attached
        ? this.#attach(this.#objects(last))
        : this.#objects(last))
        yield await this.#mask(given++, object);
    } finally {
      await this.#scene?.dispose();
      network?.dispose();
      if (!this.#ended) await this.#source.return?.();
    }
  }

  /** Adds what belongs to the object. */
  async *#attach(objects: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array, void, void> {
    const attacher = new Attacher(this.#device, this.#scene);
    let [taken, given] = [0, 0];
    for await (const object of objects) {
      await attacher.take(taken++, object);
      if (taken > given + attachedReach) yield await attacher.give(given++);
      this.#scene.drop(given - attachedReach - lookBack, Number.POSITIVE_INFINITY);
    }
    while (given < taken) yield await attacher.give(given++);
  }

  /** The object's mask in each frame, in order. */
  async *#objects(last: number): AsyncGenerator<Float32Array, void, void> {
    const scene = this.#scene;
    await this.#pull(last + 1 + seedAhead, () => {
      if (last > 0) scene.drop(scene.count - 1, scene.count);
    });
    if (scene.count <= last) {
      const expected = `a prompt's frame to be less than the ${scene.count} frames there are`;
      throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${last}`);
    }
    this.#filing = last > 0;
    const follower = await this.#fileMasks();
    this.#filing = false;
    for (let index = 0; index < last; index++) yield await scene.filedMask(index);
    yield follower.latest;
    for (let index = last + 1; ; index++) {
      await this.#pull(index + 1 + lookAhead);
      if (index >= scene.count) return;
      yield await this.#follow(follower, index);
      if (!this.#options.attached) scene.drop(index - lookBack, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Files the masks of the frames before the last that is spoken of.
   *
   * @returns what follows the object from there on
   */
  async #fileMasks(): Promise<Follower> {
    const scene = this.#scene;
    const frames = [...new Set(this.#prompts.map(({ frame }) => frame))];
    let ahead: Follower | undefined;
    for (const [k, frame] of frames.entries()) {
      let tracked: Float32Array | undefined;
      if (ahead) {
        for (let i = (frames[k - 1] as number) + 1; i < frame; i++)
          await scene.fileMask(i, await this.#follow(ahead, i));
        tracked = await this.#follow(ahead, frame);
      }
      const object = await this.#seed(frame, tracked);
      await scene.fileMask(frame, object);
      const known = { index: frame, object };
      const back = await Follower.start(this.#device, scene, -1, known);
      await this.#correctBack(back, frames.slice(0, k + 1));
      ahead = await Follower.start(this.#device, scene, 1, known);
    }
    return ahead as Follower;
  }

  /**
   * Follows the object back from the last of some frames that are spoken of. Between two of them
   * masks from behind replace those from before as far back as both agree best; all of them, and
   * those before, when what was only pointed at there is found.
   */
  async #correctBack(back: Follower, frames: readonly number[]): Promise<void> {
    const scene = this.#scene;
    for (let k = frames.length - 1; k >= 0; k--) {
      const frame = frames[k] as number;
      const before = frames[k - 1] ?? -1;
      const said = this.#prompts.filter((it) => it.frame === before);
      const isGuess = said.every((it) => it.kind === 'point');
      const last = isGuess ? Math.max(0, before) : before + 1;
      let [seam, least] = [frame, Number.POSITIVE_INFINITY];
      let isFound = before < 0;
      for (let i = frame - 1; i >= last; i--) {
        const own = await this.#follow(back, i);
        await scene.fileMask(i, own, 1);
        if (before < 0) continue;
        if (i === before) isFound = this.#holds(own, before);
        const way = Math.abs((i - before) / (frame - before) - (isGuess ? 0 : 0.5));
        const cost = 1 - agreement(own, await scene.filedMask(i)) + nearness * way;
        if (cost <= least) [seam, least] = [i, cost];
      }
      const isAll = isFound && (before < 0 || seam - before <= blended);
      for (let i = isAll ? last : Math.max(before + 1, seam - blended); i < frame; i++) {
        const share = isAll ? 1 : clamp(0.5 + (i - seam + 0.5) / (2 * blended), 0, 1);
        const own = await scene.filedMask(i, 1);
        const other = share < 1 ? await scene.filedMask(i) : own;
        const mixed = own.map((v, j) => share * v + (1 - share) * (other[j] as number));
        await scene.fileMask(i, mixed);
      }
      if (!isAll) return;
    }
  }

  /** Whether a mask holds the points that were said of a frame. */
  #holds(object: Float32Array, frame: number): boolean {
    const { size } = this.#scene;
    return this.#spots(frame).every(({ x, y, isObject }) => {
      const at = Math.floor(y) * size.w + Math.floor(x);
      return (object[at] as number) > 0.5 === isObject;
    });
  }

  #spots(frame: number): Spot[] {
    const { native, scaled } = this.#scene;
    const [across, down] = [scaled.w / native.w / 2, scaled.h / native.h / 2];
    return this.#prompts.flatMap((it): Spot[] =>
      it.frame === frame && it.kind === 'point'
        ? [{ x: (it.x + 0.5) * across, y: (it.y + 0.5) * down, isObject: !it.not }]
        : [],
    );
  }

  /** The mask of a frame that is spoken of. */
  async #seed(frame: number, tracked: Float32Array | undefined): Promise<Float32Array> {
    const scene = this.#scene;
    const { native, scaled } = scene;
    const [across, down] = [scaled.w / native.w / 2, scaled.h / native.h / 2];
    const said = this.#prompts.filter((it) => it.frame === frame);
    const spots = this.#spots(frame);
    const boxes = said.flatMap((it) =>
      it.kind === 'box'
        ? [{ x: it.x * across, y: it.y * down, width: it.width * across, height: it.height * down }]
        : [],
    );
    const painted = said.flatMap((it) => (it.kind === 'mask' ? [this.#reduce(it.image)] : []));
    const object = painted.length
      ? painted.reduce((a, b) => a.map((v, i) => Math.max(v, b[i] as number)))
      : boxes.length
        ? undefined
        : tracked;
    if (object && !spots.length) return object;
    return seed(this.#device, scene, await scene.view(frame), { spots, boxes }, object);
  }

  /** Share of each pixel of a view that is not black. */
  #reduce({ data, width, height, channels }: Image): Float32Array {
    const { size, scaled } = this.#scene;
    const colours = channels === 1 ? 1 : 3;
    const [sums, counts] = [new Float32Array(size.h * size.w), new Float32Array(size.h * size.w)];
    for (let y = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * scaled.h) / height / 2);
      for (let x = 0; x < width; x++) {
        const at = row * size.w + Math.floor(((x + 0.5) * scaled.w) / width / 2);
        const i = (y * width + x) * channels;
        let any = 0;
        for (let k = 0; k < colours; k++) any |= data[i + k] as number;
        sums[at] = (sums[at] as number) + (any ? 1 : 0);
        counts[at] = (counts[at] as number) + 1;
      }
    }
    return sums.map((sum, i) => (counts[i] ? sum / (counts[i] as number) : 0));
  }

  async #follow(follower: Follower, index: number): Promise<Float32Array> {
    this.#throwIfAborted();
    const wasLost = follower.lost;
    const object = await follower.next(index);
    if (this.#filing) this.#scene.drop(index - lookBack, index + lookBack);
    if (follower.lost !== wasLost) {
      const what = follower.lost ? 'lost' : 'found again';
      this.#options.onNote?.(`the object is ${what} in frame ${index}`);
    }
    return object;
  }

  /** A mask of the frame's size from one of a view's. */
  async #mask(index: number, object: Float32Array): Promise<TrackedMask> {
    const { native, scaled, size } = this.#scene;
    const out = scope(() =>
      resize(this.#device.upload(object, [1, size.h, size.w, 1]), {
        ...native,
        mode: 'bilinear',
        inputExtent: { h: scaled.h / 2, w: scaled.w / 2 },
        outputExtent: native,
        atLeast: 0.5,
      }),
    );
    const values = await out.read();
    out.dispose();
    const data = new Uint8Array(values.length);
    let any = false;
    for (let i = 0; i < data.length; i++) {
      if (!values[i]) continue;
      data[i] = 255;
      any = true;
    }
    this.#options.onProgress?.({ looked: this.#scene.count, given: index + 1 });
    return { data, width: native.w, height: native.h, channels: 1, index, lost: !any };
  }

  async #pull(count: number, after?: () => void): Promise<void> {
    while (!this.#ended && this.#scene.count < count) {
      const frame = await this.#next();
      if (!frame) return;
      await this.#scene.add(frame);
      after?.();
      this.#options.onProgress?.({ looked: this.#scene.count, given: 0 });
    }
  }

  async #next(): Promise<Image | undefined> {
    this.#throwIfAborted();
    const { value, done } = await this.#source.next();
    if (done) {
      this.#ended = true;
      return undefined;
    }
    const name = `frame ${this.#scene?.count ?? 0}`;
    const frame = toImage(op, name, value);
    if (frame.channels === 1) {
      const message = `expected ${name} to have 3 or 4 channels, got 1`;
      throw new InpaintError('ERR_ARGUMENT', op, message);
    }
    return frame;
  }

  #throwIfAborted(): void {
    const { signal } = this.#options;
    if (!signal?.aborted) return;
    throw new InpaintError('ERR_ABORTED', op, 'expected to finish, got aborted', {
      cause: signal.reason,
    });
  }
}

/** Intersection over union. */
function agreement(a: Float32Array, b: Float32Array): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += Math.min(a[i] as number, b[i] as number);
    either += Math.max(a[i] as number, b[i] as number);
  }
  return either > 0 ? both / either : 1;
}
