// Fuzzing: random input, from a seed, to what takes what people give. What is refused by an
// InpaintError is well; anything else ends the run, and tells the seed.
// `tsx test/fuzz/run.ts operations|safetensors|masks|window [--seconds 60] [--runs n] [--seed n]`
// On the addon with sanitizers: `test/sanitize.sh --fuzz`.
import { parseArgs } from 'node:util';
import { Random } from '../random.js';
import { fuzzMasks, fuzzWindow } from './masks.js';
import { accepted, fuzzOperation } from './operations.js';
import { fuzzSafetensors } from './safetensors.js';

export const targets: Readonly<Record<string, (random: Random) => void | Promise<void>>> = {
  operations: fuzzOperation,
  safetensors: fuzzSafetensors,
  masks: fuzzMasks,
  window: fuzzWindow,
};

/** Runs until one of the limits; tells how many there were. */
export async function fuzz(
  target: string,
  { seconds = Number.POSITIVE_INFINITY, runs = Number.POSITIVE_INFINITY, seed = 1 },
): Promise<number> {
  const body = targets[target];
  if (!body) throw new RangeError(`expected ${Object.keys(targets).join(', ')}, got ${target}`);
  const end = performance.now() + 1000 * seconds;
  let done = 0;
  for (; done < runs && (done % 64 || performance.now() < end); done++) {
    try {
      await body(new Random(seed + done));
    } catch (error) {
      throw new Error(`${target}, seed ${seed + done}`, { cause: error });
    }
  }
  return done;
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      runs: { type: 'string', default: 'Infinity' },
      seed: { type: 'string', default: '1' },
    },
  });
  const [seconds, runs, seed] = [values.seconds, values.runs, values.seed].map(Number) as [
    number,
    number,
    number,
  ];
  for (const target of positionals.length ? positionals : Object.keys(targets)) {
    const done = await fuzz(target, { seconds, runs, seed });
    console.log(`${target}: ${done} executions from seed ${seed}, nothing found`);
  }
  if (accepted.size)
    console.log(`accepted: ${[...accepted].map(([name, n]) => `${name} ${n}`).join(', ')}`);
  process.exit();
}
