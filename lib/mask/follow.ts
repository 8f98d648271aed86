import type { Device } from '../device.js';
import { homographySample } from '../ops/homography_sample.js';
import { meanField } from '../ops/mean_field.js';
import { resize } from '../ops/resize.js';
import { windowMatch } from '../ops/window_match.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { ColourModel } from './colours.js';
import type { Matrix } from './homographies.js';
import { dilate, type Place, parts, placeOf } from './regions.js';
import type { Scene, View } from './scene.js';

export const T: Record<string, number> = {
  tau: 0.01, cap: 4, rad: 9, slope: 0.001, toll: 0.05, mem: 4, anchor: 1, mom: 1,
  bt: 0.15, bs: 0.1, bmin: 0.3, bcap: 3, brad: 3, bw: 1, bq: 0, gate: 3,
  cc: 0.5, near: 6, far: 3, decay: 0.9, learn: 20,
  mfw: 3, mfr: 5, mfrange: 50, mfsp: 0.055, mfi: 5, comp: 0.3,
  sr: 5, least: 12, share: 0.1, sbts: [0.06, 0.1, 0.15, 0.22] as any, sring: 8, sfarw: 1, scolw: 1, sbs: 0.1, sbcap: 3, sbmin: 1, scc: 0.7, sprior: 0.5, sbox: 1, srounds: 4, snear: 0, sdil: 0, keep: 1, fstep: 0.15, fmean: 0.6,
  ...JSON.parse(process.env.T ?? '{}'),
};
const t_ = T as any;
const backs = JSON.parse(process.env.BACKS ?? '[-10,-6,-3,3,6,10]') as number[];

/** How many frames ahead of a frame are looked at. */
export const lookAhead = 10;
/** How many behind it, and a few more that views may still be made of. */
export const lookBack = 16;

/** A frame whose mask is known. */
export interface Known {
  readonly index: number;
  /** [h w] of the scene's size: how much each pixel is the object, 0 to 1. */
  readonly object: Float32Array;
}

interface Anchor extends Known {
  readonly place: Place;
}

/** Masks of one object, from frame to neighbouring frame. */
export class Follower {
  readonly #device: Device;
  readonly #scene: Scene;
  readonly #anchors: Anchor[] = [];
  /** Of the frames gone through lately, by number. */
  readonly #masks = new Map<number, Float32Array>();
  readonly #colours = new ColourModel();
  readonly #direction: 1 | -1;
  /** Where the object was last. */
  #place: Place | undefined;
  #lost = false;
  #latest: Float32Array | undefined;
  #shot: number | undefined;

  constructor(device: Device, scene: Scene, direction: 1 | -1) {
    this.#device = device;
    this.#scene = scene;
    this.#direction = direction;
  }

  /** Whether the object was not found in the latest frame. */
  get lost(): boolean {
    return this.#lost;
  }

  /** The latest mask. */
  get latest(): Float32Array {
    return this.#latest as Float32Array;
  }

  /** Takes a mask for true. */
  async trust({ index, object }: Known): Promise<void> {
    const place = placeOf(object, this.#scene.size);
    if (place) {
      this.#anchors.push({ index, object, place });
      await this.#scene.pin(index);
    }
    await this.#take(await this.#scene.view(index), object);
  }

  /** The mask of the next frame. */
  async next(index: number): Promise<Float32Array> {
    const scene = this.#scene;
    const { size } = scene;
    const target = await scene.view(index);
    if (target.shot !== this.#shot) {
      this.#masks.clear();
      this.#shot = target.shot;
      this.#lost = true;
    }
    const [matched, back] = await Promise.all([this.#match(target), this.#background(target)]);
    const n = size.h * size.w;
    const logits = this.#colours.logits();
    const unary = new Float32Array(n);
    const likely = new Uint8Array(n);
    let [inside, moving] = [0, 0];
    const residual = (i: number) => (Math.sqrt(back[2 * i] as number) - t_.bt) / t_.bs;
    const known = (i: number) => (back[2 * i] as number) < 8;
    for (let i = 0; i < n; i++) {
      const z = Math.min(
        t_.cap,
        Math.max(-t_.cap, ((matched[2 * i] as number) - (matched[2 * i + 1] as number)) / t_.tau),
      );
      unary[i] = z;
      if (z > -0.85) likely[i] = 1;
      if (z > 1.4 && known(i)) {
        inside++;
        if (residual(i) > 0) moving++;
      }
    }
    const near = dilate(likely, size, t_.near);
    const bmin = t_.bmin + t_.gate * (inside > 20 ? moving / inside : 0);
    for (let i = 0; i < n; i++) {
      let z = unary[i] as number;
      if (known(i)) z += Math.min(t_.bcap, Math.max(-bmin, t_.bw * residual(i)));
      z += t_.cc * (logits[target.bin[i] as number] as number);
      if (!near[i]) z -= t_.far;
      unary[i] = z;
    }
    const drawn = await smooth(this.#device, scene, unary, target);
    const object = drawn.map((z) => 1 / (1 + Math.exp(-z)));
    if (t_.comp) {
      const region = new Uint8Array(n);
      for (let i = 0; i < n; i++) region[i] = (object[i] as number) > 0.5 ? 1 : 0;
      const { part, count } = parts(dilate(region, size, 1), size);
      if (count > 1) {
        const score = new Float64Array(count + 1);
        for (let i = 0; i < n; i++) {
          if (!region[i]) continue;
          const z = ((matched[2 * i] as number) - (matched[2 * i + 1] as number)) / t_.tau;
          const at = part[i] as number;
          score[at] =
            (score[at] as number) +
            (1 / (1 + Math.exp(-z))) *
              ((known(i) ? Math.min(3, Math.max(0, residual(i))) : 0) + 0.2);
        }
        const most = Math.max(...score);
        for (let i = 0; i < n; i++)
          if ((score[part[i] as number] as number) < t_.comp * most && part[i])
            object[i] = 0.2 * (object[i] as number);
      }
    }
    const found = placeOf(object, size);
    const least = Math.max(t_.least, t_.share * (this.#place?.area ?? 0));
    this.#lost = !found || found.area < least;
    if (this.#lost) object.fill(0);
    await this.#take(target, object);
    return object;
  }

  async #take(view: View, object: Float32Array): Promise<void> {
    const { size } = this.#scene;
    this.#latest = object;
    this.#shot = view.shot;
    const place = placeOf(object, size);
    if (place) {
      this.#place = place;
      const region = new Uint8Array(object.length);
      for (let i = 0; i < region.length; i++) region[i] = (object[i] as number) > 0.5 ? 1 : 0;
      this.#colours.learn(view.bin, object, dilate(region, size, t_.learn), t_.decay);
    }
    this.#masks.set(view.index, object);
    for (const index of this.#masks.keys())
      if (Math.abs(index - view.index) > 12) this.#masks.delete(index);
  }

  #upload(object: Float32Array): Tensor {
    const { h, w } = this.#scene.size;
    return this.#device.upload(object, [1, h, w, 1]);
  }

  #ones(h: number, w: number): Tensor {
    return this.#device.upload(new Float32Array(h * w).fill(1), [1, h, w, 1]);
  }

  /** How far the best matches with the background and with the object are, [h w 2]. */
  async #match(target: View): Promise<Float32Array> {
    const scene = this.#scene;
    const { cells, size } = scene;
    const recent: number[] = [];
    for (let k = 1; k <= t_.mem; k++) {
      const index = target.index - k * this.#direction;
      if (this.#masks.has(index)) recent.push(index);
    }
    const thetas = [...(await scene.relate(target.index, recent))];
    const others = await Promise.all(recent.map((i) => scene.view(i)));
    const masks = recent.map((i) => this.#masks.get(i) as Float32Array);
    if (t_.anchor) {
      for (const anchor of this.#anchors) {
        if (recent.includes(anchor.index)) continue;
        for (const theta of this.#moved(anchor)) {
          others.push(await scene.view(anchor.index));
          masks.push(anchor.object);
          thetas.push(theta);
        }
      }
    }
    const out = scope(() => {
      const seen = this.#ones(cells.h, cells.w);
      const theta = this.#device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
      const each = others.map(() => seen);
      const labels = masks.map((it) => resize(this.#upload(it), { ...cells, mode: 'area' }));
      const sampled = homographySample(others.map((it) => it.quarter), each, theta);
      const label = homographySample(labels, each, theta).output;
      const found = windowMatch(target.quarter, sampled.output, sampled.seen, label, {
        radius: this.#lost ? 12 : t_.rad,
        slope: t_.slope,
        toll: t_.toll,
      });
      return resize(found, { ...size, mode: 'bilinear' });
    });
    const values = await out.read();
    out.dispose();
    return values as Float32Array;
  }

  /** From where the object was last to where it was then; from everywhere when it is lost. */
  #moved({ place }: Anchor): Matrix[] {
    const { h, w } = this.#scene.size;
    const last = this.#place ?? place;
    const scale = Math.sqrt(place.area / last.area);
    const from = (x: number, y: number): Matrix => [
      scale, 0, (2 * place.x) / w - 1 - scale * ((2 * x) / w - 1),
      0, scale, (2 * place.y) / h - 1 - scale * ((2 * y) / h - 1),
      0, 0, 1,
    ];
    if (!this.#lost) return [from(last.x, last.y)];
    const grid = (n: number) => Array.from({ length: n }, (_, i) => (i + 0.5) / n);
    return [from(last.x, last.y), ...grid(3).flatMap((y) => grid(5).map((x) => from(x * w, y * h)))];
  }

  /** How far the best match with the background is where the camera says it is: [h w 2], the first. */
  async #background(target: View): Promise<Float32Array> {
    const scene = this.#scene;
    const { size, cells } = scene;
    const indices: number[] = [];
    for (const d of backs) {
      const index = target.index + d;
      if (index < 0 || index >= scene.count) continue;
      if ((await scene.shotOf(index)) !== target.shot) continue;
      indices.push(index);
    }
    if (!indices.length) return new Float32Array(2 * size.h * size.w).fill(16);
    const thetas = await scene.relate(target.index, indices);
    const others = await Promise.all(indices.map((i) => scene.view(i)));
    const at = t_.bq ? cells : size;
    const out = scope(() => {
      const theta = this.#device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
      const seen = this.#ones(at.h, at.w);
      const each = others.map(() => seen);
      const none = this.#device.upload(new Float32Array(at.h * at.w), [1, at.h, at.w, 1]);
      const labels = indices.map((i) => {
        const mask = this.#masks.get(i);
        if (!mask) return none;
        const whole = this.#upload(mask);
        return t_.bq ? resize(whole, { ...at, mode: 'area' }) : whole;
      });
      const which = (v: View) => (t_.bq ? v.quarter : v.half);
      const sampled = homographySample(others.map(which), each, theta);
      const label = homographySample(labels, each, theta).output;
      const found = windowMatch(which(target), sampled.output, sampled.seen, label, {
        radius: t_.brad,
        slope: 0,
        toll: 16,
      });
      return t_.bq ? resize(found, { ...size, mode: 'bilinear' }) : found;
    });
    const values = await out.read();
    out.dispose();
    return values as Float32Array;
  }
}

/** Logits drawn to the edges of the picture. */
export async function smooth(
  device: Device,
  { size }: Scene,
  logits: Float32Array,
  target: View,
): Promise<Float32Array> {
  const out = scope(() => {
    const unary = device.upload(logits, [1, size.h, size.w, 1]);
    let state = unary;
    for (let i = 0; i < t_.mfi; i++)
      state = meanField(unary, state, target.half, {
        radius: t_.mfr,
        weight: t_.mfw,
        range: t_.mfrange,
        spread: t_.mfsp,
      });
    return state;
  });
  const values = await out.read();
  out.dispose();
  return values as Float32Array;
}
