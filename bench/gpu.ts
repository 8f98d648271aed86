// What GPUs have, and how many blocks of a kernel fit on a multiprocessor.

/** Limits of a multiprocessor (CUDA programming guide, table of technical specifications). */
interface Multiprocessor {
  readonly threads: number;
  readonly blocks: number;
  /** Bytes, of which each block takes 1 KiB more than it asks for from 8.0 on. */
  readonly shared: number;
}

const multiprocessors: Readonly<Record<number, Multiprocessor>> = {
  75: { threads: 1024, blocks: 16, shared: 65536 },
  80: { threads: 2048, blocks: 32, shared: 167936 },
  86: { threads: 1536, blocks: 16, shared: 102400 },
  89: { threads: 1536, blocks: 24, shared: 102400 },
  90: { threads: 2048, blocks: 32, shared: 233472 },
  100: { threads: 2048, blocks: 32, shared: 233472 },
  120: { threads: 1536, blocks: 24, shared: 102400 },
};

/** Architectures that a release has machine code for. */
export const architectures = Object.keys(multiprocessors).map(Number);

/** Registers of 32 bits, the same in all of them; given out to warps by 256. */
const registersOf = 65536;

/** Blocks of this kind that a multiprocessor holds at a time. */
export function blocksPerMultiprocessor(
  architecture: number,
  kernel: { readonly threads: number; readonly registers: number; readonly shared: number },
): number {
  const limits = multiprocessors[architecture];
  if (!limits) throw new Error(`expected one of ${architectures.join(', ')}, got ${architecture}`);
  const warps = Math.ceil(kernel.threads / 32);
  const registers = warps * Math.ceil((kernel.registers * 32) / 256) * 256;
  const shared = kernel.shared + (architecture >= 80 ? 1024 : 0);
  return Math.floor(
    Math.min(
      limits.blocks,
      limits.threads / (32 * warps),
      registersOf / registers,
      shared ? limits.shared / shared : Number.POSITIVE_INFINITY,
    ),
  );
}

/** The share of a multiprocessor's warps that these blocks fill. */
export function occupancy(architecture: number, threads: number, blocks: number): number {
  return (blocks * Math.ceil(threads / 32) * 32) / (multiprocessors[architecture]?.threads ?? 1);
}

/** A kernel's name as people know it: no namespaces, no parameters. */
export function plainName(demangled: string): string {
  return demangled
    .replace(/^void /, '')
    .replaceAll(/aa::cuda::|\(anonymous namespace\)::/g, '')
    .replace(/\(.*$/, '');
}

/** A card, as its maker describes it. */
export interface Card {
  readonly name: string;
  readonly architecture: number;
  readonly multiprocessors: number;
  /** 1e9 clock cycles a second. */
  readonly clock: number;
  /** float16 multiply-adds with float32 sums, times 2, 1e12 a second, as `mma` reaches them. */
  readonly tensor: number;
  /** Warp instructions that a multiprocessor starts in a cycle, and those of them on floats. */
  readonly issue: number;
  readonly math: number;
  /** 1e9 bytes a second. */
  readonly memory: number;
  /** Bytes that the caches hand to a multiprocessor in a cycle. */
  readonly cache: number;
}

const hopper = {
  architecture: 90,
  multiprocessors: 132,
  clock: 1.83,
  tensor: 0.63 * 989,
  issue: 4,
  math: 4,
  cache: 64,
};

/**
 * The H200 is the card that ran the kernels; but for the memory it has the H100 SXM's figures (data
 * sheets of both). Of the 989 TFLOP/s `mma` reaches 63 %, the rest is wgmma's (Luo et al., Benchmarking
 * and Dissecting the Nvidia Hopper GPU Architecture, 2024). Cards with other limits are launched with
 * other grids and blocks, so that what is counted for these tells nothing of them.
 */
export const cards: readonly [Card, ...Card[]] = [
  { ...hopper, name: 'H200', memory: 4800 },
  { ...hopper, name: 'H100 SXM', memory: 3350 },
];
