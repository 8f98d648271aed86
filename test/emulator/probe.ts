// The emulator that runs in this process, for tests: its settings, what it counted, and kernels
// given as PTX text. Needs a build with the emulator (npm run build:test).
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Of one launch, in instructions of warps, bytes and 32-byte sectors. See README.md. */
export interface Counters {
  readonly mma: number;
  readonly math: number;
  readonly address: number;
  readonly memory: number;
  readonly control: number;
  readonly other: number;
  readonly mmaOperations: number;
  readonly threadInstructions: number;
  readonly divergent: number;
  readonly loadBytes: number;
  readonly loadSectors: number;
  readonly storeBytes: number;
  readonly storeSectors: number;
  readonly sharedAccesses: number;
  readonly sharedCycles: number;
  readonly sharedConflicts: number;
  readonly barriers: number;
}

export type Size3 = readonly [x: number, y: number, z: number];

export interface LaunchCounters extends Counters {
  /** Demangled. */
  readonly kernel: string;
  readonly grid: Size3;
  readonly block: Size3;
  readonly dynamicShared: number;
  /** The number of the graph's launch that it is part of; 0 outside of graphs. */
  readonly graph: number;
  /** In a graph, the launches that it waits for: places in the list of {@link counters}. */
  readonly after: readonly number[];
  /** The stream it was launched on, and the place of its piece of work (a graph is one) in that. */
  readonly stream: number;
  readonly piece: number;
  /** So many pieces of each stream are over when that piece begins. */
  readonly clock: readonly number[];
}

export interface Settings {
  /** Warps and blocks in ascending, descending or shuffled order. */
  readonly order?: 0 | 1 | 2;
  /** Of the host. */
  readonly threads?: number;
  /** Blocks that take turns. */
  readonly together?: number;
  /** Whether races on shared memory between warps are faults. */
  readonly races?: boolean;
  /** Whether races within a warp are. */
  readonly warpRaces?: boolean;
  /** Whether races on global memory between streams are. */
  readonly streamRaces?: boolean;
  /** Milliseconds before what is waited for runs: the host gets ahead. */
  readonly delay?: number;
  /** Whether the use of what nothing wrote is. */
  readonly uninitialised?: boolean;
  /** Whether counters are filled. */
  readonly count?: boolean;
  /** Whether kernels run; else launches are over at once, and counted as ever. */
  readonly execute?: boolean;
  /** Of a warp; more is taken for an endless loop. */
  readonly mostInstructions?: number;
  /** 75 for 7.5. */
  readonly capability?: number;
  /** Bytes of device memory. */
  readonly capacity?: number;
  /** The n-th launch from now faults. */
  readonly failLaunch?: number;
  /** The n-th allocation from now finds no memory. */
  readonly failAllocation?: number;
  readonly driver?: 'present' | 'none' | 'old' | 'no-device';
}

/** Arrays are device memory with their content, and are updated; `uninitialised` is so many bytes. */
export type Argument =
  | ArrayBufferView
  | { readonly u32: number }
  | { readonly u64: bigint }
  | { readonly f32: number }
  | { readonly uninitialised: number };

export interface RunOptions {
  readonly grid?: Size3;
  readonly block?: Size3;
  /** Bytes of dynamic shared memory. */
  readonly shared?: number;
  readonly arguments: readonly Argument[];
}

export interface Run {
  readonly fault: { readonly kind: string; readonly text: string };
  readonly counters: Counters;
}

export interface GraphCounts {
  readonly made: number;
  readonly launched: number;
  readonly set: number;
}

interface Addon {
  set(name: string, value: string): void;
  counters(): LaunchCounters[];
  launches(): number;
  graphs(): GraphCounts;
  reset(): void;
  run(ptx: string, kernel: string, options: RunOptions): Run;
}

/** The folder that the emulator is built in. */
export const folder: string = fileURLToPath(new URL('../../build/emulator/', import.meta.url));
const path = `${folder}probe.node`;

export const available: boolean = existsSync(path);
/** Why not. */
export const reason: string = available ? 'built' : 'no nvcc, or not built (npm run build:test)';

let loaded: Addon | undefined;
function addon(): Addon {
  if (!available) throw new Error(`the emulator is absent: ${reason}`);
  loaded ??= createRequire(import.meta.url)(path) as Addon;
  return loaded;
}

/** What is not named stays as it is. Waits for a launch that is running. */
export function set(settings: Settings): void {
  for (const [name, value] of Object.entries(settings)) {
    addon().set(name, typeof value === 'boolean' ? String(Number(value)) : String(value));
  }
}

/** Of the launches since the last call, in order; there are any while `count` is set. */
export function counters(): readonly LaunchCounters[] {
  return addon().counters();
}

/** How many kernels ran since the start or `reset`. */
export function launches(): number {
  return addon().launches();
}

/** How many graphs were made ready, launched, and nodes of them set anew, since then. */
export function graphs(): GraphCounts {
  return addon().graphs();
}

/**
 * Makes the device work again: forgets faults, all that is queued, failures that were asked for
 * and counters. Memory and settings stay.
 */
export function reset(): void {
  addon().reset();
}

/** Runs a kernel given as PTX. Throws for what cannot be parsed. */
export function run(ptx: string, kernel: string, options: RunOptions): Run {
  return addon().run(ptx, kernel, options);
}
