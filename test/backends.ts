import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Device, devices } from '../lib/device.js';
import type { ErrorCode } from '../lib/errors.js';
import { scope } from '../lib/scope.js';
import { Tensor } from '../lib/tensor.js';
import type { Plane } from './random.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The instruction set that the CPU device takes by itself. */
    instructionSet: string;
  }
}

type Results = { readonly [name: string]: Tensor };

/** A device under test. Its outputs are filled with NaN before an operation runs. */
export class Backend {
  readonly name: string;
  #device: Device | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get device(): Device {
    this.#device ??= Device.create(this.name as 'cpu', { poison: true, threads: 3 });
    return this.#device;
  }

  upload(data: Float32Array | Uint8Array, ...shape: number[]): Tensor {
    return this.device.upload(data, shape);
  }

  /** A plane as a map. */
  map({ data, n, h, w, c, y, x }: Plane): { tensor: Tensor; y: number; x: number } {
    return { tensor: this.upload(data, n, h, w, c), y, x };
  }

  /** Queues what body queues, disposes of all but its results at once, and reads those. */
  run(body: () => Tensor): Promise<Float32Array>;
  run<T extends { readonly [K in keyof T]: Tensor }>(
    body: () => T,
  ): Promise<{ [K in keyof T]: Float32Array }>;
  async run(body: () => Tensor | Results): Promise<Float32Array | Record<string, Float32Array>> {
    const made = scope(body);
    if (made instanceof Tensor) return read(made);
    const values = Object.entries(made).map(async ([name, it]) => [name, await read(it)] as const);
    return Object.fromEntries(await Promise.all(values));
  }

  /** What body does is refused at the call. */
  rejects(body: () => unknown, code: ErrorCode, message: string): void {
    expect(() => scope(body)).toThrow(expect.objectContaining({ code, message }));
  }

  dispose(): void {
    this.#device?.dispose();
  }
}

async function read(tensor: Tensor): Promise<Float32Array> {
  const values = await tensor.read();
  tensor.dispose();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** The backends there could be: a device that each can run on, or the reason why there is none. */
function backends(): { name: string; device?: string; reason: string }[] {
  const backend = (name: string, pattern: RegExp) => {
    const found = devices().filter((device) => pattern.test(device.name));
    const info = found.find(({ usable }) => usable) ?? found[0];
    const reason = info?.reason ?? 'this build has no such device';
    return { name, reason, ...(info?.usable && { device: info.name }) };
  };
  return [backend('cpu', /^cpu/), backend('emulator', /^emulator/), backend('cuda', /^cuda/)];
}

/** Says aloud, once a run, what is tested and what is not. */
export function setup(project: {
  readonly name: string;
  provide(key: 'instructionSet', value: string): void;
}): void {
  const cpu = Device.create('cpu');
  project.provide('instructionSet', cpu.instructionSet);
  cpu.dispose();
  if (project.name !== 'all') return;
  for (const { name, device, reason } of backends()) {
    process.stdout.write(`${name}: ${device ? `tested (${reason})` : `ABSENT, ${reason}`}\n`);
  }
}

/**
 * The same tests on every backend. AA_INSTRUCTION_SET (see vitest.config.ts) asks for the CPU with
 * a lower instruction set than it would take by itself; where it takes that one anyway there is
 * nothing more to test, and where it lacks it the device says so.
 */
export function describeBackends(name: string, body: (backend: Backend) => void): void {
  const set = process.env.AA_INSTRUCTION_SET;
  for (const { name: kind, device, reason } of backends()) {
    const title = `${name} on ${kind}${set ? ` ${set}` : ''}`;
    if (set && kind !== 'cpu') continue;
    if (!device) {
      describe.skip(`${title}: ${reason}`, () => it('is absent'));
      continue;
    }
    const backend = new Backend(device);
    const again = set !== undefined && set === inject('instructionSet');
    const note = again ? ': what this CPU takes by itself, tested as such' : '';
    describe.skipIf(again)(title + note, () => {
      beforeAll(() => expect(backend.device.disposed).toBe(false));
      afterEach(() => expect(backend.device.memory().used).toBe(0));
      afterAll(() => backend.dispose());
      body(backend);
    });
  }
}
