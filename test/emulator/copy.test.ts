import { describe, expect, it } from 'vitest';
import { kernel, needEmulator, runs } from './each.js';
import { run } from './probe.js';

const start = `.shared .align 16 .b8 s[64]; .reg .b64 %rd<4>; .reg .b32 %r<9>;
  ld.param.u64 %rd0, [p0]; ld.param.u64 %rd1, [p1];`;
const options = (out: Uint32Array) => ({
  arguments: [out, Uint32Array.from({ length: 16 }, (_, i) => 100 + i)],
});
const copied = (text: string, count: number): number[] => {
  const out = new Uint32Array(count);
  runs(kernel(2, start + text), options(out));
  return [...out];
};

describe('cp.async', () => {
  needEmulator();

  it('copies 4, 8 and 16 bytes', () => {
    expect(
      copied(
        `cp.async.ca.shared.global [s], [%rd1+4], 4;
         cp.async.ca.shared.global [s+8], [%rd1+8], 8;
         cp.async.cg.shared.global.L2::128B [s+16], [%rd1+16], 16;
         cp.async.commit_group; cp.async.wait_group 0;
         ld.shared.u32 %r0, [s]; ld.shared.u32 %r1, [s+12]; ld.shared.u32 %r2, [s+28];
         st.global.u32 [%rd0], %r0; st.global.u32 [%rd0+4], %r1; st.global.u32 [%rd0+8], %r2;`,
        3,
      ),
    ).toEqual([101, 103, 107]);
  });

  it('fills with zeros what lies beyond the source’s size', () => {
    expect(
      copied(
        `mov.u32 %r8, 8;
         cp.async.cg.shared.global [s], [%rd1], 16, %r8;
         cp.async.ca.shared.global [s+16], [%rd1], 4, 0;
         cp.async.wait_all;
         ld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [s]; ld.shared.u32 %r4, [s+16];
         st.global.v4.u32 [%rd0], {%r0, %r1, %r2, %r3}; st.global.u32 [%rd0+16], %r4;`,
        5,
      ),
    ).toEqual([100, 101, 0, 0, 0]);
  });

  it('reads its source as late as it may', () => {
    expect(
      copied(
        `cp.async.ca.shared.global [s], [%rd1], 4; cp.async.commit_group;
         st.global.u32 [%rd1], 7;
         cp.async.wait_group 0;
         ld.shared.u32 %r0, [s]; st.global.u32 [%rd0], %r0;`,
        1,
      ),
    ).toEqual([7]);
  });

  const twoGroups = (wait: string) => `
    cp.async.ca.shared.global [s], [%rd1], 4; cp.async.commit_group;
    cp.async.ca.shared.global [s+16], [%rd1+4], 4; cp.async.commit_group;
    ${wait}`;

  it('waits for all groups but the newest', () => {
    const first = 'ld.shared.u32 %r0, [s]; st.global.u32 [%rd0], %r0;';
    expect(copied(`${twoGroups('cp.async.wait_group 1;')} ${first}`, 1)).toEqual([100]);
  });

  it.each([
    [
      'a read of the group that was not waited for',
      `${twoGroups('cp.async.wait_group 1;')} ld.shared.u32 %r0, [s+16];`,
    ],
    ['a read without a wait', `${twoGroups('')} ld.shared.u32 %r0, [s];`],
    ['a write without a wait', `${twoGroups('')} st.shared.u32 [s], 0;`],
    [
      'a wait without a commit',
      'cp.async.ca.shared.global [s], [%rd1], 4; cp.async.wait_group 0; ld.shared.u32 %r0, [s];',
    ],
  ])('reports %s', (_, text) => {
    const { fault } = run(kernel(2, start + text), 'k', options(new Uint32Array(1)));
    expect(fault).toMatchObject({ kind: 'race', text: expect.stringContaining('in flight') });
  });

  it.each([
    ['out of bounds', 'cp.async.cg.shared.global [s], [%rd1+64], 16;'],
    ['out of bounds', 'cp.async.cg.shared.global [s+64], [%rd1], 16;'],
    ['misaligned', 'cp.async.cg.shared.global [s], [%rd1+4], 16;'],
    ['misaligned', 'cp.async.ca.shared.global [s+4], [%rd1], 8;'],
    ['more valid bytes', 'mov.u32 %r0, 5; cp.async.ca.shared.global [s], [%rd1], 4, %r0;'],
  ])('reports what is %s: %s', (what, text) => {
    const { fault } = run(kernel(2, start + text), 'k', options(new Uint32Array(1)));
    expect(fault).toMatchObject({ kind: 'memory', text: expect.stringContaining(what) });
  });

  it('need not be able to read what it does not copy', () => {
    expect(
      copied('cp.async.cg.shared.global [s], [%rd1+4096], 16, 0; cp.async.wait_all;', 1),
    ).toEqual([0]);
  });
});
