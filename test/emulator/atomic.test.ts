import { describe, expect, it } from 'vitest';
import { kernel, needEmulator, runs } from './each.js';
import { set } from './probe.js';

/** What 64 threads of two blocks make of a number, and the sum of what they got. */
function all(operation: string, type: string, operands: string, start: number): number {
  const memory = type === 'f32' ? Float32Array.of(start) : Int32Array.of(start);
  runs(
    kernel(
      1,
      `.reg .b64 %rd0; .reg .b32 %r<4>;
       ld.param.u64 %rd0, [p0];
       mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mad.lo.u32 %r0, %r1, 32, %r0;
       atom.global.${operation}.${type} %r2, [%rd0], ${operands};`,
    ),
    { grid: [2, 1, 1], block: [32, 1, 1], arguments: [memory] },
  );
  return memory[0]!;
}

describe('atomic operations', () => {
  needEmulator();

  it.each([1, 2])('are one after another, on %i threads of the host', (threads) => {
    set({ threads });
    expect(all('add', 'u32', '%r0', 5)).toBe(5 + (63 * 64) / 2);
    set({ threads: 1 });
  });

  it('do what they are called', () => {
    expect(all('min', 's32', '%r0', 7)).toBe(0);
    expect(all('max', 's32', '%r0', 7)).toBe(63);
    expect(all('min', 's32', '-3', 7)).toBe(-3);
    expect(all('max', 'u32', '%r0', -1)).toBe(-1);
    expect(all('or', 'b32', '%r0', 64)).toBe(127);
    expect(all('and', 'b32', '6', 5)).toBe(4);
    expect(all('xor', 'b32', '1', 3)).toBe(3);
    expect(all('exch', 'b32', '9', 3)).toBe(9);
    expect(all('inc', 'u32', '4', 0)).toBe(64 % 5);
    expect(all('dec', 'u32', '4', 0)).toBe(1);
    expect(all('cas', 'b32', '3, 100', 3)).toBe(100);
    expect(all('cas', 'b32', '4, 100', 3)).toBe(3);
  });

  it('.f32 rounds each sum', () => {
    const one = '0f3F800000';
    expect(all('add', 'f32', one, 0)).toBe(64);
    expect(all('add', 'f32', one, 2 ** 24)).toBe(2 ** 24);
  });

  it('gives the old value, each number once', () => {
    const counter = new Uint32Array(1);
    const seen = new Uint32Array(64);
    runs(
      kernel(
        2,
        `.shared .align 4 .b8 s[4]; .reg .b64 %rd<4>; .reg .b32 %r<4>; .reg .pred p;
         ld.param.u64 %rd0, [p0]; ld.param.u64 %rd1, [p1];
         mov.u32 %r0, %tid.x; setp.eq.u32 p, %r0, 0;
         @p st.shared.u32 [s], 0;
         bar.sync 0;
         atom.shared.add.u32 %r1, [s], 1;
         mad.wide.u32 %rd2, %r1, 4, %rd1;
         red.global.add.u32 [%rd2], 1;
         red.global.max.u32 [%rd0], %r1;`,
      ),
      { block: [64, 1, 1], arguments: [counter, seen] },
    );
    expect([...seen]).toEqual(new Array(64).fill(1));
    expect(counter[0]).toBe(63);
  });
});
