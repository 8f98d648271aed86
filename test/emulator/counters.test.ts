import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kernel, needEmulator } from './each.js';
import { run, set } from './probe.js';

const start = `.shared .align 16 .b8 s[8192]; .reg .b64 %rd<3>; .reg .b32 %r<20>; .reg .pred p;
  ld.param.u64 %rd0, [p0]; mov.u32 %r0, %tid.x;
  mov.u32 %r4, 0; mov.u32 %r5, 0; mov.u32 %r6, 0; mov.u32 %r7, 0;`;

/** Counted beyond what the start counts. */
function count(text: string, lanes = 32) {
  const options = { block: [lanes, 1, 1] as const, arguments: [new Uint32Array(8192)] };
  set({ races: false, uninitialised: false });
  const { fault, counters } = run(kernel(1, start + text), 'k', options);
  expect(fault.text).toBe('');
  const base = run(kernel(1, start), 'k', options).counters;
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]) => [
      name,
      value - base[name as keyof typeof base],
    ]),
  );
}

describe('counters', () => {
  needEmulator();
  beforeEach(() => set({ count: true }));
  afterEach(() => set({ count: false, races: true, uninitialised: true }));

  it('tells kinds of instructions apart', () => {
    const found = count(`add.s32 %r1, %r0, 1; shl.b32 %r1, %r1, 2; cvt.u64.u32 %rd1, %r1;
      cvt.rn.f32.u32 %r2, %r1; fma.rn.f32 %r2, %r2, %r2, %r2; fma.rn.f16x2 %r2, %r2, %r2, %r2;
      setp.lt.u32 p, %r0, 8; bar.sync 0; @p bra next; next:
      st.shared.u32 [s], %r1; ld.global.u32 %r1, [%rd0];
      shfl.sync.bfly.b32 %r1, %r1, 1, 31, -1;`);
    expect(found).toMatchObject({ address: 3, math: 3, control: 3, memory: 2, other: 1, mma: 0 });
    expect(found).toMatchObject({ barriers: 1, threadInstructions: 12 * 32 - 24, divergent: 1 });
  });

  it('counts what tensor cores do', () => {
    const mma = `mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r4, %r5, %r6, %r7},
      {%r4, %r5, %r6, %r7}, {%r4, %r5}, {%r4, %r5, %r6, %r7};`;
    expect(count(mma + mma, 64)).toMatchObject({ mma: 4, mmaOperations: 4 * 2 * 16 * 8 * 16 });
  });

  it.each([
    ['neighbours', 4, 'ld.global.u32 %r1, [%rd1];', { loadBytes: 128, loadSectors: 4 }],
    ['every second word', 8, 'ld.global.u32 %r1, [%rd1];', { loadBytes: 128, loadSectors: 8 }],
    ['a sector each', 32, 'ld.global.u32 %r1, [%rd1];', { loadBytes: 128, loadSectors: 32 }],
    ['one word for all', 0, 'ld.global.u32 %r1, [%rd1];', { loadBytes: 4, loadSectors: 1 }],
    ['overlapping words', 1, 'ld.global.u8 %r1, [%rd1];', { loadBytes: 32, loadSectors: 1 }],
    [
      '16 bytes',
      16,
      'st.global.v4.u32 [%rd1], {%r4, %r5, %r6, %r7};',
      { storeBytes: 512, storeSectors: 16 },
    ],
    [
      'not aligned to sectors',
      4,
      'st.global.u32 [%rd1+16], %r4;',
      { storeBytes: 128, storeSectors: 5 },
    ],
    [
      'copies',
      16,
      'shl.b32 %r2, %r0, 4; mov.u32 %r3, s; add.u32 %r2, %r2, %r3; cp.async.cg.shared.global [%r2], [%rd1], 16;',
      { loadBytes: 512, loadSectors: 16, sharedAccesses: 1, sharedConflicts: 0 },
    ],
  ])('counts sectors of global memory: %s', (_, step, text, expected) => {
    expect(count(`mad.wide.u32 %rd1, %r0, ${step}, %rd0; ${text}`)).toMatchObject(expected);
  });

  const shared = (step: number, text: string) =>
    count(`mov.u32 %r2, s; mad.lo.u32 %r2, %r0, ${step}, %r2; ${text}`);
  it.each([
    [4, 'ld.shared.u32 %r1, [%r2];', 0, 1],
    [0, 'ld.shared.u32 %r1, [%r2];', 0, 1], // all read one word
    [8, 'ld.shared.u32 %r1, [%r2];', 1, 2],
    [32, 'ld.shared.u32 %r1, [%r2];', 7, 8],
    [128, 'ld.shared.u32 %r1, [%r2];', 31, 32],
    [132, 'ld.shared.u32 %r1, [%r2];', 0, 1],
    [2, 'ld.shared.u16 %r1, [%r2];', 0, 1], // two in a word
    [8, 'ld.shared.v2.u32 {%r1, %r3}, [%r2];', 0, 2],
    [16, 'ld.shared.v2.u32 {%r1, %r3}, [%r2];', 2, 4], // one more in each half
    [16, 'st.shared.v4.u32 [%r2], {%r4, %r5, %r6, %r7};', 0, 4],
    [32, 'st.shared.v4.u32 [%r2], {%r4, %r5, %r6, %r7};', 4, 8], // one more in each quarter
    [16, 'ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r2];', 0, 4],
    [128, 'ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r2];', 28, 32],
    [144, 'ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r2];', 0, 4],
    [64, 'ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r4}, [%r2];', 3, 4],
  ])('counts conflicts of lanes %i bytes apart: %s', (step, text, conflicts, cycles) => {
    expect(shared(step, text)).toMatchObject({
      sharedAccesses: 1,
      sharedConflicts: conflicts,
      sharedCycles: cycles,
    });
  });

  it('counts nothing when not asked to', () => {
    set({ count: false });
    const { counters } = run(kernel(1, start), 'k', { arguments: [new Uint32Array(1)] });
    expect(counters.address).toBe(0);
  });
});
