// Times what is queued on a device, alone or in turn with a peer, and prints tables.
import { setTimeout } from 'node:timers/promises';
import type { Device } from '../lib/device.js';
import type { NetworkConfig } from '../lib/network/config.js';
import { conv2d, linear, normalize, packConv2d, packLinear } from '../lib/ops/index.js';
import type { Size } from '../lib/ops/window.js';
import type { Safetensors } from '../lib/safetensors.js';
import { scope } from '../lib/scope.js';
import type { Tensor } from '../lib/tensor.js';
import { Random } from '../test/random.js';
import { holeOf, references } from './shapes.js';

/** One way to call an operation. */
export interface Case {
  readonly name: string;
  /** What a call has to read and write at least. */
  readonly bytes: number;
  /** Multiplications and additions of the formula, where they are what bounds it. */
  readonly flops?: number;
  /** Uploads the inputs; the answer queues one call. */
  prepare(): () => unknown;
  /** The same work elsewhere. */
  peer?(rival: Rival): Promise<Peer>;
}

/** Someone else's implementation of a case. */
export interface Peer {
  readonly run: Turn;
  release(): Promise<void>;
}

/** A convolution with "same" padding; h and w are those of the input. */
export interface ConvShape {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly o: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly leakyRelu: boolean;
}

/** Someone else's library. */
export interface Rival {
  /** With its version and what it runs on. */
  readonly name: string;
  /** A convolution on values of its own. */
  conv(shape: ConvShape): Promise<Peer>;
  close(): void;
}

/**
 * What the cases of operations are made from: random values, the same in each run of the program.
 */
export class Feed {
  readonly device: Device;
  readonly weights: Safetensors;
  readonly config: NetworkConfig;
  readonly random = new Random(1);
  readonly #made: { dispose(): void }[] = [];

  constructor(device: Device, weights: Safetensors, config: NetworkConfig) {
    this.device = device;
    this.weights = weights;
    this.config = config;
  }

  /** Has something disposed of when the case is over. */
  own<T extends { dispose(): void }>(it: T): T {
    this.#made.push(it);
    return it;
  }

  upload(data: Float32Array | Uint8Array, ...shape: number[]): Tensor {
    return this.own(this.device.upload(data, shape));
  }

  /** Values in [-1, 1]. */
  map({ h, w }: Size, c: number, n = 1): Tensor {
    return this.upload(this.random.values(n * h * w * c), n, h, w, c);
  }

  /** An 8-bit frame. */
  frame({ h, w }: Size): Tensor {
    return this.upload(this.random.bytes(h * w * 3), 1, h, w, 3);
  }

  /** Where a plane is seen: everywhere but in the hole. 8-bit if asked. */
  visibility(plane: Size, shift = 0, bytes = false): Tensor {
    const visibility = holeOf(plane, shift).map((hole) => 1 - hole);
    return this.upload(bytes ? visibility : Float32Array.from(visibility), 1, plane.h, plane.w, 1);
  }

  /** One for each reference; the shift moves its hole. */
  each<T>(make: (shift: number) => T): T[] {
    return Array.from({ length: references }, (_, i) => make((i / references - 0.5) / 2));
  }

  /** Homographies close to the identity, [r 3 3]. */
  homographies(): Tensor {
    return this.upload(this.random.homographies(references, 0.02), references, 3, 3);
  }

  clear(): void {
    for (const it of this.#made.splice(0)) it.dispose();
  }
}

/** Milliseconds of one call, over several rounds. */
export interface Timing {
  readonly median: number;
  readonly min: number;
}

function timingOf(times: number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
  return { median, min: sorted[0] ?? 0 };
}

/** What a machine can do at most, in units of 1e9 a second. */
export interface Ceiling {
  readonly bytes: number;
  readonly operations: number;
}

/** Makes that many calls and waits for them. */
export type Turn = (calls: number) => Promise<void>;

async function timed(turn: Turn, calls: number): Promise<number> {
  const start = performance.now();
  await turn(calls);
  return (performance.now() - start) / calls;
}

/** More than any cache that is met holds: 64 MiB, read and written. */
const large = { h: 1024, w: 1024, c: 16 };

/** Times calls on a device. */
export class Stopwatch {
  readonly #device: Device;
  readonly #quick: boolean;
  readonly #rounds: number;
  readonly #atLeast: number;
  readonly #small: Tensor;
  #large: Tensor | undefined;

  /** @param quick to see whether everything runs; the figures mean little */
  constructor(device: Device, quick: boolean, rounds?: number) {
    this.#device = device;
    this.#quick = quick;
    this.#rounds = rounds ?? (quick ? 2 : 9);
    this.#atLeast = quick ? 2 : 50;
    this.#small = device.upload(new Float32Array(1), [1]);
  }

  /** Waits for all that is queued. */
  async settle(): Promise<void> {
    await this.#small.read();
  }

  /** Calls that are queued, then waited for; what they make is freed. */
  turn(run: () => unknown): Turn {
    return async (calls) => {
      for (let i = 0; i < calls; i++) scope(() => void run());
      await this.settle();
    };
  }

  /**
   * Times several in turn, A B A B: what else the machine does meets all of them alike. A round
   * makes as many calls as fill 50 ms, after one that does not count; before it all threads come to
   * rest: a peer's spin on for tens of milliseconds, which would double our times.
   */
  async compare(...turns: Turn[]): Promise<Timing[]> {
    const calls: number[] = [];
    for (const turn of turns) {
      await turn(1);
      calls.push(Math.min(1000, Math.ceil(this.#atLeast / (await timed(turn, 1)))));
    }
    const times = turns.map((): number[] => []);
    for (let round = 0; round < this.#rounds; round++) {
      for (const [i, turn] of turns.entries()) {
        await setTimeout(100);
        await turn(1);
        times[i]?.push(await timed(turn, calls[i] ?? 1));
      }
    }
    return times.map(timingOf);
  }

  /** Times calls one after another: their data is where the last one left it. */
  async warm(run: () => unknown): Promise<Timing> {
    const [timing] = await this.compare(this.turn(run));
    return timing as Timing;
  }

  /**
   * Times single calls, the way there and back included, after the caches were filled with other
   * data.
   */
  async cold(run: () => unknown): Promise<Timing> {
    const turn = this.turn(run);
    const times: number[] = [];
    for (let round = 0; round < this.#rounds; round++) {
      await this.turn(() => this.stream().run())(1);
      times.push(await timed(turn, 1));
    }
    return timingOf(times);
  }

  /**
   * The most that is seen of this machine, in units of 1e9 a second: bytes read and written by a
   * call that does little else; operations of the matrix kernel on squares that stay in the caches,
   * or, of a GPU, of a convolution that is large enough to fill it.
   */
  async ceiling(random: Random): Promise<Ceiling> {
    const { bytes, run } = this.stream();
    const { min } = await this.warm(run);
    const operations =
      this.#device.kind === 'cpu' ? await this.#products(random) : await this.#convolution(random);
    return { bytes: bytes / min / 1e6, operations };
  }

  async #convolution(random: Random): Promise<number> {
    const [side, c] = this.#quick ? [16, 32] : [256, 256];
    using x = this.#device.upload(random.values(side * side * c), [1, side, side, c]);
    const weight = random.values(c * 9 * c);
    const conv = packConv2d(this.#device, weight, [c, c, 3, 3], random.values(c));
    const { min } = await this.warm(() => conv2d(x, conv));
    conv.dispose();
    return (2 * side ** 2 * c ** 2 * 9) / min / 1e6;
  }

  async #products(random: Random): Promise<number> {
    let operations = 0;
    for (const side of [320, 512, 768]) {
      const [data, bias] = [random.values(side * side), random.values(side)];
      using x = this.#device.upload(data, [side, side]);
      const layer = packLinear(this.#device, data, [side, side], bias);
      const { min } = await this.warm(() => linear(x, layer));
      layer.dispose();
      operations = Math.max(operations, (2 * side ** 3) / min / 1e6);
    }
    return operations;
  }

  /** A call that does little but move more than the caches hold. */
  stream(): { readonly bytes: number; run(): Tensor } {
    const { h, w, c } = this.#quick ? { h: 64, w: 64, c: 16 } : large;
    this.#large ??= this.#device.upload(new Float32Array(h * w * c).fill(1), [1, h, w, c]);
    const from = this.#large;
    return { bytes: 2 * 4 * from.size, run: () => normalize(from) };
  }
}

/** Milliseconds, with three or four digits. */
export function ms(time: number): string {
  return time.toFixed(time < 10 ? 3 : time < 100 ? 2 : 1);
}

/** How much a second, in units of 1e9, where it took that many milliseconds. */
export const giga = (amount: number, time: number): number => amount / time / 1e6;

export function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}

/** Prints a head; the answer prints a row. Widths below 0 are of text, that is set to the left. */
export function table(...columns: readonly (readonly [title: string, width: number])[]) {
  const print = (...cells: readonly string[]) => {
    const line = columns.map(([, width], i) => {
      const cell = cells[i] ?? '';
      return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
    });
    console.log(line.join(' ').trimEnd());
  };
  print(...columns.map(([title]) => title));
  return print;
}
