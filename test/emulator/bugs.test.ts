// Mistakes that kernels must not be able to hide: see bugs.cu.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { available, reason, run, set } from './probe.js';

const file = fileURLToPath(new URL('bugs.cu', import.meta.url));
const source = readFileSync(file, 'utf8');
const compiler = spawnSync('nvcc', ['--version']).status === 0;

function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bugs-'));
  try {
    const output = join(folder, 'bugs.ptx');
    const options = ['-ptx', '-std=c++20', '-O3', '-lineinfo', '-arch=compute_80', '-o', output];
    execFileSync('nvcc', [...options, file]);
    return readFileSync(output, 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const ptx = available && compiler ? compile() : '';

interface Bug {
  readonly name: string;
  readonly kinds: string[];
  readonly lines: number[];
}
const bugs: Bug[] = [];
source.split('\n').forEach((line, i) => {
  const name = /void (\w+)\(/.exec(line)?.[1];
  if (name) bugs.push({ name, kinds: [], lines: [] });
  const kinds = /\/\/ is: (.*)/.exec(line)?.[1]?.split(' | ');
  if (kinds) bugs.at(-1)!.kinds.push(...kinds);
  if (kinds) bugs.at(-1)!.lines.push(i + 1);
});

const launch = (name: string, right: boolean) =>
  run(ptx, name, {
    block: [64, 1, 1],
    arguments: [
      new Float32Array(64).fill(1),
      { u32: Number(right) },
      ...(name === 'uninitialised_global' ? [{ uninitialised: 256 }] : []),
    ],
  }).fault;

describe.each([
  ['ascending', 0],
  ['descending', 1],
  ['shuffled', 2],
] as const)('with warps in %s order', (_, order) => {
  beforeEach(({ skip }) => {
    skip(!available, reason);
    skip(!compiler, 'no nvcc');
    set({ order, warpRaces: true });
  });
  afterEach(() => {
    if (available) set({ order: 0, warpRaces: false });
  });

  it.each(bugs)('reports $name', ({ name, kinds, lines }) => {
    const { kind, text } = launch(name, false);
    expect(kinds).toContain(kind);
    expect(lines.some((line) => text.includes(`bugs.cu line ${line}, `))).toBe(true);
    expect(text).toContain(`kernel ${name}, block (0, 0, 0), thread (`);
  });

  it.each(bugs)('finds $name right', ({ name }) => {
    expect(launch(name, true).text).toBe('');
  });
});

describe('settings', () => {
  beforeEach(({ skip }) => {
    skip(!available, reason);
    skip(!compiler, 'no nvcc');
  });
  afterEach(() => {
    if (available) set({ races: true, uninitialised: true });
  });

  it('leave races within warps alone by default', () => {
    expect(launch('missing_syncwarp', false).kind).toBe('none');
  });

  it('can do without races and uninitialised values', () => {
    set({ races: false, uninitialised: false });
    expect(launch('missing_second_barrier', false).kind).toBe('none');
    expect(launch('uninitialised_shared', false).kind).toBe('none');
    expect(launch('uninitialised_global', false).kind).toBe('none');
  });
});
