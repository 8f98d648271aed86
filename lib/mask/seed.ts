import type { Device } from '../device.js';
import type { Size } from '../ops/window.js';
import { distanceToBackground } from './background.js';
import { ColourModel, colourBins } from './colours.js';
import { dilate, parts, regionOf } from './regions.js';
import type { Scene, View } from './scene.js';
import { clamp, sigmoid, smooth } from './smooth.js';

// What follows was chosen by bench/track: lengths are pixels of a view, half of the working size.

/** Frames that show the background of the one spoken of: near, and far for what moves slowly. */
const near = [-10, -6, -3, 3, 6, 10] as const;
const distant = [-30, -20, -15, 15, 20, 30] as const;
/** How far ahead of a frame that is spoken of is looked. */
export const seedAhead = 30;

/** Distances from the background above which something may have moved: each is tried. */
const thresholds = [0.06, 0.1, 0.15, 0.22] as const;
/** How sure a spot is of the pixels around it, and how far. */
const spot = { radius: 5, logit: 8 } as const;
/** Rounds of learning the object's colours from what was found. */
const rounds = 4;
const motion = { least: -1, most: 3 } as const;
const colourShare = 0.7;
/** What speaks against any pixel, for those in a box, and for a mask that is corrected. */
const prior = { all: -0.5, box: 1, before: 1.3 } as const;
/** How far a correction reaches: this share of the square root of the mask's area. */
const zone = { share: 0.5, least: 8 } as const;
/** Colours that a correction spreads to: from pixel to pixel, and from the spot's own. */
const spread = { step: 0.22, own: 0.5 } as const;
/** How much more the better masks count: the power of what they are worth. */
const trust = 4;
/** What is around a mask, to judge it by. */
const ring = 8;

/** A place that was pointed at, in pixels of a view. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  /** Whether the object is there. */
  readonly isObject: boolean;
}

/** A box around the object, in pixels of a view. */
export interface Bounds {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is said of a frame. */
export interface Said {
  readonly spots: readonly Spot[];
  readonly boxes: readonly Bounds[];
}

/**
 * The mask of a frame from what was said of it: [h w], how much each pixel is the object.
 *
 * What moves against the background, has the colours of the spots, and hangs together with them. How
 * much has to move is not known: several thresholds are tried, and the masks averaged: those count
 * most that part motion and colours best from those around them.
 *
 * @param before its mask so far, when it is to be corrected
 */
export async function seed(
  device: Device,
  scene: Scene,
  target: View,
  said: Said,
  before?: Float32Array,
): Promise<Float32Array> {
  const own = said.spots.filter((it) => it.isObject);
  if (!before && own.length < said.spots.length) {
    // What is not the object is taken out of what is found without a word of it.
    const found = await seed(device, scene, target, { ...said, spots: own });
    return seed(device, scene, target, said, found);
  }
  const guess = new Guess(device, scene, target, said, before);
  const close = await distanceToBackground(device, scene, target, near);
  const apart = await distanceToBackground(device, scene, target, distant);
  const known = (v: number) => (v === Number.POSITIVE_INFINITY ? 0 : v);
  const first = close.map(known);
  const maps = [first, first.map((v, i) => Math.max(v, known(apart[i] as number)))];
  const guesses: { readonly object: Float32Array; readonly worth: number }[] = [];
  for (const far of maps) {
    for (const threshold of thresholds) {
      const object = await guess.make(far, threshold);
      guesses.push({ object, worth: worthOf(object, far, target, scene.size) });
    }
  }
  const best = Math.max(...guesses.map(({ worth }) => worth));
  const weights = guesses.map(({ worth }) => (worth / best) ** trust);
  const total = weights.reduce((a, b) => a + b);
  return first.map((_, i) =>
    guesses.reduce((sum, { object }, k) => {
      return sum + ((weights[k] as number) / total) * (object[i] as number);
    }, 0),
  );
}

/** Calls `set` with every pixel of the discs around spots. */
function eachAround(spots: readonly Spot[], { h, w }: Size, set: (pixel: number) => void): void {
  const r = spot.radius;
  for (const { x, y } of spots) {
    for (let v = Math.max(0, Math.floor(y - r)); v <= Math.min(h - 1, y + r); v++) {
      for (let u = Math.max(0, Math.floor(x - r)); u <= Math.min(w - 1, x + r); u++)
        if ((v + 0.5 - y) ** 2 + (u + 0.5 - x) ** 2 <= r * r) set(v * w + u);
    }
  }
}

function regionOfBoxes(boxes: readonly Bounds[], { h, w }: Size): Uint8Array {
  const region = new Uint8Array(h * w);
  for (const { x, y, width, height } of boxes) {
    const [left, right] = [clamp(Math.round(x), 0, w), clamp(Math.round(x + width), 0, w)];
    for (let v = clamp(Math.round(y), 0, h); v < clamp(Math.round(y + height), 0, h); v++)
      region.fill(1, v * w + left, v * w + right);
  }
  return region;
}

/** Masks from what is said, for one threshold or another. */
class Guess {
  readonly #device: Device;
  readonly #scene: Scene;
  readonly #target: View;
  /** Logits that are settled, 0 elsewhere. */
  readonly #fixed: Float32Array;
  /** What else is known before anything is looked at. */
  readonly #prior: Float32Array;
  /** Where the object is sure to be. */
  readonly #sure: Uint8Array;
  /** The mask that is corrected, as far as that goes without looking at motion. */
  readonly #base: Uint8Array | undefined;
  readonly #colours: Float32Array;

  constructor(
    device: Device,
    scene: Scene,
    target: View,
    { spots, boxes }: Said,
    before: Float32Array | undefined,
  ) {
    this.#device = device;
    this.#scene = scene;
    this.#target = target;
    const { size } = scene;
    const n = size.h * size.w;
    this.#fixed = new Float32Array(n);
    this.#prior = new Float32Array(n).fill(prior.all);
    this.#sure = new Uint8Array(n);
    const box = regionOfBoxes(boxes, size);
    for (let i = 0; boxes.length && i < n; i++) {
      if (box[i]) this.#prior[i] = prior.all + prior.box;
      else this.#fixed[i] = -spot.logit;
    }
    for (const it of spots) {
      eachAround([it], size, (i) => {
        this.#fixed[i] = it.isObject ? spot.logit : -spot.logit;
        if (it.isObject) this.#sure[i] = 1;
      });
    }
    if (before) this.#base = this.#correct(spots, regionOf(before));
    const start = this.#base ?? (boxes.length ? box : this.#sure);
    this.#colours = this.#learn(start);
  }

  /** @param far distances from the background */
  async make(far: Float32Array, threshold: number): Promise<Float32Array> {
    const scale = Math.max(0.05, 0.67 * threshold);
    let colours = this.#colours;
    let object: Float32Array = far;
    for (let round = 0; round < rounds; round++) {
      const unary = far.map((v, i) => {
        const settled = this.#fixed[i] as number;
        if (settled) return settled;
        const moved = clamp((v - threshold) / scale, motion.least, motion.most);
        const colour = colours[this.#target.bin[i] as number] as number;
        return moved + colourShare * colour + (this.#prior[i] as number);
      });
      const logits = await smooth(this.#device, this.#scene, unary, this.#target);
      object = this.#connected(logits);
      colours = this.#learn(regionOf(object));
    }
    return object;
  }

  /**
   * A mask in which what looks like a spot, and hangs together with it, has changed sides. Sets what
   * lies too far away to be changed.
   */
  #correct(spots: readonly Spot[], before: Uint8Array): Uint8Array {
    const { size } = this.#scene;
    const reach = Math.sqrt(before.reduce((a, b) => a + b, 0)) * zone.share;
    const around = before.map((v, i) => v | (this.#sure[i] as number));
    const within = dilate(around, size, Math.max(zone.least, Math.round(reach)));
    const base = before.slice();
    for (const it of spots) {
      const side = it.isObject ? 1 : 0;
      const alike = flood(this.#target, size, it, (i) => !!within[i] && before[i] !== side);
      for (let i = 0; i < base.length; i++) if (alike[i]) base[i] = side;
    }
    // What is only told where the object is not adds nothing to it.
    const adds = spots.some((it) => it.isObject);
    for (let i = 0; i < base.length; i++) {
      if (!within[i] || !(adds || before[i])) this.#fixed[i] = -spot.logit;
      const settled = this.#fixed[i] as number;
      if (settled) base[i] = settled > 0 ? 1 : 0;
      this.#prior[i] = (this.#prior[i] as number) + (base[i] ? prior.before : -prior.before);
    }
    return base;
  }

  /** What hangs together with a spot, or is mostly of the mask that is corrected. */
  #connected(logits: Float32Array): Float32Array {
    const region = Uint8Array.from(logits, (z) => (z > 0 ? 1 : 0));
    const { part, count } = parts(region, this.#scene.size);
    const [all, had] = [new Uint32Array(count + 1), new Uint32Array(count + 1)];
    const wanted = new Uint8Array(count + 1);
    const anywhere = !this.#base && !this.#sure.includes(1);
    for (let i = 0; i < part.length; i++) {
      const at = part[i] as number;
      all[at] = (all[at] as number) + 1;
      if (this.#base?.[i]) had[at] = (had[at] as number) + 1;
      if (this.#sure[i] || anywhere) wanted[at] = 1;
    }
    for (let at = 1; at <= count; at++)
      if ((had[at] as number) > 0.3 * (all[at] as number)) wanted[at] = 1;
    wanted[0] = 0;
    return logits.map((z, i) => (wanted[part[i] as number] ? sigmoid(z) : 0));
  }

  #learn(region: Uint8Array): Float32Array {
    const model = new ColourModel();
    const everywhere = new Uint8Array(region.length).fill(1);
    model.learn(this.#target.bin, Float32Array.from(region), everywhere, 0);
    return model.logits();
  }
}

/** How well a mask parts motion and colours from those around it: 1 at best. */
function worthOf(object: Float32Array, far: Float32Array, { bin }: View, size: Size): number {
  const region = regionOf(object);
  const wide = dilate(region, size, ring);
  const sides = [0, 1].map(() => ({ far: 0, count: 1e-6, colours: new Float32Array(colourBins) }));
  for (let i = 0; i < region.length; i++) {
    const side = region[i] ? sides[0] : wide[i] ? sides[1] : undefined;
    if (!side) continue;
    side.far += Math.min(0.5, far[i] as number);
    side.count += 1;
    const at = bin[i] as number;
    side.colours[at] = (side.colours[at] as number) + 1;
  }
  const [own, other] = sides as [(typeof sides)[number], (typeof sides)[number]];
  const [inside, outside] = [own.far / own.count, other.far / other.count];
  const moves = (inside - outside) / (inside + outside + 0.02);
  const shared = own.colours.reduce(
    (sum, v, k) => sum + Math.sqrt((v / own.count) * ((other.colours[k] as number) / other.count)),
    0,
  );
  return Math.max(0.01, moves) * Math.max(0.01, 1 - shared);
}

/** What hangs together with a spot, and looks like it. */
function flood(
  { lab }: View,
  { h, w }: Size,
  { x, y }: Spot,
  may: (pixel: number) => boolean,
): Uint8Array {
  const region = new Uint8Array(h * w);
  const [column, row] = [clamp(Math.floor(x), 0, w - 1), clamp(Math.floor(y), 0, h - 1)];
  const mean = [0, 0, 0];
  let count = 0;
  for (let v = Math.max(0, row - 2); v <= Math.min(h - 1, row + 2); v++) {
    for (let u = Math.max(0, column - 2); u <= Math.min(w - 1, column + 2); u++) {
      for (let k = 0; k < 3; k++)
        mean[k] = (mean[k] as number) + (lab[3 * (v * w + u) + k] as number);
      count += 1;
    }
  }
  const own = mean.map((v) => v / count);
  const square = (pixel: number, colour: ArrayLike<number>, at: number) =>
    [0, 1, 2].reduce(
      (sum, k) => sum + ((lab[3 * pixel + k] as number) - (colour[at + k] as number)) ** 2,
      0,
    );
  const queue = [row * w + column];
  region[row * w + column] = 1;
  for (const at of queue) {
    const [v, u] = [Math.floor(at / w), at % w];
    for (const [ny, nx] of [
      [v - 1, u],
      [v + 1, u],
      [v, u - 1],
      [v, u + 1],
    ] as const) {
      if (ny < 0 || ny >= h || nx < 0 || nx >= w) continue;
      const next = ny * w + nx;
      if (region[next] || !may(next)) continue;
      if (square(next, lab, 3 * at) > spread.step ** 2) continue;
      if (square(next, own, 0) > spread.own ** 2) continue;
      region[next] = 1;
      queue.push(next);
    }
  }
  return region;
}
