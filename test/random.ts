/** A map as the tests pass it around, [n h w c], lying at y, x of its plane. */
export interface Plane {
  readonly data: Float32Array;
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly y: number;
  readonly x: number;
}

/** The nearest float16, ties to even. */
export function toHalf(x: number): number {
  const size = Math.abs(x);
  if (!(size > 0) || size === Number.POSITIVE_INFINITY) return x;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(size))) - 10);
  const steps = size / step;
  const below = Math.floor(steps);
  const over = steps - below;
  const near = below + (over > 0.5 || (over === 0.5 && below % 2 === 1) ? 1 : 0);
  const rounded = near * step;
  return Math.sign(x) * (rounded > 65504 ? Number.POSITIVE_INFINITY : rounded);
}

/** The same numbers for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Numbers that float16 holds exactly, so that every backend is given the same. */
  values(count: number, low = -1, high = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => toHalf(low + (high - low) * this.next()));
  }

  /** 1 with the given chance, else 0. */
  bits(count: number, chance = 0.6): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => (this.next() < chance ? 1 : 0));
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => Math.floor(256 * this.next()));
  }

  plane(n: number, h: number, w: number, c: number, y = 0, x = 0): Plane {
    return { data: this.values(n * h * w * c), n, h, w, c, y, x };
  }

  /** An image with soft structure at every place, [h w c] in [-1, 1]: sums of a few waves. */
  smooth(h: number, w: number, c: number): Float32Array<ArrayBuffer> {
    const waves = Array.from({ length: 6 * c }, () => this.values(4));
    const at = (y: number, x: number, k: number) =>
      waves.slice(6 * k, 6 * k + 6).reduce((sum, [fy = 0, fx = 0, phase = 0, size = 0]) => {
        return sum + (size / 6) * Math.sin((9 * fy * y) / h + (9 * fx * x) / w + 6 * phase);
      }, 0);
    return Float32Array.from({ length: h * w * c }, (_, i) => {
      return toHalf(at(Math.floor(i / c / w), Math.floor(i / c) % w, i % c));
    });
  }

  /** Homographies [r 3 3] at most `size` from the identity in each number; the last is 1. */
  homographies(r: number, size: number): Float32Array<ArrayBuffer> {
    const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    return this.values(9 * r, -size, size).map((d, i) => {
      return (identity[i % 9] as number) + (i % 9 === 8 ? 0 : d);
    });
  }
}

/** The part of a plane that lies in a window, as a plane of its own. */
export function cut(plane: Plane, y: number, x: number, h: number, w: number): Plane {
  const data = new Float32Array(plane.n * h * w * plane.c);
  let at = 0;
  for (let n = 0; n < plane.n; n++) {
    for (let row = y; row < y + h; row++) {
      const from = ((n * plane.h + row - plane.y) * plane.w + x - plane.x) * plane.c;
      data.set(plane.data.subarray(from, from + w * plane.c), at);
      at += w * plane.c;
    }
  }
  return { data, n: plane.n, h, w, c: plane.c, y, x };
}
