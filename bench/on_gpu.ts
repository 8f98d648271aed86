// npm run gpu: what a GPU says, in five minutes, into bench/results/<name of the card>.txt.
//
//   --device cuda:0   on another device (cpu) all goes to stdout, to see that every section works
//   --seconds 300     for all sections together
//
// It takes the addon that is built and builds nothing. Each section is a process of its own with a
// time limit; what is left out says why.
import { spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { devices } from '../lib/device.js';

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda:0' },
    seconds: { type: 'string', default: '300' },
  },
});
const { device } = values;
const root = fileURLToPath(new URL('..', import.meta.url));
const end = performance.now() + 1000 * Number(values.seconds);

function fail(reason: string): never {
  console.error(`there is no usable GPU: ${reason}`);
  process.exit(1);
}

function find(): { reason: string; kind: string } {
  try {
    const info = devices().find(({ name }) => name === device);
    if (!info) return fail(`this build has no ${device}`);
    return info.usable ? info : fail(info.reason);
  } catch (error) {
    return fail((error as Error).message);
  }
}
const info = find();
const gpu = info.kind === 'cuda';

/** Runs a program for at most so long; what it printed, and why it did not end well. */
function run(command: string[], seconds: number, env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve) => {
    const [program = '', ...rest] = command;
    const settings = { cwd: root, detached: true, env: { ...process.env, NO_COLOR: '1', ...env } };
    const child = spawn(program, rest, settings);
    let [output, note] = ['', ''];
    const timer = setTimeout(() => {
      note = `\ntime was up after ${seconds.toFixed(0)} s`;
      if (child.pid) process.kill(-child.pid, 'SIGKILL'); // its children too
    }, 1000 * seconds);
    child.stdout.on('data', (text) => void (output += text));
    child.stderr.on('data', (text) => void (output += text));
    child.on('error', ({ message }) => void (note = message));
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code && !note) note = `\nended with ${code}`;
      resolve(output.trim() + note);
    });
  });
}

const has = (program: string) => !spawnSync(program, ['--version']).error;
const node = (...rest: string[]) => [process.execPath, '--import', 'tsx', ...rest];
const frames = (...rest: string[]) => node('bench/gpu_frames.ts', ...rest);
const keep = (text: string, pattern: RegExp) =>
  text
    .split('\n')
    .filter((line) => pattern.test(line))
    .join('\n');

async function tests(seconds: number): Promise<string> {
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'all'];
  const command = [process.execPath, ...vitest, 'test/ops', 'test/network'];
  const text = await run(command, seconds, { AA_BACKENDS: gpu ? 'cuda' : 'cpu' });
  return keep(text, /^ *(✓|❯|×|(FAIL|Test Files|Tests|cuda|cpu|time was up|ended)\b)/);
}

async function sanitizer(seconds: number): Promise<string> {
  if (!gpu) return 'left out: not on a GPU';
  if (!has('compute-sanitizer')) return 'left out: no compute-sanitizer on PATH';
  const lines: string[] = [];
  for (const tool of ['memcheck', 'racecheck'])
    for (const precision of ['f16', 'f32']) {
      const options = ['compute-sanitizer', '--tool', tool, '--error-exitcode', '9'];
      const text = await run([...options, ...frames('small', device, precision)], seconds / 4);
      lines.push(`${tool} ${precision}: ${text.split('\n').slice(-4).join('; ')}`);
    }
  return lines.join('\n');
}

async function kernels(seconds: number): Promise<string> {
  if (!gpu) return 'left out: not on a GPU';
  if (!has('ncu')) return 'left out: no ncu on PATH';
  const what = ['--metrics', 'gpu__time_duration.sum', '--clock-control', 'none'];
  const which = ['--launch-skip', '2500', '--launch-count', '300'];
  const command = ['ncu', ...what, ...which, '--csv', '--print-units', 'base'];
  const env = { SIZE: '432x240', FRAMES: '32' };
  const text = await run([...command, ...frames('small', device, 'f16')], seconds, env);
  const times = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const cells = [...line.matchAll(/"([^"]*)"/g)].map(([, cell = '']) => cell);
    if (!cells.includes('gpu__time_duration.sum')) continue;
    const kernel = cells[4] ?? '';
    const time = Number(cells.at(-1)?.replaceAll(',', '')) / 1e3;
    times.set(kernel, [...(times.get(kernel) ?? []), time]);
  }
  if (!times.size) return `left out: ncu said ${text.split('\n').slice(-3).join('; ')}`;
  const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
  return [...times]
    .sort(([, a], [, b]) => sum(b) - sum(a))
    .map(([kernel, list]) => `${sum(list).toFixed(1)} us in ${list.length}: ${kernel}`)
    .join('\n');
}

/** Why PyTorch is no peer here. */
function noTorch(): string | undefined {
  const python = process.env.PYTHON ?? 'python3';
  const found = spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' });
  if (found.error) return `no ${python}`;
  return found.status ? `${python}: ${found.stderr.trim().split('\n').at(-1)}` : undefined;
}

async function layers(seconds: number): Promise<string> {
  const why = noTorch();
  if (why) return `left out: ${why}`;
  const options = ['--device', device, '--op', 'conv2d', '--rounds', '2'];
  return run(node('bench/run.ts', ...options), seconds);
}

async function whole(seconds: number): Promise<string> {
  const why = noTorch();
  if (why) return `left out: ${why}`;
  const python = process.env.PYTHON ?? 'python3';
  return run([python, 'bench/peers/network.py', gpu ? 'cuda' : 'cpu'], seconds);
}

/** Sections, and their share of the time. */
const sections: [title: string, share: number, body: (seconds: number) => Promise<string>][] = [
  ['Tests on the device, both precisions', 0.3, tests],
  ['compute-sanitizer, small frames', 0.15, sanitizer],
  ["The demo's clip against the CPU", 0.15, (s) => run(frames('demo', device, String(0.6 * s)), s)],
  ['Frames a second', 0.15, (s) => run(frames('speed', device, String(0.6 * s)), s)],
  ['Time of kernels (Nsight Compute): 300 launches, 432x240', 0.1, kernels],
  ['Layers against PyTorch', 0.1, layers],
  ['The whole network in PyTorch', 0.05, whole],
];

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' });
const query = ['--query-gpu=name,driver_version', '--format=csv,noheader', '-i', device.slice(5)];
const smi = gpu ? spawnSync('nvidia-smi', query, { encoding: 'utf8' }).stdout?.trim() : '';
const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}`;
let report = `npm run gpu: ${device}, ${smi || info.reason}; ${machine}; align-and-attend ${version} ${commit.stdout?.trim() || ''}\n`;
console.log(report);
let left = 1;
for (const [title, share, body] of sections) {
  // What one section does not need goes to those after it.
  const seconds = (((end - performance.now()) / 1000) * share) / left;
  left -= share;
  const began = performance.now();
  const text = seconds < 1 ? 'left out: time was up' : await body(seconds);
  const took = ((performance.now() - began) / 1000).toFixed(0);
  const part = `\n${title} (${took} s)\n\n${text}\n`;
  console.log(part);
  report += part;
}
// The emulated GPU is none.
if (gpu && !/^emulator/.test(info.reason)) {
  const card = (smi || info.reason).split(',')[0] ?? device;
  const file = `${card.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.txt`;
  await writeFile(join(root, 'bench/results', file), report);
  console.log(`written to bench/results/${file}`);
}
