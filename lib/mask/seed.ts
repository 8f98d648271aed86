import type { Device } from '../device.js';
import { homographySample } from '../ops/homography_sample.js';
import { windowMatch } from '../ops/window_match.js';
import { scope } from '../scope.js';
import { ColourModel } from './colours.js';
import { smooth, T } from './follow.js';
import { dilate, parts } from './regions.js';
import type { Scene, View } from './scene.js';

const t_ = T as any;

/** A place that was pointed at, in pixels of a view. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  /** Whether the object is there. */
  readonly isObject: boolean;
}

/** What a frame is told of its object, in pixels of a view. */
export interface Told {
  readonly spots: readonly Spot[];
  readonly boxes: readonly { x: number; y: number; width: number; height: number }[];
}

/** Frames that the frame pointed at is compared with, near and far. */
const groups = [
  [-10, -6, -3, 3, 6, 10],
  [-30, -20, -15, 15, 20, 30],
] as const;
/** How far ahead of a frame its seed looks. */
export const seedAhead = 30;

/** How little each pixel looks like the background, which other frames show: 0 where all is alike. */
async function motion(device: Device, scene: Scene, target: View): Promise<Float32Array[]> {
  const { h, w } = scene.size;
  let far = new Float32Array(h * w);
  const all: Float32Array[] = [];
  for (const group of groups) {
    const indices: number[] = [];
    for (const d of group) {
      const index = target.index + d;
      if (index < 0 || index >= scene.count) continue;
      if ((await scene.shotOf(index)) === target.shot) indices.push(index);
    }
    if (!indices.length) continue;
    far = far.slice();
    all.push(far);
    const thetas = await scene.relate(target.index, indices);
    const others = await Promise.all(indices.map((i) => scene.view(i)));
    const out = scope(() => {
      const theta = device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
      const seen = device.upload(new Float32Array(h * w).fill(1), [1, h, w, 1]);
      const each = others.map(() => seen);
      const { output, seen: shown } = homographySample(others.map((it) => it.half), each, theta);
      const labels = device.upload(new Float32Array(thetas.length * h * w), [thetas.length, h, w, 1]);
      return windowMatch(target.half, output, shown, labels, { radius: t_.brad, slope: 0, toll: 16 });
    });
    const values = await out.read();
    out.dispose();
    for (let i = 0; i < far.length; i++) {
      const v = values[2 * i] as number;
      if (v < 8) far[i] = Math.max(far[i] as number, Math.sqrt(v));
    }
  }
  return all.length ? all : [far];
}

/**
 * The mask of a frame from what was said of it.
 *
 * @param before its mask so far, when it is to be corrected
 */
export async function seed(
  device: Device,
  scene: Scene,
  target: View,
  { spots, boxes }: Told,
  before?: Float32Array,
): Promise<Float32Array> {
  const { size } = scene;
  const { h, w } = size;
  const n = h * w;
  const own = spots.filter((it) => it.isObject);
  const radius = t_.sr;
  const disc = (list: readonly Spot[], r: number, set: (i: number) => void) => {
    for (const { x, y } of list)
      for (let v = Math.max(0, Math.floor(y - r)); v <= Math.min(h - 1, y + r); v++)
        for (let u = Math.max(0, Math.floor(x - r)); u <= Math.min(w - 1, x + r); u++)
          if ((v + 0.5 - y) ** 2 + (u + 0.5 - x) ** 2 <= r * r) set(v * w + u);
  };
  const inBox = new Uint8Array(n);
  for (const { x, y, width, height } of boxes)
    for (let v = Math.max(0, Math.round(y)); v < Math.min(h, Math.round(y + height)); v++)
      inBox.fill(1, v * w + Math.max(0, Math.round(x)), v * w + Math.min(w, Math.max(0, Math.round(x + width))));
  const fixed = new Float32Array(n);
  disc(own, radius, (i) => { fixed[i] = 8; });
  disc(spots.filter((it) => !it.isObject), radius, (i) => { fixed[i] = -8; });
  if (boxes.length) for (let i = 0; i < n; i++) if (!inBox[i] && !fixed[i]) fixed[i] = -8;
  const centre = new Uint8Array(n);
  disc(own, radius, (i) => { centre[i] = 1; });

  const unary = new Float32Array(n);
  if (before) {
    // What looks like the spot, and hangs together with it, changes sides.
    for (let i = 0; i < n; i++) {
      const p = Math.min(0.98, Math.max(0.02, before[i] as number));
      unary[i] = t_.keep * Math.log(p / (1 - p));
    }
    for (const spot of spots) {
      const region = flood(target, size, spot, (i) => (before[i] as number) > 0.5 !== spot.isObject);
      for (let i = 0; i < n; i++) if (region[i]) unary[i] = spot.isObject ? 3 : -3;
    }
    for (let i = 0; i < n; i++) if (fixed[i]) unary[i] = fixed[i] as number;
    const z = await smooth(device, scene, unary, target);
    return z.map((v) => 1 / (1 + Math.exp(-v)));
  }
  const motions = await motion(device, scene, target);
  const first = new ColourModel();
  const everywhere = new Uint8Array(n).fill(1);
  const start = new Float32Array(n);
  if (boxes.length) for (let i = 0; i < n; i++) start[i] = inBox[i] ? 1 : 0;
  else for (let i = 0; i < n; i++) start[i] = centre[i] as number;
  first.learn(target.bin, start, everywhere, 0);
  const guess = async (far: Float32Array, threshold: number, scale: number) => {
    let colour = first.logits();
    let object = new Float32Array(n);
    for (let round = 0; round < t_.srounds; round++) {
      for (let i = 0; i < n; i++) {
        const e = ((far[i] as number) - threshold) / scale;
        let z = Math.min(t_.sbcap, Math.max(-t_.sbmin, e)) + t_.scc * (colour[target.bin[i] as number] as number) - t_.sprior;
        if (boxes.length && inBox[i]) z += t_.sbox;
        if (fixed[i]) z = fixed[i] as number;
        unary[i] = z;
      }
      const z = await smooth(device, scene, unary, target);
      const region = new Uint8Array(n);
      for (let i = 0; i < n; i++) region[i] = (z[i] as number) > 0 ? 1 : 0;
      // Only what hangs together with a spot.
      const { part } = parts(region, size);
      const wanted = new Set<number>();
      if (own.length) for (let i = 0; i < n; i++) { if (centre[i] && part[i]) wanted.add(part[i] as number); }
      else for (let i = 0; i < n; i++) if (part[i]) wanted.add(part[i] as number);
      object = new Float32Array(n);
      for (let i = 0; i < n; i++) object[i] = wanted.has(part[i] as number) ? 1 / (1 + Math.exp(-(z[i] as number))) : 0;
      const bits = object.map((v) => (v > 0.5 ? 1 : 0));
      const model = new ColourModel();
      model.learn(target.bin, bits, t_.snear ? dilate(Uint8Array.from(bits), size, t_.snear) : everywhere, 0);
      colour = model.logits();
    }
    return object;
  };
  let best: { object: Float32Array; score: number } | undefined;
  for (const [m, far] of motions.entries()) {
    for (const threshold of t_.sbts as number[]) {
      const object = await guess(far, threshold, Math.max(0.05, threshold * 0.67));
      const score = worth(object, far, target, size);
      if (process.env.DEBUG) console.log(m, threshold, score.map((v) => v.toFixed(3)).join(' '), object.reduce((x, y) => x + (y > 0.5 ? 1 : 0), 0), process.env.GT ? gtIou(object) : '');
      const total = Math.max(0.01, score[0] as number) * (score[1] as number);
      if (!best || total > best.score) best = { object, score: total };
    }
  }
  return (best as { object: Float32Array }).object;
}
export const debug: { gt?: Uint8Array } = {};
function gtIou(o: Float32Array) { let [I, U] = [0, 0]; const g = debug.gt as Uint8Array; for (let i = 0; i < o.length; i++) { const k = (o[i] as number) > 0.5 ? 1 : 0; I += k & (g[i] as number); U += k | (g[i] as number); } return (I / U).toFixed(3); }

/** How well a mask parts what moves from what does not, and colours from colours around it. */
function worth(object: Float32Array, far: Float32Array, target: View, size: { h: number; w: number }): number[] {
  const n = object.length;
  const region = new Uint8Array(n);
  for (let i = 0; i < n; i++) region[i] = (object[i] as number) > 0.5 ? 1 : 0;
  const wide = dilate(region, size, t_.sring);
  const [a, b] = [new Float32Array(4096), new Float32Array(4096)];
  let [inside, outside, ni, no] = [0, 0, 1e-6, 1e-6];
  for (let i = 0; i < n; i++) {
    const f = Math.min(0.5, far[i] as number);
    if (region[i]) { inside += f; ni++; const k = target.bin[i] as number; a[k] = (a[k] as number) + 1; }
    else if (wide[i]) { outside += f; no++; const k = target.bin[i] as number; b[k] = (b[k] as number) + 1; }
  }
  let overlap = 0;
  for (let k = 0; k < 4096; k++) overlap += Math.sqrt(((a[k] as number) / ni) * ((b[k] as number) / no));
  inside /= ni; outside /= no;
  return [(inside - outside) / (inside + outside + 0.02), 1 - overlap];
}

/** What hangs together with a spot, and looks like it. */
function flood(target: View, { h, w }: { h: number; w: number }, spot: Spot, may: (i: number) => boolean): Uint8Array {
  const region = new Uint8Array(h * w);
  const { lab } = target;
  const [x, y] = [Math.min(w - 1, Math.max(0, Math.floor(spot.x))), Math.min(h - 1, Math.max(0, Math.floor(spot.y)))];
  const queue = [y * w + x];
  region[y * w + x] = 1;
  const mean = [0, 0, 0];
  let count = 0;
  for (let v = Math.max(0, y - 2); v <= Math.min(h - 1, y + 2); v++)
    for (let u = Math.max(0, x - 2); u <= Math.min(w - 1, x + 2); u++) {
      for (let k = 0; k < 3; k++) mean[k] = (mean[k] as number) + (lab[3 * (v * w + u) + k] as number);
      count++;
    }
  for (let k = 0; k < 3; k++) mean[k] = (mean[k] as number) / count;
  const apart = (i: number, to: (k: number) => number) =>
    [0, 1, 2].reduce((sum, k) => sum + ((lab[3 * i + k] as number) - to(k)) ** 2, 0);
  for (let head = 0; head < queue.length; head++) {
    const at = queue[head] as number;
    const [v, u] = [Math.floor(at / w), at % w];
    for (const [dy, dx] of [[-1, 0], [1, 0], [0, -1], [0, 1]] as const) {
      const [vy, ux] = [v + dy, u + dx];
      if (vy < 0 || vy >= h || ux < 0 || ux >= w) continue;
      const next = vy * w + ux;
      if (region[next] || !may(next)) continue;
      if (apart(next, (k) => lab[3 * at + k] as number) > t_.fstep ** 2) continue;
      if (apart(next, (k) => mean[k] as number) > t_.fmean ** 2) continue;
      region[next] = 1;
      queue.push(next);
    }
  }
  return region;
}
