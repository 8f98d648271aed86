// npm run cuda:report: what each kernel takes on each architecture, as ptxas tells it.
//
//   (nothing)   writes bench/results/cuda-resources.txt
//   --check     compares with that file instead
//
// Either way it fails on spills, on arrays in local memory, on double precision and on what ptxas
// makes wrong machine code of (ptx.ts).
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { architectures, blocksPerMultiprocessor, occupancy, plainName } from './gpu.js';
import { percent } from './harness.js';
import { type Chain, findChains, whyChain } from './ptx.js';

const run = promisify(execFile);
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const root = fileURLToPath(new URL('..', import.meta.url));
const kept = fileURLToPath(new URL('results/cuda-resources.txt', import.meta.url));

/** As in a release: the source has two variants, see cuda/copy.cuh. */
const later = architectures.filter((architecture) => architecture >= 80);
const targets = [
  '-gencode=arch=compute_75,code=sm_75',
  `-gencode=arch=compute_80,code=[${later.map((architecture) => `sm_${architecture}`)}]`,
];

/** What ptxas says of a kernel on an architecture. */
interface Use {
  readonly kernel: string;
  readonly architecture: number;
  readonly registers: number;
  /** Bytes of static shared memory. */
  readonly shared: number;
  /** Bytes of local memory. */
  readonly stack: number;
  readonly spills: number;
}

function parse(log: string): Use[] {
  const entry =
    /entry function '(\w+)' for 'sm_(\d+)'[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers(.*)/g;
  return [...log.matchAll(entry)].map(
    ([, kernel = '', architecture, stack, stores, loads, registers, rest = '']) => ({
      kernel,
      architecture: Number(architecture),
      registers: Number(registers),
      shared: Number(/(\d+) bytes smem/.exec(rest)?.[1] ?? 0),
      stack: Number(stack),
      spills: Number(stores) + Number(loads),
    }),
  );
}

interface Compiled {
  readonly uses: readonly Use[];
  /** Threads of a block at most, by kernel: its __launch_bounds__. */
  readonly threads: ReadonlyMap<string, number>;
  readonly doubles: number;
  readonly chains: readonly Chain[];
}

async function compile(file: string, folder: string): Promise<Compiled> {
  const keep = await mkdtemp(join(folder, 'kept-'));
  const flags = ['-std=c++20', '-O3', '-Xptxas', '-v', '-keep', '-keep-dir', keep];
  const output = ['-fatbin', '-o', join(keep, 'out.fatbin')];
  const options = { cwd: root, maxBuffer: 1 << 26 };
  const { stdout, stderr } = await run('nvcc', [...flags, ...targets, ...output, file], options);
  const threads = new Map<string, number>();
  const chains: Chain[] = [];
  let doubles = 0;
  for (const name of await readdir(keep)) {
    if (!name.endsWith('.ptx')) continue;
    const ptx = await readFile(join(keep, name), 'utf8');
    doubles += ptx.match(/^\s+(@\S+ )?[a-z]+\S*\.f64/gm)?.length ?? 0;
    chains.push(...findChains(ptx));
    for (const [, kernel = '', most] of ptx.matchAll(/\.entry (\w+)\([^{]*?\.maxntid (\d+)/g))
      threads.set(kernel, Number(most));
  }
  await rm(keep, { recursive: true });
  return { uses: parse(stdout + stderr), threads, doubles, chains };
}

async function demangle(names: readonly string[]): Promise<Map<string, string>> {
  const { stdout } = await run('c++filt', [...names]);
  const plain = stdout.split('\n').map(plainName);
  return new Map(names.map((name, i) => [name, plain[i] ?? name]));
}

/** The compiler's version, undefined where there is none. */
async function findCompiler(): Promise<string | undefined> {
  try {
    const { stdout } = await run('nvcc', ['--version']);
    return /release \S+, (V\S+)/.exec(stdout)?.[1] ?? 'unknown';
  } catch {
    return undefined;
  }
}

async function report(version: string): Promise<{ text: string; faults: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'align-and-attend-'));
  const files = (await readdir(join(root, 'cuda'))).filter((name) => name.endsWith('.cu')).sort();
  const pending = [...files];
  const compiled = new Map<string, Compiled>();
  const worker = async () => {
    for (let file = pending.shift(); file; file = pending.shift())
      compiled.set(file, await compile(`cuda/${file}`, folder));
  };
  try {
    await Promise.all([worker(), worker()]);
  } finally {
    await rm(folder, { recursive: true });
  }

  const faults: string[] = [];
  const lines: string[] = [];
  for (const file of files) {
    const { uses, threads, doubles, chains } = compiled.get(file) as Compiled;
    if (doubles) faults.push(`${file}: ${doubles} instructions in double precision`);
    const names = await demangle([...new Set(uses.map(({ kernel }) => kernel))]);
    for (const { kernel, inner, outer } of chains) {
      const name = names.get(kernel) ?? kernel;
      faults.push(`${name}: "${inner}" feeds "${outer}", a number is negated: ${whyChain}`);
    }
    const rows = [...names].map(([kernel, name]) => {
      const block = threads.get(kernel);
      const cells = architectures.map((architecture) => {
        const use = uses.find((it) => it.kernel === kernel && it.architecture === architecture);
        if (!use) return '-'.padStart(15);
        const { registers, shared, stack, spills } = use;
        if (spills) faults.push(`${name}: ${spills} bytes of spills on sm_${architecture}`);
        if (stack) faults.push(`${name}: ${stack} bytes of local memory on sm_${architecture}`);
        const blocks =
          block && blocksPerMultiprocessor(architecture, { threads: block, registers, shared });
        const filled = block && blocks ? percent(occupancy(architecture, block, blocks)) : '?';
        return `${registers} ${shared} ${filled}`.padStart(15);
      });
      return `${name.padEnd(58)} ${String(block ?? '?').padStart(4)} ${cells.join('')}`;
    });
    lines.push('', file, ...rows.sort());
  }
  const heads = architectures.map((architecture) => `sm_${architecture}`.padStart(15)).join('');
  const text = `nvcc ${version}: registers, bytes of static shared memory, and occupancy by these, at the block size of the
kernel's launch bounds; dynamic shared memory is the launcher's and not in it. Spills, local memory, double precision, negated
numbers in chains of minima and maxima: ${faults.length ? 'SEE BELOW' : 'none'}.

${'kernel'.padEnd(58)} ${'most'.padStart(4)} ${heads}${lines.join('\n')}
`;
  return { text, faults };
}

const version = await findCompiler();
if (!version) {
  console.log(
    'there is no nvcc here: the CUDA kernels were not compiled, their resources not looked at',
  );
  process.exit();
}
const { text, faults } = await report(version);
if (!values.check) {
  await writeFile(kept, text);
  console.log(text);
} else {
  const before = await readFile(kept, 'utf8');
  const compiler = (of: string) => of.split(':', 1)[0];
  if (compiler(before) !== compiler(text)) {
    console.log(
      `not compared: the kept report is of ${compiler(before)}, this is ${compiler(text)}`,
    );
  } else if (before !== text) {
    const known = new Set(before.split('\n'));
    for (const line of text.split('\n')) if (!known.has(line)) console.log(`new: ${line}`);
    faults.push('the kernels take other resources than bench/results/cuda-resources.txt says');
  }
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length ? 1 : 0;
