import { afterEach, describe, expect, it } from 'vitest';
import { kernel, needEmulator, runs } from './each.js';
import { run, set } from './probe.js';

const start = `.reg .b64 %rd<3>; .reg .b32 %r<9>; .reg .pred p, q;
  ld.param.u64 %rd0, [p0]; mov.u32 %r0, %tid.x; mad.wide.u32 %rd1, %r0, 4, %rd0;
  mov.u32 %r1, 0;`;
const end = 'st.global.u32 [%rd1], %r1;';

function results(text: string, count = 32, before = ''): number[] {
  const out = new Uint32Array(count);
  const ptx = kernel(1, start + text + end).replace('.visible', `${before}.visible`);
  runs(ptx, { block: [count, 1, 1], arguments: [out] });
  return [...out];
}

const fault = (text: string, count = 64) =>
  run(kernel(1, start + text + end), 'k', {
    block: [count, 1, 1],
    arguments: [new Uint32Array(count)],
  }).fault;

describe('control', () => {
  needEmulator();
  afterEach(() => set({ order: 0, mostInstructions: 4e9, together: 1, threads: 1 }));

  it('lets lanes loop as often as each wants', () => {
    expect(
      results(`loop: setp.ge.u32 p, %r1, %r0; @p bra done; add.u32 %r1, %r1, 1; bra loop; done:`),
    ).toEqual(Array.from({ length: 32 }, (_, i) => i));
  });

  it('branches by tables', () => {
    expect(
      results(
        `and.b32 %r2, %r0, 3;
         table: .branchtargets A, B, C, A;
         brx.idx %r2, table;
         A: mov.u32 %r1, 10; bra.uni end;
         B: mov.u32 %r1, 20; bra.uni end;
         C: mov.u32 %r1, 30;
         end:`,
        4,
      ),
    ).toEqual([10, 20, 30, 10]);
  });

  it('calls functions, also from some lanes', () => {
    const twice = `.func (.param .b32 result) twice(.param .b32 x)
      { .reg .b32 %r<3>; .reg .pred p;
        ld.param.b32 %r0, [x]; setp.gt.u32 p, %r0, 2; @p bra big;
        shl.b32 %r1, %r0, 1; st.param.b32 [result], %r1; ret;
        big: mov.u32 %r1, 77; st.param.b32 [result], %r1; ret; }
      `;
    const call = `setp.ne.u32 p, %r0, 1; @!p bra skip;
      { .param .b32 a; .param .b32 b; st.param.b32 [a], %r0;
        call.uni (b), twice, (a); ld.param.b32 %r1, [b]; }
      skip:`;
    expect(results(call, 4, twice)).toEqual([0, 0, 4, 77]);
  });

  it('lets lanes leave early', () => {
    const out = results('setp.lt.u32 p, %r0, 2; @p exit; bar.sync 0; mov.u32 %r1, 5;', 4);
    expect(out).toEqual([0, 0, 5, 5]);
  });

  it.each([0, 1, 2] as const)('waits at barriers for all warps, in order %i', (order) => {
    set({ order });
    const flip = `.shared .align 4 .b8 s[256]; .reg .b32 a;
      mov.u32 a, s; mad.lo.u32 %r2, %r0, 4, a; st.shared.u32 [%r2], %r0;
      barrier.sync 0;
      sub.u32 %r3, 63, %r0; mad.lo.u32 %r2, %r3, 4, a; ld.shared.u32 %r1, [%r2];`;
    expect(results(flip, 64)).toEqual(Array.from({ length: 64 }, (_, i) => 63 - i));
  });

  it('reduces over a barrier', () => {
    const odd = 'and.b32 %r2, %r0, 1; setp.eq.u32 p, %r2, 1;';
    expect(results(`${odd} barrier.red.popc.u32 %r1, 0, p;`, 64)[40]).toBe(32);
    expect(results(`${odd} bar.red.or.pred q, 0, p; selp.u32 %r1, 1, 0, q;`, 64)[40]).toBe(1);
    expect(results(`${odd} bar.red.and.pred q, 0, !p; selp.u32 %r1, 1, 0, q;`, 64)[40]).toBe(0);
  });

  it('lets one warp produce and another consume', () => {
    const text = `.shared .align 4 .b8 s[4]; setp.lt.u32 p, %r0, 32; @p bra producer;
      bar.sync 1, 64; ld.shared.u32 %r1, [s]; bra end;
      producer: st.shared.u32 [s], 9; bar.arrive 1, 64; mov.u32 %r1, 1;
      end:`;
    const out = results(text, 64);
    expect([out[0], out[63]]).toEqual([1, 9]);
  });

  it('reports barriers that some lanes miss', () => {
    expect(
      fault('setp.lt.u32 p, %r0, 8; @p bra a; bar.sync 1; bra b; a: bar.sync 2; b:'),
    ).toMatchObject({
      kind: 'barrier',
      text: expect.stringContaining('divergent barrier'),
    });
    expect(fault('setp.lt.u32 p, %r0, 32; @p bar.sync 1, 64; @!p bar.sync 2, 64;')).toMatchObject({
      kind: 'barrier',
      text: expect.stringContaining('deadlock'),
    });
  });

  // Three blocks of 64 threads that all wait for each other.
  const meeting = kernel(
    1,
    `.reg .b64 %rd<2>; .reg .b32 %r<4>; .reg .pred p, q;
     ld.param.u64 %rd0, [p0]; 
     atom.global.add.u32 %r1, [%rd0], 1;
     wait: ld.volatile.global.u32 %r2, [%rd0]; setp.ge.u32 p, %r2, 192; @p bra done;
     nanosleep.u32 20; bra wait;
     done:`,
  );
  it.each([{ together: 3 }, { together: 5 }, { together: 2, threads: 2 }, { threads: 3 }])(
    'lets blocks wait for one another: %j',
    (settings) => {
      set(settings);
      const tickets = new Uint32Array(1);
      runs(meeting, { grid: [3, 1, 1], block: [64, 1, 1], arguments: [tickets] });
      expect(tickets[0]).toBe(3 * 64);
    },
  );

  it('ends what waits for a block that has no turn', () => {
    const options = { grid: [3, 1, 1], block: [64, 1, 1] } as const;
    set({ together: 2, mostInstructions: 1000 });
    const { fault } = run(meeting, 'k', { ...options, arguments: [new Uint32Array(1)] });
    expect(fault.text).toContain('endless');
    set({ together: 3, mostInstructions: 4e9 });
    runs(meeting, { ...options, arguments: [new Uint32Array(1)] });
  });

  it('ends endless loops and failed assertions', () => {
    set({ mostInstructions: 1000 });
    expect(fault('loop: bra loop;')).toMatchObject({
      kind: 'other',
      text: expect.stringContaining('endless'),
    });
    expect(fault('trap;')).toMatchObject({ kind: 'other', text: expect.stringContaining('trap') });
  });

  it('refuses to run what it does not know, and says where', () => {
    const { kind, text } = fault('wgmma.fence.sync.aligned;\nadd.cc.u32 %r1, %r1, 1;');
    expect(kind).toBe('other');
    expect(text).toContain('line 8: unsupported: wgmma.fence.sync.aligned\n');
    expect(text).toContain('line 9: unsupported: add.cc.u32 %r1, %r1, 1');
    expect(() => run('.visible .entry k(.param .u64 a', 'k', { arguments: [] })).toThrow(
      /PTX line/,
    );
  });

  it.each([
    { grid: [0, 1, 1], block: [1, 1, 1] },
    { grid: [1, 65536, 1], block: [1, 1, 1] },
    { grid: [1, 1, 1], block: [1025, 1, 1] },
    { grid: [1, 1, 1], block: [1, 1, 65] },
  ] as const)('refuses the configuration %j', ({ grid, block }) => {
    const result = run(kernel(1, 'ret;'), 'k', { grid, block, arguments: [new Uint32Array(1)] });
    expect(result.fault.kind).toBe('configuration');
  });

  it('numbers threads and blocks', () => {
    const out = new Uint32Array(2 * 3 * 2 * 4);
    const ptx = kernel(
      1,
      `.reg .b64 %rd<3>; .reg .b32 %r<20>;
       ld.param.u64 %rd0, [p0];
       mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %ntid.x; mov.u32 %r3, %ntid.y;
       mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y; mov.u32 %r6, %nctaid.x;
       mad.lo.u32 %r7, %r5, %r6, %r4; mad.lo.u32 %r7, %r7, %r3, %r1; mad.lo.u32 %r7, %r7, %r2, %r0;
       mad.wide.u32 %rd1, %r7, 4, %rd0;
       mul.lo.u32 %r8, %r0, 1000; mad.lo.u32 %r8, %r1, 100, %r8; mad.lo.u32 %r8, %r4, 10, %r8;
       add.u32 %r8, %r8, %r5;
       st.global.u32 [%rd1], %r8;`,
    );
    runs(ptx, { grid: [2, 2, 1], block: [3, 4, 1], arguments: [out] });
    const expected = [];
    for (const blockY of [0, 1])
      for (const blockX of [0, 1])
        for (const y of [0, 1, 2, 3])
          for (const x of [0, 1, 2]) expected.push(x * 1000 + y * 100 + blockX * 10 + blockY);
    expect([...out]).toEqual(expected);
  });
});
