import { fromNative, type NativeTensors, native } from './addon.js';
import type { Device } from './device.js';
import { InpaintError } from './errors.js';
import { register } from './scope.js';

/** The type of a tensor's values. */
export type DType = 'f32' | 'u8';

/**
 * Values on a device, row major; maps are `n h w c`, channels last. Made by operations and by
 * {@link Device.upload}.
 *
 * Work that is queued keeps its inputs, so a tensor may be disposed of right after use.
 */
export class Tensor implements Disposable {
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly #number: number;
  #owner: NativeTensors | undefined;

  /** @internal */
  constructor(
    device: Device,
    owner: NativeTensors,
    number: number,
    shape: readonly number[],
    dtype: DType,
  ) {
    this.device = device;
    this.#owner = owner;
    this.#number = number;
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    register(this);
  }

  /** Number of values. */
  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  get disposed(): boolean {
    return this.#owner === undefined;
  }

  /** @internal The addon's number, for operation `op`. */
  number(op: string): number {
    if (this.#owner) return this.#number;
    throw new InpaintError(
      'ERR_DISPOSED',
      op,
      'expected a tensor in use, got one that was disposed of',
    );
  }

  /**
   * Waits for the work that makes this tensor and returns a copy of its values.
   *
   * @throws InpaintError (rejects) ERR_DISPOSED, or what went wrong on the device, with the
   *   operation's name
   */
  async read(): Promise<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>> {
    const number = this.number('read');
    const { device } = this; // kept alive until the read settles
    try {
      return await device.handle.read(number, this.dtype);
    } catch (error) {
      throw fromNative('read', error);
    }
  }

  /** Returns the memory to the device. May be called twice. */
  dispose(): void {
    this.#owner?.release(this.#number);
    this.#owner = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

type Listener = (inputs: readonly (Tensor | undefined)[], outputs: readonly Tensor[]) => void;

let listener: Listener | undefined;

/** @internal Has every operation that body queues told to `hear`: its inputs and outputs. */
export function listen<T>(hear: Listener, body: () => T): T {
  listener = hear;
  try {
    return body();
  } finally {
    listener = undefined;
  }
}

/**
 * @internal Queues an operation. Arguments have been judged by the caller.
 *
 * @param inputs undefined where an optional input is absent; at least one is a tensor, whose device
 *   runs the operation
 */
export function enqueue(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly { readonly shape: readonly number[]; readonly dtype?: DType }[],
  params: Readonly<Record<string, number | boolean | readonly number[]>>,
): Tensor[] {
  const device = (inputs.find((input) => input !== undefined) as Tensor).device;
  const numbers = Int32Array.from(inputs, (input) => input?.number(op) ?? -1);
  const made = new Int32Array(outputs.length);
  const wanted = outputs.flatMap(({ shape, dtype = 'f32' }) => [shape, dtype]);
  return native(op, () => {
    const owner = device.handle.enqueue(op, numbers, wanted, params, made);
    const tensors = outputs.map(
      ({ shape, dtype = 'f32' }, i) => new Tensor(device, owner, made[i] as number, shape, dtype),
    );
    listener?.(inputs, tensors);
    return tensors;
  });
}
