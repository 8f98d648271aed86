import { addon, type DeviceInfo, type NativeDevice, native } from './addon.js';
import { InpaintError } from './errors.js';
import { expectArray, expectInteger } from './expect.js';
import { Tensor } from './tensor.js';

export type { DeviceInfo } from './addon.js';

/** A device by name; `auto` is the first usable GPU, else the CPU; `cuda` is `cuda:0`. */
export type DeviceName = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** What a {@link Device} is made with. */
export interface DeviceOptions {
  /** Threads of the CPU, by default as many as it has cores. */
  readonly threads?: number;
  /** Most bytes the device may hold, by default no limit. */
  readonly memoryLimit?: number;
  /**
   * How a GPU stores maps (float tensors of rank 4), by default `f16`; arithmetic is float32 either
   * way. The CPU stores float32 always. Values beyond 65504 overflow float16.
   */
  readonly precision?: 'f16' | 'f32';
  /** @internal Fills outputs with NaN before an operation runs. */
  readonly poison?: boolean;
  /** @internal Operations do nothing: to time the host alone. */
  readonly idle?: boolean;
}

/** Bytes of a device: in use, taken from the system, the most ever taken, and the limit. */
export interface DeviceMemory {
  readonly used: number;
  readonly reserved: number;
  readonly peak: number;
  readonly limit: number;
}

/** All devices this build knows of, and for each why it is or is not usable. */
export function devices(): DeviceInfo[] {
  return addon().devices();
}

/**
 * A CPU or GPU with an ordered stream of work and its own memory.
 *
 * Operations on its tensors are queued and return at once; the stream runs on a thread of its own,
 * so the event loop is never blocked. When queued work fails, the stream is poisoned: the error
 * rejects every later read and throws from every later operation.
 */
export class Device implements Disposable {
  /** `cpu`, `cuda:0`, ... */
  readonly name: string;
  readonly kind: 'cpu' | 'cuda';
  /** Threads that compute. */
  readonly threads: number;
  /** The instruction set in use, for people: `avx2`, `avx512`, `baseline`. */
  readonly instructionSet: string;
  /** @internal */
  readonly handle: NativeDevice;
  #disposed = false;
  /** Uploads that are copied later. */
  #later = 0;

  private constructor(info: DeviceInfo, handle: NativeDevice) {
    this.name = info.name;
    this.kind = info.kind;
    this.handle = handle;
    ({ threads: this.threads, instructionSet: this.instructionSet } = handle.info());
  }

  /**
   * Opens a device.
   *
   * @throws InpaintError ERR_DEVICE when it is not usable (the reason is in the message),
   *   ERR_ARGUMENT, ERR_ADDON.
   */
  static create(name: DeviceName = 'auto', options: DeviceOptions = {}): Device {
    const { threads = 0, memoryLimit = 2 ** 52, precision = 'f16' } = options;
    const { poison = false, idle = false } = options;
    expectInteger('Device.create', 'threads', threads, 0, 1024);
    expectInteger('Device.create', 'memoryLimit', memoryLimit, 1, 2 ** 52);
    if (precision !== 'f16' && precision !== 'f32') {
      throw new InpaintError(
        'ERR_ARGUMENT',
        'Device.create',
        `expected precision to be f16 or f32, got ${String(precision)}`,
      );
    }
    const all = devices();
    const wanted = name === 'cuda' ? 'cuda:0' : name;
    const info = wanted === 'auto' ? all.find((d) => d.usable) : all.find((d) => d.name === wanted);
    if (!info) {
      throw new InpaintError(
        'ERR_DEVICE',
        'Device.create',
        `expected one of auto, ${all.map((d) => d.name).join(', ')}, got ${String(name)}`,
      );
    }
    return native('Device.create', () => {
      const settings = { threads, memoryLimit, precision, poison, idle };
      return new Device(info, new (addon().NativeDevice)(info.name, settings));
    });
  }

  /**
   * Copies 8-bit or float data to the device; the array is free for reuse when the call returns.
   *
   * @param shape its product is the array's length
   * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_OUT_OF_MEMORY, ERR_DISPOSED
   */
  upload(data: Float32Array | Uint8Array | Uint8ClampedArray, shape: readonly number[]): Tensor {
    return this.#upload(data, shape, false);
  }

  /**
   * @internal As {@link upload}, but data is copied when the work queued before is done: until
   *   `copied` is true, nothing may be written to it. It is not of shared memory.
   */
  uploadLater(data: Uint8Array | Uint8ClampedArray, shape: readonly number[]): Tensor {
    const tensor = this.#upload(data, shape, true);
    this.#later += 1;
    return tensor;
  }

  /** @internal Whether all that was given to {@link uploadLater} up to now is copied, when asked. */
  copied(): () => boolean {
    const count = this.#later;
    return () => this.handle.copied() >= count;
  }

  #upload(
    data: Float32Array | Uint8Array | Uint8ClampedArray,
    shape: readonly number[],
    later: boolean,
  ): Tensor {
    const dtype = data instanceof Float32Array ? 'f32' : 'u8';
    if (dtype === 'u8' && !(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
      throw new InpaintError(
        'ERR_DTYPE',
        'upload',
        `expected a Float32Array or 8-bit array, got ${typeof data}`,
      );
    }
    expectArray('upload', 'shape', shape);
    for (const side of shape)
      expectInteger('upload', 'each side of the shape', side, 1, 2 ** 31 - 1);
    const elements = shape.reduce((a, b) => a * b, 1);
    if (data.length !== elements) {
      throw new InpaintError(
        'ERR_SHAPE',
        'upload',
        `expected ${elements} values for shape [${shape.join(', ')}], got ${data.length}`,
      );
    }
    // The addon cannot look into shared memory.
    const shared = data.buffer instanceof SharedArrayBuffer;
    const own = !shared ? data : dtype === 'f32' ? new Float32Array(data) : new Uint8Array(data);
    const made = new Int32Array(1);
    const owner = native('upload', () => this.handle.upload(own, shape, dtype, made, later));
    return new Tensor(this, owner, made[0] as number, shape, dtype);
  }

  /** What the device holds now. */
  memory(): DeviceMemory {
    const { used, reserved, peak, limit } = this.handle.info();
    return { used, reserved, peak, limit };
  }

  /** Gives memory that no tensor uses back to the system. */
  trim(): void {
    this.handle.trim();
  }

  /** @internal How many floats the packed form of a matrix [out, taps, all channels] takes here. */
  packedSize(matrix: Parameters<NativeDevice['packedSize']>[0]): number {
    return native('packedSize', () => this.handle.packedSize(matrix));
  }

  /** Whether {@link dispose} was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Drops queued work, rejects pending reads with ERR_DISPOSED and frees all memory. May be called
   * twice.
   */
  dispose(): void {
    this.#disposed = true;
    this.handle.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
