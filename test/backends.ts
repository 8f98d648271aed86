import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { Device, devices } from '../lib/device.js';
import type { ErrorCode } from '../lib/errors.js';
import { Programs } from '../lib/program.js';
import { scope } from '../lib/scope.js';
import { listen, Tensor } from '../lib/tensor.js';
import { setStorage } from './close.js';
import * as emulator from './emulator/probe.js';
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
  /** How it stores maps. */
  readonly precision: 'f16' | 'f32';
  readonly #orders: readonly (0 | 1 | 2)[];
  /** What the body uploads, each with what does that again; and what it is given instead. */
  readonly #uploads = new Map<Tensor, () => Tensor>();
  #given: Iterator<Tensor> = [].values();
  /** Bodies that are still to run as programs, too: the first ones of a file. */
  #toPlay = 6;
  #device: Device | undefined;

  /** @param orders orders of warps that all have to give the same bits; none where it has no say */
  constructor(name: string, precision: 'f16' | 'f32', orders: readonly (0 | 1 | 2)[]) {
    this.name = name;
    this.precision = precision;
    this.#orders = orders;
  }

  get device(): Device {
    const { precision } = this;
    this.#device ??= Device.create(this.name as 'cpu', { poison: true, threads: 3, precision });
    return this.#device;
  }

  upload(data: Float32Array | Uint8Array, ...shape: number[]): Tensor {
    const given = this.#given.next();
    if (!given.done) return given.value;
    const tensor = this.device.upload(data, shape);
    this.#uploads.set(tensor, () => this.device.upload(data, shape));
    return tensor;
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
    const [first, ...rest] = this.#orders;
    if (first === undefined) return this.#once(body);
    emulator.set({ order: first, together: 1 });
    const result = await this.#once(body);
    for (const order of rest) {
      emulator.set({ order, together: 8 }); // and blocks that take turns
      expect(await this.#once(body), `in warp order ${order}`).toEqual(result);
    }
    if (this.#toPlay > 0) await this.#play(body, result);
    return result;
  }

  /**
   * Expects the same of a program, where operations find their tensors in another way. Not where
   * body reads tensors that it does not upload here, such as weights.
   */
  async #play(body: () => Tensor | Results, wanted: unknown): Promise<void> {
    const own = new Set<Tensor | undefined>([undefined]);
    let others = false;
    this.#uploads.clear();
    const hear = (read: readonly (Tensor | undefined)[], made: readonly Tensor[]) => {
      others ||= read.some((it) => !own.has(it) && !this.#uploads.has(it as Tensor));
      for (const it of made) own.add(it);
    };
    listen(hear, () => scope(() => void body()));
    const uploads = [...this.#uploads.values()];
    this.#uploads.clear();
    if (others || uploads.length === 0) return;
    this.#toPlay -= 1;
    using programs = new Programs(this.device);
    const { length } = uploads;
    for (let round = 0; round < 3; ++round) {
      const inputs = uploads.map((upload) => upload());
      // Twice, for a program of one operation has no need of a table.
      const made = programs.run(`${length}`, inputs, (given) =>
        [0, 1].map(() => {
          this.#given = given.values();
          return body();
        }),
      );
      for (const input of inputs) input.dispose();
      for (const it of made) expect(await readAll(it), 'in a program').toEqual(wanted);
    }
  }

  async #once(body: () => Tensor | Results): Promise<Float32Array | Record<string, Float32Array>> {
    return readAll(scope(body));
  }

  /** What body does is refused at the call. */
  rejects(body: () => unknown, code: ErrorCode, message: string): void {
    expect(() => scope(body)).toThrow(expect.objectContaining({ code, message }));
  }

  dispose(): void {
    this.#device?.dispose();
  }
}

async function readAll(
  made: Tensor | Results,
): Promise<Float32Array | Record<string, Float32Array>> {
  if (made instanceof Tensor) return read(made);
  const values = Object.entries(made).map(async ([name, it]) => [name, await read(it)] as const);
  return Object.fromEntries(await Promise.all(values));
}

async function read(tensor: Tensor): Promise<Float32Array> {
  const values = await tensor.read();
  tensor.dispose();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

/** Whether the emulated GPU is one before 8.0; see vitest.config.ts. */
const older = process.env.EMULATOR === 'capability=75';

/** A backend there could be: a device that it can run on, or the reason why there is none. */
interface Candidate {
  readonly kind: string;
  readonly precision: 'f16' | 'f32';
  readonly device?: string;
  readonly reason: string;
}

/**
 * In the project `emulator` the addon is the one on the emulator, and its GPU the only backend. In
 * all others a GPU is a real one.
 */
function backends(project: string | undefined): Candidate[] {
  const emulated = project === 'emulator';
  if (emulated && !emulator.available) {
    return [{ kind: 'emulator', precision: 'f16', reason: emulator.reason }];
  }
  const all = devices();
  // AA_BACKENDS=cuda: these alone; see bench/on_gpu.ts.
  const only = process.env.AA_BACKENDS;
  const backend = (kind: string, pattern: RegExp, precision: 'f16' | 'f32'): Candidate => {
    const found = all.filter((device) => pattern.test(device.name));
    const info = found.find(({ usable }) => usable) ?? found[0];
    const reason = info?.reason ?? 'this build has no such device';
    return { kind, precision, reason, ...(info?.usable && { device: info.name }) };
  };
  const gpu = emulated ? 'emulator' : 'cuda';
  const half = backend(gpu, /^cuda/, 'f16');
  // Only the tensor cores of an older GPU are used in another way.
  if (older) return [half];
  const gpus = [half, backend(gpu, /^cuda/, 'f32')];
  if (emulated) return gpus;
  const every = [backend('cpu', /^cpu/, 'f32'), ...gpus];
  return only ? every.filter(({ kind }) => kind === only) : every;
}

/** Says aloud, once a run, what is tested and what is not. */
export function setup(project: {
  readonly name: string;
  provide(key: 'instructionSet', value: string): void;
}): void {
  const say = (name: string, tested: boolean, reason: string) =>
    process.stdout.write(`${name}: ${tested ? `tested (${reason})` : `ABSENT, ${reason}`}\n`);
  const cpu = Device.create('cpu');
  project.provide('instructionSet', cpu.instructionSet);
  cpu.dispose();
  if (project.name === 'emulator') say('emulator', emulator.available, emulator.reason);
  if (project.name !== 'all') return;
  for (const { kind, precision, device, reason } of backends(undefined))
    say(`${kind} ${precision}`, device !== undefined, reason);
}

/**
 * The same tests on every backend. AA_INSTRUCTION_SET (see vitest.config.ts) asks for the CPU with
 * a lower instruction set than it would take by itself; where it takes that one anyway there is
 * nothing more to test, and where it lacks it the device says so. On the emulator, everything runs
 * in three orders of warps; as a GPU of 7.5, in a shuffled one.
 */
export function describeBackends(name: string, body: (backend: Backend) => void): void {
  const set = process.env.AA_INSTRUCTION_SET;
  for (const { kind, precision, device, reason } of backends(process.env.AA_PROJECT)) {
    const title = `${name} on ${kind}${older ? ' 7.5' : ''}${kind === 'cpu' ? '' : ` ${precision}`}${set ? ` ${set}` : ''}`;
    if (set && kind !== 'cpu') continue;
    if (!device) {
      describe.skip(`${title}: ${reason}`, () => it('is absent'));
      continue;
    }
    const orders = older ? ([2] as const) : ([0, 1, 2] as const);
    const backend = new Backend(device, precision, kind === 'emulator' ? orders : []);
    const again = set !== undefined && set === inject('instructionSet');
    const note = again ? ': what this CPU takes by itself, tested as such' : '';
    describe.skipIf(again)(title + note, () => {
      beforeAll(() => {
        expect(backend.device.disposed).toBe(false);
        setStorage(precision);
      });
      afterEach(() => expect(backend.device.memory().used).toBe(0));
      afterAll(() => backend.dispose());
      body(backend);
    });
  }
}
