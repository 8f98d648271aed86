// Random arguments: valid ones, of which some part is replaced by what nobody should give.
import { Device } from '../../lib/device.js';
import { Tensor } from '../../lib/tensor.js';
import type { Random } from '../random.js';

export const pick = <T>(random: Random, list: readonly T[]): T =>
  list[Math.floor(random.next() * list.length)] as T;

const sides = [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17];
const floats = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  3.4e38,
  -1e30,
  1e-45,
];
const numbers = [
  ...floats,
  -1,
  -0,
  0,
  0.5,
  1,
  2,
  3,
  64,
  65,
  1e6,
  65536,
  65537,
  -(2 ** 31),
  2 ** 31,
  2 ** 32,
  2 ** 53,
];
const others: readonly unknown[] = [undefined, null, '3', '', true, {}, [], () => 1, 3n];

/** Tensors of one device, for a while. */
export class Feed {
  readonly device: Device;
  readonly #random: Random;
  #stray: Device | undefined;

  constructor(random: Random) {
    this.#random = random;
    this.device = Device.create('cpu', { threads: 1, memoryLimit: 2 ** 26, poison: true });
  }

  floats(count: number): Float32Array<ArrayBuffer> {
    const values = this.#random.values(count);
    for (let n = pick(this.#random, [0, 0, 0, 1, 3]); n > 0; n--)
      values[Math.floor(this.#random.next() * count)] = pick(this.#random, floats);
    return values;
  }

  map(...shape: number[]): Tensor {
    return this.device.upload(this.floats(shape.reduce((a, b) => a * b, 1)), shape);
  }

  /** 0 and 1. */
  flags(...shape: number[]): Tensor {
    return this.device.upload(this.#random.bits(shape.reduce((a, b) => a * b, 1)), shape);
  }

  bytes(...shape: number[]): Tensor {
    return this.device.upload(this.#random.bytes(shape.reduce((a, b) => a * b, 1)), shape);
  }

  thetas(r: number): Tensor {
    const random = this.#random;
    const values = random.homographies(r, pick(random, [0, 0.1, 2]));
    if (random.next() < 0.1) values[0] = pick(random, floats);
    return this.device.upload(values, [r, 3, 3]);
  }

  /** One that does not belong where it is put. */
  stray(like: Tensor): unknown {
    const random = this.#random;
    const make = pick(random, [
      () =>
        this.map(...like.shape.map((side) => (random.next() < 0.5 ? side : pick(random, sides)))),
      () => this.map(...like.shape.slice(1), 1),
      () => this.map(...like.shape, 2),
      () => (like.dtype === 'u8' ? this.map(...like.shape) : this.bytes(...like.shape)),
      () => {
        const gone = this.map(1);
        gone.dispose();
        return gone;
      },
      () => {
        this.#stray ??= Device.create('cpu', { threads: 1 });
        return this.#stray.upload(new Float32Array(like.size), like.shape);
      },
      () => ({ shape: like.shape, dtype: like.dtype, device: like.device }),
      () => pick(random, others),
    ]);
    return make();
  }

  dispose(): void {
    this.device.dispose();
    this.#stray?.dispose();
  }
}

/** The value with some part of it replaced; `chance` for each part. */
export function mutate(value: unknown, random: Random, feed: Feed, chance: number): unknown {
  const hit = random.next() < chance;
  const inner = (part: unknown) => mutate(part, random, feed, chance);
  if (value instanceof Tensor) return hit ? feed.stray(value) : value;
  if (typeof value === 'number') {
    if (!hit) return value;
    return pick(random, [
      pick(random, numbers),
      value + 1,
      value - 1,
      -value,
      value * 2,
      pick(random, others),
    ]);
  }
  if (hit && random.next() < 0.3) return pick(random, others);
  if (Object.isFrozen(value)) return value; // what was packed, and texts
  if (Array.isArray(value)) {
    const list = value.map(inner);
    if (!hit) return list;
    const change = pick(random, [
      () => list.slice(1),
      () => [...list, ...list],
      () => Array.from({ length: 65 }, () => list[0]),
      () => Object.assign(list, { length: list.length + 1 }),
    ]);
    return change();
  }
  if (
    typeof value !== 'object' ||
    value === null ||
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return hit ? pick(random, others) : value;
  const entries = Object.entries(value).filter(() => !(random.next() < chance / 4));
  return Object.fromEntries(entries.map(([key, part]) => [key, inner(part)]));
}
