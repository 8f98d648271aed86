import { fileURLToPath } from 'node:url';
import type { Device } from '../../lib/device.js';
import type { RegistrationFeatures } from '../../lib/network/homography.js';
import type { Encoded, Network } from '../../lib/network/network.js';
import type { Region } from '../../lib/ops/window.js';
import { Safetensors } from '../../lib/safetensors.js';
import type { Tensor } from '../../lib/tensor.js';

/** Path of a file of test/fixtures. */
export const fixturePath = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** What test/fixtures/make.py recorded, by name. */
export class Fixture {
  readonly #file: Safetensors;

  private constructor(file: Safetensors) {
    this.#file = file;
  }

  static async open(name: string): Promise<Fixture> {
    return new Fixture(await Safetensors.open(fixturePath(name)));
  }

  metadata(name: string): string | undefined {
    return this.#file.metadata.get(name);
  }

  shape(name: string): readonly number[] {
    return this.#file.shape(name) ?? [];
  }

  /** All values, or those at place `index` of the first axis. */
  values(name: string, index?: number): Float32Array {
    const shape = this.shape(name);
    const values = this.#file.tensor(name, shape);
    if (index === undefined) return values;
    const length = values.length / (shape[0] as number);
    return values.slice(index * length, (index + 1) * length);
  }

  /** The same on a device. */
  tensor(device: Device, name: string, index?: number): Tensor {
    const [first = 1, ...rest] = this.shape(name);
    return device.upload(this.values(name, index), [index === undefined ? first : 1, ...rest]);
  }
}

/** Frames of one size with their masks, 1 in the hole, 0 elsewhere. */
export interface Shot {
  readonly h: number;
  readonly w: number;
  readonly frames: readonly Uint8Array[];
  readonly masks: readonly Uint8Array[];
}

export function readShot(fixture: Fixture, name: string): Shot {
  const [count = 0, h = 0, w = 0] = fixture.shape(`${name}.frames`);
  const read = (part: string) =>
    Array.from({ length: count }, (_, i) => Uint8Array.from(fixture.values(`${name}.${part}`, i)));
  return { h, w, frames: read('frames'), masks: read('masks') };
}

/** All that the network knows of a frame. */
export type Known = Encoded & RegistrationFeatures;

/** Encodes the frames of a shot at their own size, the masks as they are. */
export function encodeShot(
  network: Network,
  device: Device,
  { h, w, frames, masks }: Shot,
): Known[] {
  return frames.map((data, i) => {
    using frame = device.upload(data, [1, h, w, 3]);
    using mask = device.upload(masks[i] as Uint8Array, [1, h, w, 1]);
    const size = { h, w };
    const packed = network.pack(frame, mask, { dilate: 0, scaled: size, plane: size });
    return { ...network.registrationFeatures(packed), ...network.encode(packed) };
  });
}

/** The transforms from a frame of a shot to others of it, as places among `known`. */
export function estimateHomographies(
  network: Network,
  known: readonly Known[],
  target: number,
  references: readonly number[],
  window: Region,
): Tensor {
  const steps = known.slice(1).map((frame, i) => network.track(frame, known[i] as Known));
  const sources = references.map((at) => known[at] as Known);
  const starts = network.chainHomographies({ steps, target, references });
  return network.refineHomographies(starts, known[target] as Known, sources, window);
}

/** Bounds of a mask; undefined when it is empty. */
export function boundsOf(mask: Uint8Array, w: number): Region | undefined {
  const at = [...mask.keys()].filter((i) => mask[i]);
  if (at.length === 0) return undefined;
  const ys = at.map((i) => Math.floor(i / w));
  const xs = at.map((i) => i % w);
  const [y, x] = [Math.min(...ys), Math.min(...xs)];
  return { y, x, h: Math.max(...ys) - y + 1, w: Math.max(...xs) - x + 1 };
}

/**
 * Largest difference, as a share of the largest expected value; NaN when a value is not a number.
 */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    // Math.max keeps NaN.
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)));
    size = Math.max(size, Math.abs(expected[i] as number));
  }
  return difference / size;
}
