// What belongs to an object: its shadow, its reflection, what it carries.

import type { Device } from '../device.js';
import { homographySample } from '../ops/homography_sample.js';
import { resize } from '../ops/resize.js';
import type { Size } from '../ops/window.js';
import { scope } from '../scope.js';
import { distanceToBackground, neighbours } from './background.js';
import { dilate, type Place, placeOf, regionOf, touching } from './regions.js';
import type { Scene, View } from './scene.js';
import { clamp, smooth } from './smooth.js';

// Lengths are pixels of a view, half of the working size, where no other is told. Chosen by
// bench/track/attached.ts and by eye.

/** How far away frames are that show the ground: an object that is slow takes long to leave it. */
const reach = 80;
/** Every eighth frame is one, counted from the first, so that the same are used again. */
const stride = 8;
/** Frames that show the background of what is no shadow: near ones, whose edges fit. */
const around = [-18, -12, -6, 6, 12, 18] as const;
/** Frames in which what belongs to the object has to be where it is now, seen from the object. */
const company = [-8, -4, 4, 8] as const;
/** How many frames ahead masks are needed, and how many behind. */
export const attachedReach = reach + 8;

/** The object's surroundings in other frames are left out, as its mask may be too small. */
const margin = 3;
/** How far frames may be off, in cells of two pixels. */
const off = 1;
/**
 * Shadows are darker than the ground by this share of its lightness (the cube root of luminance) or
 * more; `scale` more adds a logit of 1. Chroma farther off than `chroma`, in the units of `toLab`,
 * takes a logit of 1 off for each `chromaScale`.
 */
const shade = { least: 0.04, scale: 0.02, most: 3, chroma: 0.16, chromaScale: 0.05 } as const;
/** Share of the frames that show the ground without shadow: the brightest. */
const share = 0.25;
/** Distances from the background that speak for something else than a shadow. */
const something = { least: 0.2, scale: 0.06, most: 3 } as const;
/** How far from the object that may be: this share of the square root of its area. */
const nearby = 0.15;
/** What is within this many pixels touches. */
const gap = 2;
/** In how many of the frames of its company something has to be, and how exactly. */
const agreed = { share: 0.75, slack: 3 } as const;

interface Held {
  readonly index: number;
  readonly shot: number;
  readonly object: Float32Array;
  readonly place: Place | undefined;
  /** What may belong to the object. */
  candidates?: Uint8Array;
}

/** Adds to the masks of an object what belongs to it. */
export class Attacher {
  readonly #device: Device;
  readonly #scene: Scene;
  readonly #held = new Map<number, Held>();

  constructor(device: Device, scene: Scene) {
    this.#device = device;
    this.#scene = scene;
  }

  /** Takes the object's mask in a frame; those as far back as {@link attachedReach} are kept. */
  async take(index: number, object: Float32Array): Promise<void> {
    const shot = await this.#scene.shotOf(index);
    this.#held.set(index, { index, shot, object, place: placeOf(object, this.#scene.size) });
    this.#held.delete(index - 2 * attachedReach - 1);
  }

  /** The mask of a frame that was taken, and what belongs to the object. */
  async give(index: number): Promise<Float32Array> {
    const held = this.#held.get(index) as Held;
    const { place, object } = held;
    if (!place) return object;
    const { size } = this.#scene;
    const own = await this.#candidates(held);
    const seen = new Uint8Array(own.length);
    let asked = 0;
    for (const offset of company) {
      const other = this.#held.get(index + offset);
      if (!other?.place || other.shot !== held.shot) continue;
      asked += 1;
      const theirs = dilate(await this.#candidates(other), size, agreed.slack);
      const scale = clamp(Math.sqrt(other.place.area / place.area), 0.8, 1.25);
      for (let i = 0; i < seen.length; i++) {
        const [y, x] = [Math.floor(i / size.w), i % size.w];
        const v = Math.floor(other.place.y + scale * (y + 0.5 - place.y));
        const u = Math.floor(other.place.x + scale * (x + 0.5 - place.x));
        const isInside = v >= 0 && v < size.h && u >= 0 && u < size.w;
        if (isInside && theirs[v * size.w + u]) seen[i] = (seen[i] as number) + 1;
      }
    }
    const region = regionOf(object);
    const least = agreed.share * asked;
    const stays = own.map((v, i) => (region[i] || (v && (seen[i] as number) >= least) ? 1 : 0));
    const kept = touching(stays, region, size, 1);
    return object.map((v, i) => (kept[i] ? 1 : v));
  }

  /** What differs from the background, and touches the object. */
  async #candidates(held: Held): Promise<Uint8Array> {
    held.candidates ??= await this.#find(held);
    return held.candidates;
  }

  async #find({ index, object }: Held): Promise<Uint8Array> {
    const { size } = this.#scene;
    const view = await this.#scene.view(index);
    const objectOf = (other: number) => this.#held.get(other)?.object;
    const far = await distanceToBackground(this.#device, this.#scene, view, around, objectOf);
    const darker = await this.#darker(view);
    const region = regionOf(object);
    const area = region.reduce((a, b) => a + b, 0);
    const near = dilate(region, size, Math.round(nearby * Math.sqrt(area)));
    const unary = darker.map((z, i) => {
      if (region[i]) return something.most;
      const distance = far[i] as number;
      if (!near[i] || distance === Number.POSITIVE_INFINITY) return z;
      const { least, scale, most } = something;
      return Math.max(z, clamp((distance - least) / scale, -most, most));
    });
    const logits = await smooth(this.#device, this.#scene, unary, view);
    return touching(
      Uint8Array.from(logits, (z) => (z > 0 ? 1 : 0)),
      region,
      size,
      gap,
    );
  }

  /** The logit of lying in a shadow that moves, by how dark the ground is in other frames. */
  async #darker(view: View): Promise<Float32Array> {
    const { cells, size } = this.#scene;
    const n = cells.h * cells.w;
    const offsets: number[] = [];
    const first = Math.ceil((view.index - reach) / stride) * stride;
    for (let i = first; i <= view.index + reach; i += stride)
      if (i !== view.index && this.#held.has(i)) offsets.push(i - view.index);
    const indices = await neighbours(this.#scene, view, offsets);
    if (!indices.length) return new Float32Array(size.h * size.w).fill(-shade.most);
    const thetas = await this.#scene.relate(view.index, indices);
    const others = await this.#scene.views(indices);
    const sampled = scope(() => {
      const theta = this.#device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
      const shown = indices.map((i) => {
        const { object } = this.#held.get(i) as Held;
        const seen = Float32Array.from(dilate(regionOf(object), size, margin), (v) => 1 - v);
        const all = this.#device.upload(seen, [1, size.h, size.w, 1]);
        return resize(all, { ...cells, mode: 'area' });
      });
      const frames = others.map((it) => it.quarter);
      return homographySample(frames, shown, theta);
    });
    const [labs, shown, lab] = await Promise.all([
      sampled.output.read(),
      sampled.visibility.read(),
      view.quarter.read(),
    ]);
    sampled.output.dispose();
    sampled.visibility.dispose();
    const own = colourOf(lab as Float32Array);
    const grounds = indices.map((_, r) => {
      const seen = (shown as Float32Array).subarray(r * n, (r + 1) * n);
      const ground = colourOf((labs as Float32Array).subarray(3 * r * n, 3 * (r + 1) * n), seen);
      return { ground, ...ratios(own.light, ground.light, cells) };
    });
    const logits = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const there = grounds.filter(({ low }) => !Number.isNaN(low[i]));
      logits[i] = -shade.most;
      if (there.length < 2) continue;
      const count = Math.ceil(share * there.length);
      const lows = there.toSorted((a, b) => (a.low[i] as number) - (b.low[i] as number));
      const skipped = there.length >= 8 ? 1 : 0;
      const brightest = lows.slice(skipped, skipped + count);
      const highs = there.map(({ high }) => high[i] as number).sort((a, b) => b - a);
      const mean = (values: readonly number[]) =>
        values.reduce((sum, v) => sum + v, 0) / values.length;
      // Where frames do not agree, it is brighter than some as it is darker than others.
      const darker = 1 - mean(brightest.map(({ low }) => low[i] as number));
      const brighter = mean(highs.slice(skipped, skipped + count)) - 1;
      const chroma = mean(brightest.map(({ ground }) => chromaFrom(own, ground, i)));
      const { least, scale, most, chromaScale } = shade;
      const z = (darker - Math.max(0, brighter) - least) / scale;
      logits[i] = clamp(z - Math.max(0, (chroma - shade.chroma) / chromaScale), -most, most);
    }
    const out = scope(() =>
      resize(this.#device.upload(logits, [1, cells.h, cells.w, 1]), { ...size, mode: 'bilinear' }),
    );
    const values = (await out.read()) as Float32Array;
    out.dispose();
    return values;
  }
}

interface Colour {
  /** The cube root of luminance; not a number where nothing is seen. */
  readonly light: Float32Array;
  /** L* a* b*, see `toLab`. */
  readonly lab: Float32Array;
}

function colourOf(lab: Float32Array, seen?: Float32Array): Colour {
  const light = Float32Array.from({ length: lab.length / 3 }, (_, i) =>
    seen && !seen[i] ? Number.NaN : (50 * (lab[3 * i] as number) + 16) / 116,
  );
  return { light, lab };
}

/**
 * Lightness as a share of the ground's: of the darkest and the brightest that is within reach of
 * where a frame may be off. What lens and exposure do to all of a frame is taken out.
 */
function ratios(
  light: Float32Array,
  ground: Float32Array,
  size: Size,
): { low: Float32Array; high: Float32Array } {
  const { h, w } = size;
  const plain = light.map((v, i) => v / (ground[i] as number));
  const gain = nearestQuadratic(plain, size);
  const low = new Float32Array(h * w);
  const high = new Float32Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let [dark, bright] = [Number.POSITIVE_INFINITY, 0];
      for (let v = Math.max(0, y - off); v <= Math.min(h - 1, y + off); v++) {
        for (let u = Math.max(0, x - off); u <= Math.min(w - 1, x + off); u++) {
          const there = ground[v * w + u] as number;
          if (there < dark) dark = there;
          if (there > bright) bright = there;
        }
      }
      const at = y * w + x;
      const own = (plain[at] as number) * (ground[at] as number); // not a number where it is not seen
      low[at] = own / dark / (gain[at] as number);
      high[at] = own / bright / (gain[at] as number);
    }
  }
  return { low, high };
}

/** How far chroma is from what the ground's would be in a shadow this dark. */
function chromaFrom(own: Colour, ground: Colour, i: number): number {
  const ratio = (own.light[i] as number) / (ground.light[i] as number);
  const [a, b] = [1, 2].map(
    (k) => (own.lab[3 * i + k] as number) - ratio * (ground.lab[3 * i + k] as number),
  ) as [number, number];
  return Math.hypot(a, b);
}

const terms = 6;
/** Rounds of fitting, and the difference above which values count less. */
const robust = { rounds: 4, scale: 0.02 } as const;
/** How firmly terms are held near 0: this many of each value. */
const held = 0.02;

/** The quadratic of the place that is nearest to most values. */
function nearestQuadratic(values: Float32Array, { h, w }: Size): Float32Array {
  const basis = (i: number) => {
    const [y, x] = [(2 * Math.floor(i / w) + 1) / h - 1, (2 * (i % w) + 1) / w - 1];
    return [1, x, y, x * x, x * y, y * y];
  };
  const some = [...values.keys()].filter((i) => i % 7 === 0 && !Number.isNaN(values[i]));
  const sorted = some.map((i) => values[i] as number).sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 1;
  let coefficients = [median, 0, 0, 0, 0, 0];
  const at = (i: number) =>
    basis(i).reduce((sum, v, k) => sum + v * (coefficients[k] as number), 0);
  for (let round = 0; round < robust.rounds; round++) {
    const normal = Array.from({ length: terms }, () => new Float64Array(terms + 1));
    for (const i of some) {
      const b = basis(i);
      const difference = ((values[i] as number) - at(i)) / robust.scale;
      const weight = 1 / (1 + difference * difference) ** 2;
      for (let k = 0; k < terms; k++) {
        const row = normal[k] as Float64Array;
        const v = weight * (b[k] as number);
        for (let m = 0; m < terms; m++) row[m] = (row[m] as number) + v * (b[m] as number);
        row[terms] = (row[terms] as number) + v * (values[i] as number);
      }
    }
    // Where little is seen, all but the constant are held near 0.
    for (let k = 0; k < terms; k++) {
      const row = normal[k] as Float64Array;
      row[k] = (row[k] as number) + (k ? held * some.length : 0) + 1e-6;
    }
    coefficients = solve(normal);
  }
  return Float32Array.from({ length: h * w }, (_, i) => at(i));
}

/** Gaussian elimination; the matrix is positive definite, so it needs no pivots. */
function solve(rows: readonly Float64Array[]): number[] {
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows[k] as Float64Array;
    for (let r = k + 1; r < n; r++) {
      const row = rows[r] as Float64Array;
      const factor = (row[k] as number) / (pivot[k] as number);
      for (let m = k; m <= n; m++) row[m] = (row[m] as number) - factor * (pivot[m] as number);
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    const row = rows[k] as Float64Array;
    let sum = row[n] as number;
    for (let m = k + 1; m < n; m++) sum -= (row[m] as number) * (x[m] as number);
    x[k] = sum / (row[k] as number);
  }
  return x;
}
