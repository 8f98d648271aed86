// What launches took on a GPU, beside what is predicted of them.
import { readFile } from 'node:fs/promises';
import { percent, table } from './harness.js';

/** A launch as people know it: its kernel's plain name, its grid, its block. */
interface Named {
  readonly kernel: string;
  readonly grid: string;
  readonly block: string;
}

/** A launch, and what is predicted of it in microseconds. */
export interface Predicted extends Named {
  readonly time: number;
}

interface Measured extends Named {
  readonly references: number;
  readonly time: number;
}

/** The file's first line says of what it is. */
export async function readMeasured(): Promise<{ head: string; rows: readonly Measured[] }> {
  const kept = await readFile(new URL('results/h200-measured.txt', import.meta.url), 'utf8');
  const [head = '', ...lines] = kept.trim().split('\n');
  const rows = lines.map((line) => {
    const [, references, kernel = '', grid = '', block = '', time] =
      /^\s*(\d+)\s+(.+?)\s+\(([\d, ]+)\) \(([\d, ]+)\) ([\d.]+)$/.exec(line) ?? [];
    if (!time) throw new Error(`expected a launch in h200-measured.txt, got ${line}`);
    return { references: Number(references), kernel, grid, block, time: Number(time) };
  });
  return { head: head.replace(/^# /, ''), rows };
}

const keyOf = ({ kernel, grid, block }: Named) => `${kernel} (${grid}) (${block})`;

/**
 * Prints what was measured of a frame with so many references beside what is predicted. Launches
 * of the same kernel, grid and block are taken in order. What the frame launches no more is left
 * out. Answers the ratios of prediction to measurement.
 */
export function compareMeasured(
  measured: readonly Measured[],
  predicted: readonly Predicted[],
): number[] {
  const waiting = new Map<string, Predicted[]>();
  for (const it of predicted) waiting.set(keyOf(it), [...(waiting.get(keyOf(it)) ?? []), it]);
  const row = table(
    ['kernel', -40],
    ['grid', -13],
    ['predicted', 9],
    ['measured', 8],
    ['ratio', 5],
  );
  const found: { readonly it: Measured; readonly time: number }[] = [];
  for (const it of measured) {
    const next = waiting.get(keyOf(it))?.shift();
    if (next) found.push({ it, time: next.time });
  }
  for (const { it, time } of found)
    row(
      it.kernel,
      `(${it.grid})`,
      time.toFixed(1),
      it.time.toFixed(1),
      (time / it.time).toFixed(2),
    );
  const total = (of: (row: (typeof found)[number]) => number) =>
    found.reduce((all, each) => all + of(each), 0);
  const [ours, real] = [total(({ time }) => time), total(({ it }) => it.time)];
  row('all of these', '', ours.toFixed(1), real.toFixed(1), (ours / real).toFixed(2));
  const left = measured.length - found.length;
  if (left) console.log(`${left} that were measured are launched no more, or with another grid`);
  console.log('');
  return found.map(({ it, time }) => time / it.time);
}

/** Says how far predictions are off. */
export function printError(ratios: readonly number[]): void {
  const logs = ratios.map(Math.log);
  const mean = (list: readonly number[]) =>
    Math.exp(list.reduce((sum, it) => sum + it, 0) / list.length);
  const far = ratios.filter((it) => it < 1 / 1.3 || it > 1.3).length;
  console.log(
    `Predicted over measured, ${ratios.length} launches: geometric mean ${mean(logs).toFixed(2)}; off by a factor of ` +
      `${mean(logs.map(Math.abs)).toFixed(2)} on the geometric mean; least ${Math.min(...ratios).toFixed(2)}, ` +
      `most ${Math.max(...ratios).toFixed(2)}; ${percent(far / ratios.length)} are off by more than 1.3`,
  );
}
