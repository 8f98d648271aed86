import { describe, expect, it } from 'vitest';
import { half, kernel, needEmulator, runs } from './each.js';
import { run } from './probe.js';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

// Where element i of a lane's fragment lies, from the figures of the manual.
const a = (lane: number, i: number): [number, number] => [
  (lane >> 2) + 8 * ((i >> 1) & 1),
  (lane & 3) * 2 + (i & 1) + 8 * (i >> 2),
];
const b = (lane: number, i: number): [number, number] => [
  (lane & 3) * 2 + (i & 1) + 8 * (i >> 1),
  lane >> 2,
];
const c = (lane: number, i: number): [number, number] => [
  (lane >> 2) + 8 * (i >> 1),
  (lane & 3) * 2 + (i & 1),
];

const registers = (base: number, count: number) =>
  range(count)
    .map((i) => `%r${base + i}`)
    .join(', ');

describe('mma.sync', () => {
  needEmulator();

  it.each([8, 16])('multiplies 16 x %i by x 8 matrices', (depth) => {
    const left = range(16).map((row) => range(depth).map((k) => (row * depth + k - 40) / 8));
    const right = range(depth).map((k) => range(8).map((column) => (k * 8 + column - 50) / 4));
    const sum = range(16).map((row) => range(8).map((column) => row - 100 * column));
    const parts = depth / 8;
    const at = (matrix: number[][], [row, column]: [number, number]) => matrix[row]![column]!;
    const lanes = range(32);
    const halves = (matrix: number[][], place: typeof a, count: number) =>
      Uint16Array.from(
        lanes.flatMap((l) => range(count).map((i) => half(at(matrix, place(l, i))))),
      );
    const out = new Float32Array(32 * 4);
    runs(
      kernel(
        4,
        `.reg .b64 %rd<6>; .reg .b32 %r<20>;
         mov.u32 %r0, %tid.x;
         ld.param.u64 %rd0, [p0]; ld.param.u64 %rd1, [p1]; ld.param.u64 %rd2, [p2]; ld.param.u64 %rd3, [p3];
         mad.wide.u32 %rd0, %r0, 16, %rd0; mad.wide.u32 %rd1, %r0, ${8 * parts}, %rd1;
         mad.wide.u32 %rd2, %r0, ${4 * parts}, %rd2; mad.wide.u32 %rd3, %r0, 16, %rd3;
         ${range(2 * parts)
           .map((i) => `ld.global.b32 %r${1 + i}, [%rd1+${4 * i}];`)
           .join(' ')}
         ${range(parts)
           .map((i) => `ld.global.b32 %r${5 + i}, [%rd2+${4 * i}];`)
           .join(' ')}
         ld.global.v4.b32 {${registers(8, 4)}}, [%rd3];
         mma.sync.aligned.m16n8k${depth}.row.col.f32.f16.f16.f32
           {${registers(12, 4)}}, {${registers(1, 2 * parts)}}, {${registers(5, parts)}}, {${registers(8, 4)}};
         st.global.v4.b32 [%rd0], {${registers(12, 4)}};`,
      ),
      {
        block: [32, 1, 1],
        arguments: [
          out,
          halves(left, a, 4 * parts),
          halves(right, b, 2 * parts),
          Float32Array.from(lanes.flatMap((l) => range(4).map((i) => at(sum, c(l, i))))),
        ],
      },
    );
    const expected = lanes.flatMap((lane) =>
      range(4).map((i) => {
        const [row, column] = c(lane, i);
        return left[row]!.reduce((s, x, k) => s + x * right[k]![column]!, sum[row]![column]!);
      }),
    );
    expect([...out]).toEqual(expected);
  });

  it('needs all lanes of a warp', () => {
    const ptx = kernel(
      1,
      `.reg .b32 %r<9>; ${range(9)
        .map((i) => `mov.u32 %r${i}, 0;`)
        .join(' ')}
       mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32
         {${registers(0, 4)}}, {%r4, %r5}, {%r6}, {${registers(0, 4)}};`,
    );
    const argument = [new Uint32Array(1)];
    expect(run(ptx, 'k', { block: [31, 1, 1], arguments: argument }).fault.kind).toBe('barrier');
    expect(run(ptx, 'k', { block: [32, 1, 1], arguments: argument }).fault.kind).toBe('none');
  });
});

describe('ldmatrix', () => {
  needEmulator();

  // Element [row, column] of matrix m is 64 m + 8 row + column; rows lie 24 bytes apart in reverse.
  it.each([
    [1, ''],
    [2, ''],
    [4, ''],
    [1, '.trans'],
    [2, '.trans'],
    [4, '.trans'],
  ])('.x%i%s gives rows to lanes', (count, trans) => {
    const out = new Uint16Array(32 * 2 * count);
    runs(
      kernel(
        1,
        `.shared .align 16 .b8 s[1024]; .reg .b64 %rd<3>; .reg .b32 %r<20>; .reg .b16 %h; .reg .pred p;
         ld.param.u64 %rd0, [p0]; mov.u32 %r0, %tid.x;
         mov.u32 %r1, s; mul.lo.u32 %r2, %r0, 32; sub.u32 %r2, 992, %r2; add.u32 %r1, %r1, %r2;
         mov.u32 %r3, 0; shl.b32 %r4, %r0, 3;
         fill: mad.lo.u32 %r5, %r3, 2, %r1; add.u32 %r6, %r4, %r3; cvt.u16.u32 %h, %r6;
         st.shared.b16 [%r5], %h; add.u32 %r3, %r3, 1; setp.lt.u32 p, %r3, 8; @p bra fill;
         bar.warp.sync -1;
         ldmatrix.sync.aligned.m8n8.x${count}${trans}.shared.b16 {${registers(8, count)}}, [%r1];
         mad.wide.u32 %rd1, %r0, ${4 * count}, %rd0;
         ${range(count)
           .map((i) => `st.global.b32 [%rd1+${4 * i}], %r${8 + i};`)
           .join(' ')}`,
      ),
      { block: [32, 1, 1], arguments: [out] },
    );
    const expected = range(32).flatMap((lane) =>
      range(count).flatMap((m) =>
        [0, 1].map((i) => {
          const place = [lane >> 2, (lane & 3) * 2 + i] as const;
          const [row, column] = trans ? [place[1], place[0]] : place;
          return 64 * m + 8 * row + column;
        }),
      ),
    );
    expect([...out]).toEqual(expected);
  });
});
