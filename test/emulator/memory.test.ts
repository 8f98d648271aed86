import { describe, expect, it } from 'vitest';
import { each, kernel, needEmulator, runs } from './each.js';
import { run } from './probe.js';

/** What a load of another width sees of 64 bits in memory. */
const load = (type: string, result: 'u32' | 'u64') =>
  each(
    `{ .local .align 8 .b8 l[8]; .reg .b${type.slice(1)} x;
       st.local.u64 [l], %1; ld.local.${type} x, [l]; cvt.${result}.${type} %0, x; }`,
    result,
    ['u64', [0xfedcba98765432f0n]],
  )[0];

describe('loads and stores', () => {
  needEmulator();

  it('extends what it loads into wider registers by the sign of the type', () => {
    const widen = (type: string) =>
      each(`{ .local .align 4 .b8 l[4]; st.local.u32 [l], %1; ld.local.${type} %0, [l]; }`, 'u32', [
        'u32',
        [0x8001fff0],
      ])[0];
    expect(widen('u8')).toBe(0xf0);
    expect(widen('s8')).toBe(0xfffffff0);
    expect(widen('u16')).toBe(0xfff0);
    expect(widen('s16')).toBe(0xfffffff0);
    expect(widen('b32')).toBe(0x8001fff0);
  });

  it('moves vectors', () => {
    const from = Uint32Array.from({ length: 4 * 32 }, (_, i) => i);
    const to = new Uint32Array(4 * 32);
    runs(
      kernel(
        2,
        `.reg .b64 %rd<6>; .reg .b32 %r<9>;
         mov.u32 %r0, %tid.x;
         mul.wide.u32 %rd0, %r0, 16;
         ld.param.u64 %rd1, [p0]; ld.param.u64 %rd2, [p1];
         add.s64 %rd1, %rd1, %rd0; add.s64 %rd2, %rd2, %rd0;
         ld.global.nc.L1::no_allocate.v4.u32 {%r1, %r2, %r3, %r4}, [%rd2];
         st.global.v2.b32 [%rd1], {%r4, %r3};
         st.global.v2.b32 [%rd1+8], {%r2, %r1};`,
      ),
      { block: [32, 1, 1], arguments: [to, from] },
    );
    expect([...to.slice(0, 8)]).toEqual([3, 2, 1, 0, 7, 6, 5, 4]);
    expect(to[127]).toBe(124);
  });

  it('finds shared, local and global memory by generic addresses', () => {
    const out = new Uint32Array(4);
    runs(
      kernel(
        1,
        `.shared .align 4 .b8 s[64]; .local .align 4 .b8 l[64];
         .reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .pred p, q;
         ld.param.u64 %rd0, [p0];
         mov.u64 %rd1, s; cvta.shared.u64 %rd2, %rd1;
         mov.u64 %rd3, l; cvta.local.u64 %rd4, %rd3;
         mov.u32 %r0, 11; st.u32 [%rd2+4], %r0; ld.shared.u32 %r1, [s+4]; st.u32 [%rd0], %r1;
         mov.u32 %r0, 22; st.u32 [%rd4+8], %r0; ld.local.u32 %r2, [l+8]; st.u32 [%rd0+4], %r2;
         cvta.to.shared.u64 %rd5, %rd2; ld.shared.u32 %r3, [%rd5+4]; st.global.u32 [%rd0+8], %r3;
         isspacep.shared p, %rd2; isspacep.local q, %rd2;
         selp.u32 %r4, 1, 0, p; @q add.u32 %r4, %r4, 2; st.u32 [%rd0+12], %r4;`,
      ),
      { arguments: [out] },
    );
    expect([...out]).toEqual([11, 22, 11, 1]);
  });

  it('reads constants and variables of the module', () => {
    const out = new Uint32Array(3);
    const ptx = kernel(
      1,
      `.reg .b64 %rd<4>; .reg .b32 %r<4>;
       ld.param.u64 %rd0, [p0];
       ld.const.u32 %r0, [table+8]; st.global.u32 [%rd0], %r0;
       mov.u64 %rd1, counter; atom.global.add.u32 %r1, [%rd1], 5; st.global.u32 [%rd0+4], %r1;
       ld.global.u64 %rd2, [pointer]; ld.u32 %r2, [%rd2]; st.global.u32 [%rd0+8], %r2;`,
    ).replace(
      '.visible',
      `.const .align 4 .b32 table[3] = {7, 0x10, 9};
       .global .align 4 .u32 counter = 3;
       .global .align 8 .u64 pointer = generic(counter);
       .visible`,
    );
    runs(ptx, { arguments: [out] });
    expect([...out]).toEqual([9, 3, 8]);
  });

  it('keeps dynamic shared memory behind the static', () => {
    const out = new Uint32Array(2);
    const ptx = kernel(
      1,
      `.shared .align 4 .b8 s[4]; .reg .b64 %rd0; .reg .b32 %r<3>;
       ld.param.u64 %rd0, [p0];
       st.shared.u32 [s], 1; st.shared.u32 [dynamic+12], 2;
       ld.shared.u32 %r0, [s]; ld.shared.u32 %r1, [dynamic+12];
       st.global.v2.u32 [%rd0], {%r0, %r1};`,
    ).replace('.visible', '.extern .shared .align 16 .b8 dynamic[];\n.visible');
    runs(ptx, { shared: 16, arguments: [out] });
    expect([...out]).toEqual([1, 2]);
    const { fault } = run(ptx, 'k', { shared: 12, arguments: [out] });
    expect(fault).toMatchObject({ kind: 'memory', text: expect.stringContaining('shared write') });
  });

  it('sees the bytes of values', () => {
    expect(load('u32', 'u32')).toBe(0x765432f0);
    expect(load('u16', 'u32')).toBe(0x32f0);
    expect(load('u64', 'u64')).toBe(0xfedcba98765432f0n);
  });

  it('packs and unpacks registers', () => {
    expect(
      each('{ .reg .b32 a, b; mov.b64 {a, b}, %1; mov.b64 %0, {b, a}; }', 'u64', [
        'u64',
        [0x0123456789abcdefn],
      ]),
    ).toEqual([0x89abcdef01234567n]);
    expect(
      each('{ .reg .b16 a; mov.b32 {_, a}, %1; mov.b32 %0, {a, a}; }', 'u32', [
        'u32',
        [0x12345678],
      ]),
    ).toEqual([0x12341234]);
  });
});

describe('bad accesses', () => {
  needEmulator();
  const access = (text: string, argument: Parameters<typeof run>[2]['arguments'][0]) =>
    run(
      kernel(
        1,
        `.shared .align 8 .b8 a[8]; .shared .align 8 .b8 b[8]; .reg .b64 %rd<3>; .reg .b32 %r<4>;
         ld.param.u64 %rd0, [p0];
         ${text}`,
      ),
      'k',
      { arguments: [argument] },
    ).fault;

  it.each([
    ['global read', 'ld.global.u32 %r0, [%rd0+12];'],
    ['global read', 'ld.global.v2.u32 {%r0, %r1}, [%rd0+16];'],
    ['global write', 'st.global.u8 [%rd0-1], 0;'],
    ['global read', 'ld.global.u32 %r0, [0];'],
    ['global atomic access', 'atom.global.add.u32 %r0, [%rd0+12], 1;'],
    ['shared write', 'st.shared.u32 [a+8], 0;'],
    ['shared read', 'mov.u32 %r0, 0; ld.shared.u32 %r0, [%r0];'],
    ['global read', 'add.s64 %rd0, %rd0, 8; ld.global.u32 %r0, [%rd0+4];'],
  ])('reports a %s out of bounds: %s', (what, text) => {
    const fault = access(text, new Uint32Array(3));
    expect(fault.kind).toBe('memory');
    expect(fault.text).toContain(`${what} of`);
    expect(fault.text).toContain('out of bounds');
    expect(fault.text).toContain('kernel k, block (0, 0, 0), thread (0, 0, 0)');
  });

  it.each([
    'ld.global.u32 %r0, [%rd0+2];',
    'ld.global.v2.u32 {%r0, %r1}, [%rd0+4];',
    'st.shared.u16 [a+1], 0;',
    'atom.shared.add.u64 %rd1, [a+4], 1;',
  ])('reports what is misaligned: %s', (text) => {
    const fault = access(text, new Uint32Array(4));
    expect(fault).toMatchObject({ kind: 'memory', text: expect.stringContaining('misaligned') });
  });

  it.each([
    'ld.global.u32 %r0, [%rd0];',
    'st.global.u16 [%rd0], 0; ld.global.u32 %r0, [%rd0];',
    'ld.shared.u8 %r0, [a];',
    'st.shared.u32 [a], 0; ld.shared.u64 %rd1, [a];',
    '.local .align 4 .b8 l[4]; ld.local.u32 %r0, [l];',
    'add.s32 %r0, %r1, 1;',
    'red.global.add.u32 [%rd0], 1;',
    'cp.async.ca.shared.global [a], [%rd0], 8;',
  ])('reports the use of what nothing wrote: %s', (text) => {
    expect(access(text, { uninitialised: 16 })).toMatchObject({
      kind: 'uninitialised',
      text: expect.stringContaining('PTX line'),
    });
  });

  it.each([
    'st.global.u32 [%rd0], 1; ld.global.u8 %r0, [%rd0+3];',
    'st.shared.v2.u32 [a], {0, 0}; ld.shared.u64 %rd1, [a];',
    'cp.async.ca.shared.global [a], [%rd0], 8, 0; cp.async.wait_all; ld.shared.u64 %rd1, [a];',
    '.reg .b16 x; mov.b32 %r0, {x, x};',
  ])('does not report what was written: %s', (text) => {
    expect(access(text, { uninitialised: 16 }).text).toBe('');
  });
});
