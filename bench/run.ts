// npm run bench: what the machine does at most, each operation on the network's shapes, the
// network.
//
//   --op conv2d      only this; may be given several times; `network` is the whole frame by part
//   --device cpu     as Device.create takes it; on a GPU, PyTorch is the peer where python3 has it
//   --threads n      of the device, and of the peer
//   --quick          to see whether everything runs, on small planes; the figures mean little
//   --rounds n       of each timing, 9 by itself
//   --predict        instead: what a frame would take on GPUs, from counts of the emulated one
//                    (npm run build:test makes the emulator); see bench/predict.ts
import { readdirSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Device, type DeviceName, devices } from '../lib/device.js';
import { defaultWeights } from '../lib/inpainter.js';
import { Network } from '../lib/network/network.js';
import { Safetensors } from '../lib/safetensors.js';
import {
  type Case,
  type Ceiling,
  Feed,
  giga,
  ms,
  percent,
  type Rival,
  Stopwatch,
  table,
} from './harness.js';
import { timeNetwork } from './network.js';
import { onnxRuntime } from './peers/onnxruntime.js';
import { startPyTorch } from './peers/pytorch.js';
import { compared, frames, makeSmall, native, references, text, work } from './shapes.js';

const { values } = parseArgs({
  options: {
    op: { type: 'string', multiple: true },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string', default: '0' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    predict: { type: 'boolean', default: false },
  },
});

if (values.predict) {
  process.env.ALIGN_AND_ATTEND_PREBUILD = fileURLToPath(
    new URL('../build/emulator', import.meta.url),
  );
  const { predict } = await import('./predict.js');
  await predict({ h: 256, w: 256 });
  process.exit();
}

const operations = readdirSync(new URL('ops', import.meta.url))
  .map((file) => file.replace(/\.ts$/, ''))
  .sort();
const wanted = values.op ?? [...operations, 'network'];
for (const op of wanted) {
  if (op !== 'network' && !operations.includes(op))
    throw new Error(`expected --op to be one of ${operations.join(', ')}, network, got ${op}`);
}

if (values.quick) makeSmall();
const device = Device.create(values.device as DeviceName, { threads: Number(values.threads) });
const weights = await Safetensors.open(defaultWeights);
const network = await Network.load(device, defaultWeights);
const feed = new Feed(device, weights, network.config);
const watch = new Stopwatch(
  device,
  values.quick,
  values.rounds ? Number(values.rounds) : undefined,
);

const ceiling = await watch.ceiling(feed.random);
printMachine(ceiling, (await watch.cold(() => {})).median);
const loaded: { op: string; cases: Case[] }[] = [];
for (const op of wanted.filter((it) => it !== 'network')) {
  const { cases } = (await import(`./ops/${op}.ts`)) as { cases(feed: Feed): Case[] };
  loaded.push({ op, cases: cases(feed) });
}
const rival = await findRival();
const compares = ({ cases }: { cases: Case[] }) => rival && cases.every(({ peer }) => peer);
if (rival)
  for (const { op, cases } of loaded.filter(compares)) await compareWithPeer(op, cases, rival);
await timeAlone(loaded.filter((it) => !compares(it)));
if (wanted.includes('network')) {
  console.log('\nThe whole frame by part, with previous outputs');
  for (const size of frames) await timeNetwork(device, network, watch, size);
}
rival?.close();
device.dispose();

function printMachine({ operations, bytes }: Ceiling, trip: number): void {
  const [cpu, ...others] = cpus();
  const what =
    device.kind === 'cpu'
      ? 'the matrix kernel on squares in the caches'
      : 'a convolution, 256 channels of 256x256';
  const info = devices().find(({ name }) => name === device.name);
  const about =
    device.kind === 'cpu'
      ? `${device.instructionSet}, ${device.threads} threads`
      : `${info?.reason}, maps as float16`;
  const lines = {
    machine: `${cpu?.model.trim()}, ${others.length + 1} cores, load ${loadavg()[0]?.toFixed(2)} before`,
    node: `${process.version} ${process.platform} ${process.arch}`,
    device: `${device.name}, ${about}`,
    ceiling: `${operations.toFixed(1)} GFLOP/s, ${what}`,
    '': `${bytes.toFixed(1)} GB/s, read and written`,
    'way there and back': `${ms(trip)} ms, is in every cold time`,
  };
  for (const [name, line] of Object.entries(lines)) console.log(`${name.padEnd(18)} ${line}`);
  if (values.quick) console.log('quick: to see whether everything runs; the figures mean little');
}

/** Whom our convolutions are compared with. */
async function findRival(): Promise<Rival | undefined> {
  if (device.kind === 'cpu') return onnxRuntime(feed.random, device.threads);
  const found = await startPyTorch(device.kind, device.threads);
  if (typeof found !== 'string') return found;
  console.log(`no peer: PyTorch does not run here (${found})`);
  return undefined;
}

async function compareWithPeer(op: string, cases: readonly Case[], rival: Rival): Promise<void> {
  console.log(`
${op} on the network's layers at ${text(compared)}, ${references} references, against
${rival.name}
In turn A B A B, every call launched by itself; ratio: the peer's time over ours. Ours reads several inputs, enlarges,
adds the residual, does the output's gate. The peer's input is already concatenated and enlarged; it does bias
and LeakyRelu, and is spared residual and gate; its time has in it what it does to the layout. GFLOP/s are
those of the plain sum: the share may exceed 100 %, as fewer do.
`);
  const row = table(
    ['layer', -56],
    ['ours ms', 8],
    ['least', 8],
    ['peer ms', 8],
    ['least', 8],
    ['ratio', 6],
    ['GFLOP/s', 8],
    ['share', 6],
  );
  const ratios = { median: [] as number[], min: [] as number[] };
  const total = { ours: 0, theirs: 0 };
  for (const { name, flops = 0, prepare, peer } of cases) {
    if (!peer) continue;
    const run = prepare();
    const other = await peer(rival);
    const [ours, theirs] = await watch.compare(watch.turn(run), other.run);
    await other.release();
    feed.clear();
    if (!ours || !theirs) continue;
    const rate = giga(flops, ours.median);
    ratios.median.push(theirs.median / ours.median);
    ratios.min.push(theirs.min / ours.min);
    total.ours += ours.median;
    total.theirs += theirs.median;
    row(
      name,
      ms(ours.median),
      ms(ours.min),
      ms(theirs.median),
      ms(theirs.min),
      (theirs.median / ours.median).toFixed(2),
      rate.toFixed(1),
      percent(rate / ceiling.operations),
    );
  }
  const mean = (list: number[]) =>
    Math.exp(list.reduce((sum, ratio) => sum + Math.log(ratio), 0) / list.length).toFixed(3);
  row(
    'all, once each',
    ms(total.ours),
    '',
    ms(total.theirs),
    '',
    (total.theirs / total.ours).toFixed(2),
  );
  console.log(
    `geometric mean of the ratios: ${mean(ratios.median)} (of medians), ${mean(ratios.min)} (of least times)`,
  );
}

async function timeAlone(loaded: readonly { op: string; cases: Case[] }[]): Promise<void> {
  if (loaded.length === 0) return;
  console.log(`
Operations, most at ${text(work)} or, in bytes, at ${text(native)}
Warm: repeated. Cold: single calls after the caches were filled with other data. GB/s: what has to be read and
written, of warm calls. Share: of the ceiling that is closer; data that stays in the caches may exceed it.
`);
  const row = table(
    ['operation', -62],
    ['warm ms', 8],
    ['least', 8],
    ['cold ms', 8],
    ['GB/s', 7],
    ['GFLOP/s', 8],
    ['share', 6],
  );
  for (const { op, cases } of loaded) {
    for (const { name, bytes, flops, prepare } of cases) {
      const run = prepare();
      const warm = await watch.warm(run);
      const cold = await watch.cold(run);
      feed.clear();
      const moved = giga(bytes, warm.median);
      const made = giga(flops ?? 0, warm.median);
      row(
        `${op} ${name}`,
        ms(warm.median),
        ms(warm.min),
        ms(cold.median),
        moved.toFixed(1),
        flops ? made.toFixed(1) : '-',
        percent(Math.max(moved / ceiling.bytes, made / ceiling.operations)),
      );
    }
  }
}
