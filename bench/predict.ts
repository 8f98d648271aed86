// npm run bench -- --predict: how long a frame would take on GPUs that are not there.
//
// The frame of bench/network.ts runs on the emulated GPU, which counts exactly what every launch
// does. From the counts follows what each launch takes at least:
//
//   tensor    multiply-adds of the tensor cores over their rate
//   issue     warp instructions over what a multiprocessor starts in a cycle; floats have a rate of their own
//   shared    accesses of shared memory, bank conflicts included, one in a cycle
//   memory    bytes of the 32-byte sectors that its loads and stores touch, over the memory's rate: as if
//             no cache helped, so this one is more than the least
//
// The first three are a multiprocessor's: blocks are dealt out evenly, and the one that gets most
// is waited for. A launch takes the largest of them, and `gap` more to start. Nothing here knows of latency, so
// a launch of few blocks takes longer than this says. These are predictions, not measurements.
import { readFile } from 'node:fs/promises';
import { Device } from '../lib/device.js';
import { defaultWeights } from '../lib/inpainter.js';
import { Network } from '../lib/network/network.js';
import * as emulator from '../test/emulator/probe.js';
import { blocksPerMultiprocessor, type Card, cards, occupancy, plainName } from './gpu.js';
import { percent, table } from './harness.js';
import { sceneOf } from './network.js';
import { references, share, text } from './shapes.js';

/** Microseconds from the end of a graph's node to the start of the next: an assumption. */
const gap = 1;

const bounds = ['tensor', 'issue', 'shared', 'memory'] as const;
type Bound = (typeof bounds)[number];

const sectorBytes = (it: emulator.LaunchCounters) => 32 * (it.loadSectors + it.storeSectors);

/** Microseconds of a launch, by what bounds it. */
function microseconds(it: emulator.LaunchCounters, card: Card): Record<Bound, number> {
  const blocks = it.grid[0] * it.grid[1] * it.grid[2];
  // The share of the launch that falls to the multiprocessor with most blocks.
  const most = Math.ceil(blocks / card.multiprocessors) / blocks;
  const cycles = (count: number, rate: number) => (most * count) / rate / (card.clock * 1e3);
  const instructions = it.mma + it.math + it.address + it.memory + it.control + it.other;
  return {
    tensor: (most * it.mmaOperations * card.multiprocessors) / (card.tensor * 1e6),
    issue: Math.max(cycles(instructions, card.issue), cycles(it.math, card.math)),
    shared: cycles(it.sharedAccesses + it.sharedConflicts, 1),
    memory: sectorBytes(it) / (card.memory * 1e3),
  };
}

/** Registers of the kernels by architecture, from the resource report. */
async function readRegisters(): Promise<(kernel: string, architecture: number) => number> {
  const kept = await readFile(new URL('results/cuda-resources.txt', import.meta.url), 'utf8');
  const lines = kept.split('\n');
  const heads: readonly string[] =
    lines.find((line) => line.startsWith('kernel '))?.match(/sm_\d+/g) ?? [];
  return (kernel, architecture) => {
    const line = lines.find((it) => it.startsWith(`${kernel} `));
    const cells = line?.slice(kernel.length).match(/\d+ \d+ (?:\d+ %|\?)/g) ?? [];
    const cell = cells[heads.indexOf(`sm_${architecture}`)];
    return Number(cell?.split(' ')[0] ?? 64);
  };
}

/** Runs one frame on the emulated GPU and prints what its launches would take. */
export async function predict(size: { readonly h: number; readonly w: number }): Promise<void> {
  if (!emulator.available) throw new Error(`expected the emulator, got none: ${emulator.reason}`);
  const registers = await readRegisters();
  using device = Device.create('cuda:0');
  using network = await Network.load(device, defaultWeights);
  const scene = sceneOf(device, network, size);
  const wait = async () => {
    using output = scene.whole();
    await output.read();
  };
  emulator.set({ races: false, uninitialised: false, threads: 2 });
  await wait();
  emulator.set({ count: true });
  emulator.counters();
  await wait();
  const launches = emulator.counters();

  const kernels = new Map<string, emulator.LaunchCounters[]>();
  for (const launch of launches) {
    const name = plainName(launch.kernel);
    kernels.set(name, [...(kernels.get(name) ?? []), launch]);
  }
  console.log(`
Prediction, not measurement: ${text(size)}, ${references} references, ${percent(share)} hole, with previous outputs; float16
GFLOP: of tensor cores. MB: sectors touched, as if no cache helped. Useful: bytes asked for, of the sectors of loads.
Conflicts: of shared-memory cycles. Full: occupancy on the first card. Then microseconds, and what bounds most of them.
`);
  const row = table(
    ['kernel', -52],
    ['launches', 8],
    ['GFLOP', 7],
    ['MB', 7],
    ['useful', 7],
    ['conflicts', 9],
    ['full', 10],
    ...cards.map(({ name }) => [name, 20] as const),
  );
  const totals = cards.map(() => 0);
  const rows = [...kernels].map(([name, list]) => {
    const sum = (of: (it: emulator.LaunchCounters) => number) =>
      list.reduce((total, it) => total + of(it), 0);
    const cells = cards.map((card, i) => {
      const by = new Map<Bound, number>();
      for (const launch of list) {
        const times = microseconds(launch, card);
        const bound = bounds.reduce((a, b) => (times[b] > times[a] ? b : a));
        by.set(bound, (by.get(bound) ?? 0) + times[bound]);
      }
      const time = [...by.values()].reduce((a, b) => a + b, 0);
      totals[i] = (totals[i] ?? 0) + time;
      const [[most = ''] = []] = [...by].sort(([, a], [, b]) => b - a);
      return { time, cell: `${time.toFixed(1)} ${most}` };
    });
    const full = list.map(({ block, dynamicShared }) => {
      const threads = block[0] * block[1] * block[2];
      const { architecture } = cards[0] as Card;
      const kernel = { threads, registers: registers(name, architecture), shared: dynamicShared };
      return occupancy(architecture, threads, blocksPerMultiprocessor(architecture, kernel));
    });
    const [least, best] = [Math.min(...full), Math.max(...full)];
    const accesses = sum((it) => it.sharedAccesses);
    return {
      time: cells[0]?.time ?? 0,
      cells: [
        name,
        String(list.length),
        (sum((it) => it.mmaOperations) / 1e9).toFixed(2),
        (sum(sectorBytes) / 1e6).toFixed(2),
        percent(sum((it) => it.loadBytes) / Math.max(1, 32 * sum((it) => it.loadSectors))),
        accesses ? percent(sum((it) => it.sharedConflicts) / accesses) : '-',
        least === best ? percent(best) : `${percent(least)}-${percent(best)}`,
        ...cells.map(({ cell }) => cell),
      ],
    };
  });
  for (const { cells } of rows.sort((a, b) => b.time - a.time)) row(...cells);
  const blank = ['', '', '', '', ''];
  row('bound, all launches', String(launches.length), ...blank, ...totals.map((t) => t.toFixed(1)));
  const starts = launches.length * gap;
  row(
    `and ${gap} us to start each`,
    '',
    ...blank,
    ...totals.map((time) => `${((time + starts) / 1e3).toFixed(3)} ms`),
  );
}
