import type { Device } from '../device.js';
import { homographySample } from '../ops/homography_sample.js';
import { resize } from '../ops/resize.js';
import { windowMatch } from '../ops/window_match.js';
import { scope } from '../scope.js';
import { distanceToBackground } from './background.js';
import { ColourModel } from './colours.js';
import type { Matrix } from './homographies.js';
import { dilate, type Place, parts, placeOf, regionOf } from './regions.js';
import type { Scene, View } from './scene.js';
import { clamp, sigmoid, smooth } from './smooth.js';

// What follows was chosen by bench/track: lengths are pixels of a view, half of the working size.

/** Frames that show the background of a frame. */
const around = [-10, -6, -3, 3, 6, 10] as const;
/** How many frames ahead of a frame are looked at. */
export const lookAhead = 10;
/** How many behind it, and a few more that views may still be made of. */
export const lookBack = 16;
/** Frames gone through just before that masks are matched with. */
const recent = 4;

/**
 * Matches at a quarter of the working size: what a squared distance costs, what the wrong label
 * does, and how a difference of distances becomes a logit, of at most 4.
 */
const match = { radius: 9, slope: 0.001, toll: 0.05, scale: 0.01, most: 4 } as const;
/** How far around a place a lost object is looked for. */
const lostRadius = 12;
/** A distance from the background of 0.15 says nothing, one 0.1 farther adds a logit of 1. */
const motion = { least: 0.15, scale: 0.1, most: 3 } as const;
/** What being the same as the background takes off: more when most of the object is not. */
const still = { always: 0.3, whenMoving: 3 } as const;
/** How much of a logit the colours give. */
const colourShare = 0.5;
/** What is farther than 6 pixels from what matches is unlikely. */
const beyond = { radius: 6, cost: 3 } as const;
/** Of parts that do not touch, those with less than this share of the largest's evidence go. */
const partShare = 0.3;
/** The object is lost below this area, or below this share of the area it last had. */
const lost = { area: 12, share: 0.1 } as const;
/** Colours this near to the object are what it is told apart from. */
const learned = { radius: 20, decay: 0.9 } as const;

/** A frame whose mask is known. */
export interface Known {
  readonly index: number;
  /** [h w] of a view's size: how much each pixel is the object, 0 to 1. */
  readonly object: Float32Array;
}

/**
 * Masks of one object from frame to neighbouring frame, in one direction. A pixel is the object when
 * it matches the object better than the background in the frames just before and in the one that was
 * spoken of, has moved against the background, and has the object's colours.
 */
export class Follower {
  readonly #device: Device;
  readonly #scene: Scene;
  readonly #direction: 1 | -1;
  readonly #first: Known & { readonly place: Place | undefined };
  readonly #colours = new ColourModel();
  /** Of the frames gone through lately, by number. */
  readonly #masks = new Map<number, Float32Array>();
  /** Where the object was last. */
  #place: Place | undefined;
  #lost = false;
  #latest: Float32Array;
  #shot: number;

  private constructor(device: Device, scene: Scene, direction: 1 | -1, first: Known, shot: number) {
    this.#device = device;
    this.#scene = scene;
    this.#direction = direction;
    this.#first = { ...first, place: placeOf(first.object, scene.size) };
    this.#latest = first.object;
    this.#shot = shot;
  }

  /** @param first taken for true; frames are followed from there on */
  static async start(
    device: Device,
    scene: Scene,
    direction: 1 | -1,
    first: Known,
  ): Promise<Follower> {
    await scene.pin(first.index);
    const view = await scene.view(first.index);
    const follower = new Follower(device, scene, direction, first, view.shot);
    follower.#take(view, first.object);
    return follower;
  }

  /** Whether the object was not found in the latest frame. */
  get lost(): boolean {
    return this.#lost;
  }

  /** The latest mask. */
  get latest(): Float32Array {
    return this.#latest;
  }

  /** The mask of the next frame, [h w]; 0 everywhere when the object is lost. */
  async next(index: number): Promise<Float32Array> {
    const scene = this.#scene;
    const target = await scene.view(index);
    if (target.shot !== this.#shot) {
      this.#masks.clear();
      this.#lost = true;
    }
    const matched = await this.#match(target);
    const objectOf = (other: number) => this.#masks.get(other);
    const far = await distanceToBackground(this.#device, scene, target, around, objectOf);
    const unary = this.#weigh(target, matched, far);
    const logits = await smooth(this.#device, scene, unary, target);
    const object = logits.map(sigmoid);
    this.#dropParts(object, matched, far);
    const place = placeOf(object, scene.size);
    this.#lost = !place || place.area < Math.max(lost.area, lost.share * (this.#place?.area ?? 0));
    if (this.#lost) object.fill(0);
    this.#take(target, object);
    return object;
  }

  #take(view: View, object: Float32Array): void {
    const { size } = this.#scene;
    this.#latest = object;
    this.#shot = view.shot;
    const place = placeOf(object, size);
    if (place) {
      this.#place = place;
      const near = dilate(regionOf(object), size, learned.radius);
      this.#colours.learn(view.bin, object, near, learned.decay);
    }
    this.#masks.set(view.index, object);
    this.#masks.delete(view.index - this.#direction * (lookAhead + 1));
  }

  /** The logit of being the object's, by how well each pixel matches either, [h w]. */
  async #match(target: View): Promise<Float32Array> {
    const scene = this.#scene;
    const { cells, size } = scene;
    const indices = Array.from(
      { length: recent },
      (_, k) => target.index - (k + 1) * this.#direction,
    ).filter((index) => this.#masks.has(index));
    const thetas = await scene.relate(target.index, indices);
    const masks = indices.map((index) => this.#masks.get(index) as Float32Array);
    if (!indices.includes(this.#first.index)) {
      for (const theta of this.#back()) {
        thetas.push(theta);
        masks.push(this.#first.object);
        indices.push(this.#first.index);
      }
    }
    if (!indices.length) return new Float32Array(size.h * size.w).fill(-match.most);
    const others = await scene.views(indices);
    const out = scope(() => {
      const map = (data: Float32Array, { h, w } = size) => this.#device.upload(data, [1, h, w, 1]);
      const theta = this.#device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
      const visibility = map(new Float32Array(cells.h * cells.w).fill(1), cells);
      const each = others.map(() => visibility);
      const objects = masks.map((mask) => resize(map(mask), { ...cells, mode: 'area' }));
      const frames = homographySample(
        others.map((it) => it.quarter),
        each,
        theta,
      );
      const labels = homographySample(objects, each, theta).output;
      const { slope, toll } = match;
      const radius = this.#lost ? lostRadius : match.radius;
      const options = { radius, slope, toll };
      const found = windowMatch(target.quarter, frames.output, frames.visibility, labels, options);
      return resize(found, { ...size, mode: 'bilinear' });
    });
    const values = await out.read();
    out.dispose();
    return Float32Array.from({ length: size.h * size.w }, (_, i) => {
      const difference = (values[2 * i] as number) - (values[2 * i + 1] as number);
      return clamp(difference / match.scale, -match.most, match.most);
    });
  }

  /**
   * From where the object was last to where and how large it was in the first frame; from places all
   * over the frame when it is lost.
   */
  #back(): Matrix[] {
    const { place } = this.#first;
    const last = this.#place;
    if (!place || !last) return [];
    const { h, w } = this.#scene.size;
    const scale = Math.sqrt(place.area / last.area);
    const [toX, toY] = [(2 * place.x) / w - 1, (2 * place.y) / h - 1];
    const from = (x: number, y: number): Matrix => {
      const [dx, dy] = [toX - scale * ((2 * x) / w - 1), toY - scale * ((2 * y) / h - 1)];
      return [scale, 0, dx, 0, scale, dy, 0, 0, 1];
    };
    if (!this.#lost) return [from(last.x, last.y)];
    const along = (n: number) => Array.from({ length: n }, (_, i) => (i + 0.5) / n);
    const places = along(3).flatMap((y) => along(5).map((x) => from(x * w, y * h)));
    return [from(last.x, last.y), ...places];
  }

  /** All that speaks for the object, as logits. */
  #weigh(target: View, matched: Float32Array, far: Float32Array): Float32Array {
    const likely = matched.map((z) => (z > -0.85 ? 1 : 0)); // above 0.3
    const near = dilate(Uint8Array.from(likely), this.#scene.size, beyond.radius);
    const moved = (i: number) => ((far[i] as number) - motion.least) / motion.scale;
    let [inside, moving] = [0, 0];
    for (let i = 0; i < far.length; i++) {
      if (!((matched[i] as number) > 1.4) || far[i] === Number.POSITIVE_INFINITY) continue;
      inside += 1;
      if (moved(i) > 0) moving += 1;
    }
    const least = -still.always - (inside > 20 ? (still.whenMoving * moving) / inside : 0);
    const colours = this.#colours.logits();
    return matched.map((z, i) => {
      const motionLogit =
        far[i] === Number.POSITIVE_INFINITY ? 0 : clamp(moved(i), least, motion.most);
      const colour = colourShare * (colours[target.bin[i] as number] as number);
      return z + motionLogit + colour - (near[i] ? 0 : beyond.cost);
    });
  }

  /** Takes out parts that little speaks for beside the main one. */
  #dropParts(object: Float32Array, matched: Float32Array, far: Float32Array): void {
    const { size } = this.#scene;
    const region = regionOf(object);
    const { part, count } = parts(dilate(region, size, 1), size);
    if (count < 2) return;
    const evidence = new Float64Array(count + 1);
    for (let i = 0; i < region.length; i++) {
      if (!region[i]) continue;
      const distance = far[i] === Number.POSITIVE_INFINITY ? 0 : (far[i] as number);
      const moved = clamp((distance - motion.least) / motion.scale, 0, motion.most);
      const at = part[i] as number;
      evidence[at] = (evidence[at] as number) + sigmoid(matched[i] as number) * (moved + 0.2);
    }
    const least = partShare * Math.max(...evidence);
    for (let i = 0; i < object.length; i++) {
      const at = part[i] as number;
      if (at && (evidence[at] as number) < least) object[i] = 0.2 * (object[i] as number);
    }
  }
}
