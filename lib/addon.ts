import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { InpaintError } from './errors.js';

/** @internal Tensors that one call of the addon made; a number stands for each. */
export interface NativeTensors {
  release(number: number): void;
}

/** @internal The addon's recording of operations; see Note [programs] in binding/program.h. */
export type NativeProgram = { readonly __program: never };

/** @internal The addon's device; see binding/addon.cpp. Tensors are numbers; `made` is set. */
export interface NativeDevice {
  upload(
    data: ArrayBufferView,
    shape: readonly number[],
    type: string,
    made: Int32Array,
    later: boolean,
  ): NativeTensors;
  copied(): number;
  enqueue(
    op: string,
    inputs: Int32Array,
    outputs: readonly unknown[],
    params: object,
    made: Int32Array,
  ): NativeTensors;
  record(): void;
  finish(): undefined;
  finish(inputs: Int32Array, constants: Int32Array, outputs: Int32Array): NativeProgram;
  play(program: NativeProgram, inputs: Int32Array, made: Int32Array): NativeTensors;
  read(tensor: number, type: string): Promise<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>;
  info(): {
    threads: number;
    instructionSet: string;
    used: number;
    reserved: number;
    peak: number;
    limit: number;
  };
  trim(): void;
  packedSize(matrix: { out: number; taps: number; channels: readonly number[] }): number;
  failAfter(requests: number): void;
  dispose(): void;
}

/** @internal Bounds of the non-zero pixels of a mask. */
export interface Bounds {
  readonly y: number;
  readonly x: number;
  readonly h: number;
  readonly w: number;
}

/** What {@link devices} says of a device: whether it can be used, and why or why not. */
export interface DeviceInfo {
  readonly name: string;
  readonly kind: 'cpu' | 'cuda';
  readonly usable: boolean;
  readonly reason: string;
}

/** @internal The native addon. */
export interface Addon {
  readonly NativeDevice: new (
    name: string,
    options: {
      threads: number;
      memoryLimit: number;
      precision: 'f16' | 'f32';
      poison: boolean;
      idle: boolean;
    },
  ) => NativeDevice;
  /**
   * Copies a frame, brings its mask to one channel and shrinks it to a thumbnail, on a thread of
   * its own. Nothing may be written to the arrays until it is done. They are not of shared memory.
   *
   * @returns the mask's bounds, undefined when all of it is zero
   */
  takeFrame(
    frame: Uint8Array | Uint8ClampedArray,
    mask: Uint8Array | Uint8ClampedArray,
    size: { width: number; height: number; channels: number; maskChannels: number },
    frameCopy: Uint8Array,
    maskCopy: Uint8Array,
    thumbnail: Float32Array,
  ): Promise<Bounds | undefined>;
  devices(): DeviceInfo[];
  readonly version: string;
}

/** Where the addon was loaded from, and why not from a place before it. */
export interface AddonSource {
  readonly path: string;
  readonly passed: readonly string[];
}

const root = new URL('..', import.meta.url);
const require = createRequire(import.meta.url);
let loaded: { addon: Addon; source: AddonSource } | undefined;

/** This package's description; undefined where the code is in a program which it was bundled into. */
function description(): { version: string } | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
    return name === 'align-and-attend' ? { version } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The places an addon may be in, the best first: built in this folder or packed into it, and the packages of
 * this platform. Of those npm installs what fits the machine's C library, and the one with CUDA if asked for.
 */
function places(): { name: string; resolve: () => string }[] {
  const { platform, arch } = process;
  const packages = [`${platform}-${arch}-cuda`, `${platform}-${arch}`, `${platform}musl-${arch}`];
  return [
    {
      name: 'the package itself',
      resolve: () => require('node-gyp-build').path(fileURLToPath(root)) as string,
    },
    ...packages.map((suffix) => {
      const name = `@align-and-attend/${suffix}`;
      return { name, resolve: () => require.resolve(name) };
    }),
  ];
}

function load(): { addon: Addon; source: AddonSource } {
  const own = description();
  const passed: string[] = [];
  for (const { name, resolve } of own ? places() : []) {
    let path: string;
    try {
      path = resolve();
    } catch {
      continue; // It is not installed.
    }
    try {
      const addon = require(path) as Addon;
      if (addon.version === own?.version) return { addon, source: { path, passed } };
      passed.push(`${name}: version ${addon.version} instead of ${own?.version}`);
    } catch (error) {
      passed.push(`${name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  if (!own) {
    throw new InpaintError(
      'ERR_ADDON',
      'align-and-attend',
      "expected the native addon beside the package's code, got code in a bundle; tell the bundler " +
        "that 'align-and-attend' is external",
    );
  }
  const { platform, arch } = process;
  throw new InpaintError(
    'ERR_ADDON',
    'align-and-attend',
    `expected the native addon for ${platform}-${arch}, got none` +
      `${passed.length ? ` (${passed.join('; ')})` : ''}; 'npm install @align-and-attend/${platform}-${arch}' ` +
      "adds it where npm left optional dependencies out; with CMake and a C++20 compiler, 'npx cmake-js compile' " +
      "in the package's folder builds it",
  );
}

/**
 * @internal The addon.
 * @throws InpaintError ERR_ADDON when there is none for this machine.
 */
export function addon(): Addon {
  loaded ??= load();
  return loaded.addon;
}

/** @internal Where it was loaded from. */
export function addonSource(): AddonSource {
  addon();
  return (loaded as { source: AddonSource }).source;
}

/**
 * @internal Runs body and turns what the addon throws into an InpaintError with the caller's stack.
 */
export function native<T>(op: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw fromNative(op, error);
  }
}

/** @internal The addon's error as an InpaintError. */
export function fromNative(op: string, error: unknown): unknown {
  if (error instanceof InpaintError) return error;
  const { code, op: at, message } = error as { code?: string; op?: string; message?: string };
  if (typeof code !== 'string' || !code.startsWith('ERR_')) return error;
  return new InpaintError(code as InpaintError['code'], at || op, message ?? '', { cause: error });
}
