// npm run bench -- --predict: how long a frame would take on GPUs that are not there.
//
// The frame of bench/network.ts runs on the emulated GPU, which counts exactly what every launch
// does. From the counts follows what each launch takes at least:
//
//   tensor    multiply-adds of the tensor cores over their rate
//   issue     warp instructions over what a multiprocessor starts in a cycle; floats have a rate of their own
//   shared    cycles of shared memory, bank conflicts included
//   memory    bytes of the 32-byte sectors that its loads and stores touch, over the memory's rate, as if no
//             cache helped; and over what the caches hand to the multiprocessors that have blocks
//
// All but the memory's rate are a multiprocessor's: blocks are dealt out evenly, and the one that
// gets most is waited for, so the others' idleness counts. The largest of the four is the bound.
//
//   latency   for as many blocks as have to follow one another, a warp's own instructions, one every `wait` cycles
//             as if each needed the one before, and the first `trips` of its loads and stores, each `trip` long
//
// The estimate is `start`, and then what is more: the memory's time, or the largest of the other three
// and the latency together. Nothing counts them at once, so what overlaps is not known: on the H200
// adding them up was off by less than the larger of the two. Start, trip and trips are fitted to what the
// H200 said (results/h200-measured.txt) and taken for all cards. These are predictions, not measurements.
import { readFile } from 'node:fs/promises';
import { Device } from '../lib/device.js';
import { defaultWeights } from '../lib/inpainter.js';
import { Network } from '../lib/network/network.js';
import { Safetensors } from '../lib/safetensors.js';
import { scope } from '../lib/scope.js';
import type { Tensor } from '../lib/tensor.js';
import * as emulator from '../test/emulator/probe.js';
import { blocksPerMultiprocessor, type Card, cards, occupancy, plainName } from './gpu.js';
import { Feed, percent, table } from './harness.js';
import { compareMeasured, printError, readMeasured } from './measured.js';
import { sceneOf } from './network.js';
import { convolution } from './ops/conv2d.js';
import { layersOf, references, share, text } from './shapes.js';

/** Cycles from an instruction to one that needs its result: arithmetic's, since Volta. */
const wait = 4;
/**
 * Microseconds from the start of a kernel to its first instruction and from its last to its end. A
 * kernel of one warp that stores one number takes 2.0 on the H200, its own trip included.
 */
const start = 1.5;
/**
 * Nanoseconds of a load or store that has to be waited for; of more than `trips` the rest is asked
 * for meanwhile. Before the fit it was 500, once; kernels that do next to nothing take 3 to 5 us.
 */
const trip = 400;
const trips = 5;
/**
 * Microseconds between nodes of a replayed graph that depend on each other: of empty kernels on the
 * H200 0.54 with one block, 0.62 with 132. It is added to `start`, that has part of it in it.
 */
const gap = 0.6;
/** The same of all nodes, however they branch: four chains of empty kernels take 0.24 a node. */
const branchGap = 0.24;

const bounds = ['tensor', 'issue', 'shared', 'memory', 'latency'] as const;
type Bound = (typeof bounds)[number];

/** What ptxas gives a kernel. */
type Resources = (kernel: string, architecture: number) => { registers: number; shared: number };

const sectorBytes = (it: emulator.LaunchCounters) => 32 * (it.loadSectors + it.storeSectors);
const blocksOf = ({ grid }: emulator.LaunchCounters) => grid[0] * grid[1] * grid[2];
const threadsOf = ({ block }: emulator.LaunchCounters) => block[0] * block[1] * block[2];

/** A launch on a card. */
interface Time {
  /** Microseconds at least. */
  readonly bound: number;
  readonly estimate: number;
  /** What most of the estimate is. */
  readonly by: Bound;
  /** The share of a multiprocessor's warps that its blocks fill. */
  readonly full: number;
}

function timeOf(it: emulator.LaunchCounters, card: Card, resources: Resources): Time {
  const { architecture, multiprocessors } = card;
  const [blocks, threads] = [blocksOf(it), threadsOf(it)];
  const { registers, shared } = resources(plainName(it.kernel), architecture);
  const kernel = { threads, registers, shared: shared + it.dynamicShared };
  const resident = blocksPerMultiprocessor(architecture, kernel);

  // The blocks of the multiprocessor that gets most, and microseconds of its share of a count.
  const most = Math.ceil(blocks / multiprocessors);
  const cycles = (count: number) => count / (card.clock * 1e3);
  const mine = (count: number, rate: number) => cycles(((most / blocks) * count) / rate);
  const instructions = it.mma + it.math + it.address + it.memory + it.control + it.other;
  const warps = blocks * Math.ceil(threads / 32);
  const chain = instructions / warps;
  const global = (it.memory - it.sharedAccesses) / warps;
  const waves = Math.ceil(most / resident);
  const times: Record<Bound, number> = {
    tensor: ((most / blocks) * it.mmaOperations * multiprocessors) / (card.tensor * 1e6),
    issue: Math.max(mine(instructions, card.issue), mine(it.math, card.math)),
    shared: mine(it.sharedCycles, 1),
    memory: Math.max(sectorBytes(it) / (card.memory * 1e3), mine(sectorBytes(it), card.cache)),
    latency: waves * (cycles(chain * wait) + (Math.min(global, trips) * trip) / 1e3),
  };
  const { memory, latency, ...busy } = times;
  const busiest = Math.max(...Object.values(busy));
  const by = bounds.reduce((a, b) => (times[b] > times[a] ? b : a));
  const full = occupancy(architecture, threads, resident);
  const estimate = start + Math.max(memory, busiest + latency);
  return { bound: Math.max(memory, busiest), estimate, by, full };
}

async function readResources(): Promise<Resources> {
  const kept = await readFile(new URL('results/cuda-resources.txt', import.meta.url), 'utf8');
  const lines = kept.split('\n');
  const heads: readonly string[] =
    lines.find((line) => line.startsWith('kernel '))?.match(/sm_\d+/g) ?? [];
  return (kernel, architecture) => {
    const line = lines.find((it) => it.startsWith(`${kernel} `));
    const cells = line?.slice(kernel.length).match(/\d+ \d+ (?:\d+ %|\?)/g) ?? [];
    const [registers, shared] = cells[heads.indexOf(`sm_${architecture}`)]?.split(' ') ?? [];
    if (!registers)
      throw new Error(`expected ${kernel} in cuda-resources.txt; npm run cuda:report makes it`);
    return { registers: Number(registers), shared: Number(shared) };
  };
}

/** Runs it until a graph of it is there: queued, recorded, and played launch by launch before. */
async function settle(device: Device, body: () => unknown): Promise<void> {
  for (let i = 0; i < 3; ++i) await count(device, body);
}

const sum = <T>(list: readonly T[], of: (it: T) => number) =>
  list.reduce((total, it) => total + of(it), 0);

function span(values: readonly number[], show: (value: number) => string): string {
  const [least, most] = [show(Math.min(...values)), show(Math.max(...values))];
  return least === most ? most : `${least}-${most}`;
}

/** Columns and cells of a list of launches, alike for kernels and layers. */
const columns = [
  ['launches', 8],
  ['blocks', 10],
  ['GFLOP', 7],
  ['MB', 7],
  ['useful', 7],
  ['conflicts', 9],
  ['full', 9],
  ...cards.map(({ name }) => [name, 21] as const),
] as const;

function cellsOf(list: readonly emulator.LaunchCounters[], resources: Resources) {
  const times = cards.map((card) => list.map((it) => timeOf(it, card, resources)));
  const cycles = sum(list, (it) => it.sharedCycles);
  const loaded = 32 * sum(list, (it) => it.loadSectors);
  const perCard = times.map((of) => {
    const by = bounds.map((bound) =>
      sum(
        of.filter((it) => it.by === bound),
        (it) => it.estimate,
      ),
    );
    const [bound, estimate] = [sum(of, (it) => it.bound), sum(of, (it) => it.estimate)];
    const name = bounds[by.indexOf(Math.max(...by))] as Bound;
    return { bound, estimate, cell: `${bound.toFixed(1)} ${estimate.toFixed(1)} ${name}` };
  });
  const cells = [
    String(list.length),
    span(list.map(blocksOf), String),
    (sum(list, (it) => it.mmaOperations) / 1e9).toFixed(2),
    (sum(list, sectorBytes) / 1e6).toFixed(2),
    loaded ? percent(sum(list, (it) => it.loadBytes) / loaded) : '-',
    cycles ? percent(sum(list, (it) => it.sharedConflicts) / cycles) : '-',
    span(times[0]?.map(({ full }) => full) ?? [], percent),
    ...perCard.map(({ cell }) => cell),
  ];
  return { cells, perCard };
}

/** Launches that run as one: a graph. */
interface Piece {
  /** Of the longest chain of launches that wait for one another, by the graph's edges. */
  readonly nodes: number;
  /** Microseconds from its start to its end. */
  readonly time: number;
  readonly launches: number;
}

function piecesOf(list: readonly emulator.LaunchCounters[], times: readonly number[]): Piece[] {
  const ends: { readonly time: number; readonly nodes: number }[] = [];
  const pieces = new Map<string, Piece>();
  for (const [i, { stream, piece, after }] of list.entries()) {
    let before = { time: 0, nodes: 0 };
    for (const at of after) {
      const end = ends[at];
      if (end && end.time > before.time) before = end;
    }
    const end = { time: before.time + gap + (times[i] as number), nodes: before.nodes + 1 };
    ends.push(end);
    const key = `${stream} ${piece}`;
    const known = pieces.get(key) ?? { ...end, launches: 0 };
    const { time, nodes } = end.time > known.time ? end : known;
    pieces.set(key, { time, nodes, launches: known.launches + 1 });
  }
  // However many branches there are, nodes start one by one.
  return [...pieces.values()].map((it) => ({
    ...it,
    time: Math.max(it.time, it.launches * branchGap),
  }));
}

/**
 * What a frame waits for while a video runs: the painting, which needs that of the frame before, is
 * on one lane; what belongs to frames to come is on the other. The longer one.
 */
function criticalPath(pieces: readonly Piece[]): { readonly time: number; readonly nodes: number } {
  const painting = pieces.reduce((a, b) => (b.launches > a.launches ? b : a));
  const others = pieces.filter((it) => it !== painting);
  const beside = { time: sum(others, (it) => it.time), nodes: sum(others, (it) => it.nodes) };
  return beside.time > painting.time ? beside : painting;
}

/** Counts what body queues, and nothing that was queued before. */
async function count(
  device: Device,
  body: () => unknown,
): Promise<readonly emulator.LaunchCounters[]> {
  using last = device.upload(new Float32Array(1), [1]);
  await last.read();
  // All of it is queued before the first runs, so that nothing is over because the host waited.
  emulator.set({ count: true, delay: 500 });
  using _ = scope(() => body() as Tensor);
  await last.read(); // a map would be made float32 first
  emulator.set({ count: false, delay: 0 });
  return emulator.counters();
}

/** The plane that launches were measured on. */
const judged = { h: 240, w: 432 };

/** Prints what is predicted of the H200 beside what was measured on it. */
async function judge(device: Device, network: Network, resources: Resources): Promise<void> {
  const { head, rows } = await readMeasured();
  const card = cards.find(({ name }) => name === 'H200') as Card;
  console.log(`
Against what was measured (results/h200-measured.txt): us of a launch. Where a kernel was changed since then, it tells nothing.
${head}
`);
  const ratios: number[] = [];
  for (const sources of new Set(rows.map(({ references: many }) => many))) {
    const scene = sceneOf(device, network, judged, sources);
    await settle(device, scene.whole);
    const predicted = (await count(device, scene.whole)).map((it) => ({
      kernel: plainName(it.kernel),
      grid: it.grid.join(', '),
      block: it.block.join(', '),
      time: timeOf(it, card, resources).estimate,
    }));
    console.log(`${text(judged)}, ${sources} references\n`);
    const of = rows.filter(({ references: many }) => many === sources);
    ratios.push(...compareMeasured(of, predicted));
  }
  printError(ratios);
  console.log(`
Fitted are three constants: ${start} us to start and end a kernel, ${trip} ns for each of the first ${trips} loads and stores of a warp.
Before that (no start, one trip of 500 ns, the larger of bound and latency) the geometric mean was 0.31: few of these
kernels fill the card, most wait for memory. What is still far off is uneven work: the counts are those of all
warps of a launch, but \`attend\` and \`pool\` give all to the blocks of the hole, \`chain\` all to a few threads, and the busiest
is waited for. Rows of the decoder are not compared: their grids follow the place of the hole.`);
}

/** Runs one frame, and every layer, on the emulated GPU and prints what they would take. */
export async function predict(size: { readonly h: number; readonly w: number }): Promise<void> {
  if (!emulator.available) throw new Error(`expected the emulator, got none: ${emulator.reason}`);
  const resources = await readResources();
  console.error('the emulator runs three frames and every layer: two minutes on two idle cores');
  // As many multiprocessors as the first cards have, by which grids are chosen. The eight blocks of a
  // reference in `refine` share its work only where they run together.
  emulator.set({ capability: 90, together: 8, races: false, uninitialised: false, threads: 2 });
  using device = Device.create('cuda:0');
  using network = await Network.load(device, defaultWeights);
  const scene = sceneOf(device, network, size);

  await settle(device, scene.whole);
  const launches = await count(device, scene.whole);
  const kernels = new Map<string, emulator.LaunchCounters[]>();
  for (const launch of launches) {
    const name = plainName(launch.kernel);
    kernels.set(name, [...(kernels.get(name) ?? []), launch]);
  }
  console.log(`Predictions, not measurements: nothing here ran on a GPU. ${text(size)}, float16; see bench/predict.ts

GFLOP: of tensor cores. MB: sectors touched. Useful: bytes asked for, of the sectors of loads. Conflicts: of the cycles of
shared memory. Full: occupancy, on the first card. Then for each card, in microseconds: the bound, the estimate, and what
most of the estimate is. Trips to memory and the start of a kernel are fitted to an H200, and taken for all cards.

A frame with previous outputs, ${references} references, ${percent(share)} hole, every launch emulated
`);
  const row = table(['kernel', -40], ...columns);
  const all = cellsOf(launches, resources);
  const rows = [...kernels].map(([name, list]) => ({ name, ...cellsOf(list, resources) }));
  const estimate = (it: (typeof rows)[number]) => it.perCard[0]?.estimate ?? 0;
  for (const { name, cells } of rows.sort((a, b) => estimate(b) - estimate(a))) row(name, ...cells);
  row('all launches', ...all.cells);
  console.log(
    `\nIn all: the sum of the kernels; and the critical path while a video runs. By the edges of its graph, the painting of a frame\n` +
      'takes its longest chain of launches; what belongs to frames to come runs beside it, one graph after another. The longer one.\n' +
      `${gap} us from each launch to the next`,
  );
  for (const [i, { name }] of cards.entries()) {
    const { bound, estimate } = all.perCard[i] ?? { bound: 0, estimate: 0 };
    const times = launches.map((it) => timeOf(it, cards[i] as Card, resources).estimate);
    const pieces = piecesOf(launches, times);
    const path = criticalPath(pieces);
    const show = (time: number) => `${(time / 1e3).toFixed(2)} ms`;
    console.log(
      `  ${name.padEnd(10)} ${show(bound)} at least, ${show(estimate)} estimated; ` +
        `${show(path.time)} on the critical path of ${path.nodes} launches (longest chains of the graphs: ` +
        `${pieces.map((it) => `${show(it.time)} ${it.nodes} of ${it.launches}`).join(', ')})`,
    );
  }
  await judge(device, network, resources);

  console.log(`
The network's layers on whole planes; a frame computes less of the decoder. GFLOP has the padding in it; formula: without.
Roof: the formula's operations and the bytes of input, weights and output, over the rates of the first card.
`);
  const layerRow = table(['layer', -62], ...columns, ['formula', 7], ['roof', 6]);
  const feed = new Feed(device, await Safetensors.open(defaultWeights), network.config);
  const [{ tensor, memory }] = cards;
  for (const layer of layersOf(network.config, size)) {
    const { name, flops = 0, bytes, prepare } = convolution(feed, layer);
    const run = prepare();
    const { cells } = cellsOf(await count(device, run), resources);
    feed.clear();
    const roof = Math.max(flops / tensor, (bytes / 2 / memory) * 1e3) / 1e6;
    layerRow(name, ...cells, (flops / 1e9).toFixed(2), roof.toFixed(1));
  }
}
