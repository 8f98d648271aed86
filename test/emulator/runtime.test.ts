import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as emulator from './probe.js';

const skipped = emulator.available ? '' : `: ${emulator.reason}`;

// runtime.cu holds the checks; each prints a line.
const source = readFileSync(new URL('runtime.cu', import.meta.url), 'utf8');
const names = [...source.matchAll(/^ +CHECK\((\w+)\)/gm)].map(([, name]) => name!);

describe.skipIf(skipped)(`the stand-in for libcudart${skipped}`, () => {
  const outcomes = new Map<string, string>();

  beforeAll(() => {
    const output = execFileSync(`${emulator.folder}runtime_test`, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for (const line of output.trim().split('\n')) {
      const [name, outcome] = line.split(': ');
      outcomes.set(name!, outcome!);
    }
  });

  it('has all its checks run', () => expect([...outcomes.keys()]).toEqual(names));

  for (const name of names) {
    it(name.replaceAll('_', ' '), () => expect(outcomes.get(name)).toBe('ok'));
  }
});

const twice = `
.version 7.0
.target sm_75
.address_size 64
.visible .entry twice(.param .u64 data, .param .f32 factor)
{
  .reg .b64 %rd<4>;
  .reg .b32 %r<2>;
  .reg .f32 %f<4>;
  ld.param.u64 %rd1, [data];
  ld.param.f32 %f1, [factor];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.f32 %f2, [%rd3];
  mul.f32 %f3, %f1, %f2;
  st.global.f32 [%rd3], %f3;
  ret;
}`;

describe.skipIf(skipped)(`the probe${skipped}`, () => {
  afterEach(() => {
    emulator.set({ count: false });
    emulator.reset();
  });

  it('runs PTX on arrays, and counts', () => {
    emulator.set({ count: true });
    const data = Float32Array.from({ length: 16 }, (_, i) => i);
    const { fault, counters } = emulator.run(twice, 'twice', {
      block: [8, 1, 1],
      arguments: [data.subarray(4), { f32: 0.5 }],
    });
    expect(fault.kind).toBe('none');
    expect([...data]).toEqual([0, 1, 2, 3, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 12, 13, 14, 15]);
    expect(counters).toMatchObject({ loadBytes: 32, loadSectors: 1, storeBytes: 32, math: 1 });
  });

  it('tells faults', () => {
    const out = emulator.run(twice, 'twice', {
      block: [9, 1, 1],
      arguments: [new Float32Array(8), { f32: 1 }],
    });
    expect(out.fault.kind).toBe('memory');
    expect(out.fault.text).toMatch(/thread \(8, 0, 0\)/);
    const unwritten = emulator.run(twice, 'twice', {
      arguments: [{ uninitialised: 4 }, { f32: 1 }],
    });
    expect(unwritten.fault.kind).toBe('uninitialised');
  });

  it('refuses what it cannot run', () => {
    const bad = twice.replace('mul.f32', 'mal.f32');
    const out = emulator.run(bad, 'twice', { arguments: [new Float32Array(1), { f32: 1 }] });
    expect(out.fault.text).toMatch(/mal\.f32/);
    expect(() => emulator.run(twice, 'thrice', { arguments: [] })).toThrow(/thrice/);
    expect(() => emulator.run(twice, 'twice', { arguments: [] })).toThrow(/takes 2 arguments/);
    expect(() => emulator.set({ driver: 'new' as 'old' })).toThrow(/driver/);
  });
});
