import { describe, expect, it } from 'vitest';
import { kernel, needEmulator, runs } from './each.js';
import { run } from './probe.js';

const lanes = Array.from({ length: 32 }, (_, i) => i);
const full = 2 ** 32 - 1;

const perLane = (text: string) =>
  kernel(
    1,
    `.reg .b64 %rd<3>; .reg .b32 %r<9>; .reg .pred p, q;
     ld.param.u64 %rd0, [p0]; mov.u32 %r0, %tid.x; mad.wide.u32 %rd1, %r0, 4, %rd0;
     mov.u32 %r1, 99;
     ${text}
     st.global.u32 [%rd1], %r1;`,
  );

/** What every lane has in %r1 after the text; its number is in %r0. */
function results(text: string): number[] {
  const out = new Uint32Array(32);
  runs(perLane(text), { block: [32, 1, 1], arguments: [out] });
  return [...out];
}

describe('shuffles', () => {
  needEmulator();
  const shuffle = (mode: string, offset: number | string, clamp: number) =>
    results(`shfl.sync.${mode}.b32 %r1|p, %r0, ${offset}, ${clamp}, -1;
             @!p add.u32 %r1, %r1, 100;`);

  it('reads lanes below, above, crosswise and by number', () => {
    expect(shuffle('up', 3, 0)).toEqual(lanes.map((l) => (l < 3 ? l + 100 : l - 3)));
    expect(shuffle('down', 3, 31)).toEqual(lanes.map((l) => (l > 28 ? l + 100 : l + 3)));
    expect(shuffle('bfly', 5, 31)).toEqual(lanes.map((l) => l ^ 5));
    expect(shuffle('idx', 7, 31)).toEqual(lanes.map(() => 7));
    expect(shuffle('idx', '%r0', 31)).toEqual(lanes);
  });

  it('stays in the segments that the clamp describes', () => {
    const eights = (segment: number) => ((32 - 8) << 8) | segment; // as __shfl_sync(..., 8)
    expect(shuffle('idx', 9, eights(31 & 7))).toEqual(lanes.map((l) => (l & 24) + 1));
    expect(shuffle('up', 1, eights(0))).toEqual(lanes.map((l) => (l % 8 ? l - 1 : l + 100)));
    expect(shuffle('down', 2, eights(7))).toEqual(lanes.map((l) => (l % 8 > 5 ? l + 100 : l + 2)));
    expect(shuffle('bfly', 8, eights(7))).toEqual(
      lanes.map((l) => ((l ^ 8) > (l | 7) ? l + 100 : l ^ 8)),
    );
  });

  it('may be of some lanes', () => {
    expect(
      results(`setp.lt.u32 p, %r0, 4; @!p bra after;
               shfl.sync.bfly.b32 %r1, %r0, 1, 31, 15;
               after:`),
    ).toEqual(lanes.map((l) => (l < 4 ? l ^ 1 : 99)));
  });

  it('waits for lanes that come by another way', () => {
    expect(
      results(`setp.lt.u32 p, %r0, 16; @p bra low;
               add.u32 %r2, %r0, 1000; bra meet;
               low: add.u32 %r2, %r0, 2000;
               meet: shfl.sync.bfly.b32 %r1, %r2, 16, 31, -1;`),
    ).toEqual(lanes.map((l) => (l < 16 ? l + 16 + 1000 : l - 16 + 2000)));
  });

  it.each([
    [
      'a lane that does not take part',
      'setp.lt.u32 p, %r0, 4; @p shfl.sync.bfly.b32 %r1, %r0, 4, 31, 15;',
    ],
    ['a mask without the lane', 'shfl.sync.bfly.b32 %r1, %r0, 1, 31, 15;'],
    [
      'a mask with lanes that wait elsewhere',
      'setp.lt.u32 p, %r0, 4; @p shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; bar.sync 0;',
    ],
  ])('reports %s', (_, text) => {
    const { fault } = run(perLane(text), 'k', {
      block: [32, 1, 1],
      arguments: [new Uint32Array(32)],
    });
    expect(fault.kind).toBe('barrier');
  });
});

describe('votes, matches and reductions', () => {
  needEmulator();

  it('collects votes', () => {
    const vote = (mode: string, limit: number) =>
      results(
        `setp.lt.u32 p, %r0, ${limit}; vote.sync.${mode}.pred q, p, -1; selp.u32 %r1, 1, 0, q;`,
      )[5];
    expect([vote('all', 32), vote('all', 31)]).toEqual([1, 0]);
    expect([vote('any', 1), vote('any', 0)]).toEqual([1, 0]);
    expect([vote('uni', 0), vote('uni', 5), vote('uni', 32)]).toEqual([1, 0, 1]);
    expect(results('setp.ge.u32 p, %r0, 30; vote.sync.ballot.b32 %r1, !p, -1;')[0]).toBe(
      2 ** 30 - 1,
    );
  });

  it('finds equals', () => {
    const fives = lanes.map((l) => lanes.reduce((m, o) => (o % 5 === l % 5 ? m + 2 ** o : m), 0));
    expect(results('rem.u32 %r2, %r0, 5; match.any.sync.b32 %r1, %r2, -1;')).toEqual(fives);
    expect(results('match.all.sync.b32 %r1|p, %r0, -1; @p mov.u32 %r1, 5;')[3]).toBe(0);
    expect(
      results('mov.u32 %r2, 4; match.all.sync.b32 %r1|p, %r2, -1; @!p mov.u32 %r1, 5;')[3],
    ).toBe(full);
  });

  it('reduces', () => {
    const reduce = (operation: string, value = '%r0') =>
      results(`redux.sync.${operation} %r1, ${value}, -1;`)[9];
    expect(reduce('add.s32')).toBe(496);
    expect(reduce('max.u32')).toBe(31);
    expect(reduce('min.u32')).toBe(0);
    expect(reduce('or.b32')).toBe(31);
    expect(reduce('xor.b32')).toBe(0);
    expect(reduce('and.b32', '6')).toBe(6);
    expect(
      results('sub.s32 %r2, 3, %r0; redux.sync.min.s32 %r1, %r2, -1;').map((x) => x | 0)[0],
    ).toBe(-28);
  });

  it('knows who is active', () => {
    expect(results('setp.lt.u32 p, %r0, 3; @p activemask.b32 %r1;').slice(0, 5)).toEqual([
      7, 7, 7, 99, 99,
    ]);
  });
});
