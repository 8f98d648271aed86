// One PTX instruction, run on many values: what the tests of the instruction groups have in common.
import { beforeEach, expect } from 'vitest';
import { available, type Run, type RunOptions, reason, run } from './probe.js';

const arrays = {
  u8: Uint8Array,
  s8: Int8Array,
  u16: Uint16Array,
  s16: Int16Array,
  u32: Uint32Array,
  s32: Int32Array,
  u64: BigUint64Array,
  s64: BigInt64Array,
  f16: Uint16Array, // as bits
  f16x2: Uint32Array,
  f32: Float32Array,
  f64: Float64Array,
};
export type Type = keyof typeof arrays;
type Values = readonly (number | bigint)[];

const bits = (type: Type) => (type === 'f16x2' ? 32 : Number(type.slice(1)));
/** What ld, st and .reg call it. */
const untyped = (type: Type) => (type[0] === 'f' ? `b${bits(type)}` : type);
// There are no registers of 8 bits.
const register = (type: Type) => `b${Math.max(bits(type), 16)}`;

function toArray(type: Type, values: Values, length: number): ArrayBufferView {
  const array = new arrays[type](length);
  for (let i = 0; i < length; i++) array[i] = values[i % values.length]!;
  return array;
}

/** A module of one kernel `k` with so many pointers or numbers of 64 bits as parameters. */
export function kernel(parameters: number, body: string): string {
  const list = Array.from({ length: parameters }, (_, i) => `.param .u64 p${i}`);
  return `.version 8.0
.target sm_80
.address_size 64
.visible .entry k(${list.join(', ')})
{
${body}
}
`;
}

/** Runs the kernel `k`; fails where it faults. */
export function runs(ptx: string, options: RunOptions): Run {
  const result = run(ptx, 'k', options);
  expect(result.fault.text).toBe('');
  return result;
}

/**
 * What an instruction makes of values: its opcode with %0 (the result), %1, %2, ... for operands,
 * or the opcode alone. It runs once for a whole warp and once for a part of it.
 */
export function each(
  instruction: string,
  result: Type,
  ...operands: readonly (readonly [Type, Values])[]
): (number | bigint)[] {
  const count = Math.max(...operands.map(([, values]) => values.length));
  if (count > 31) throw new Error('one lane at least has to be idle');
  const text = instruction.includes('%')
    ? instruction
    : `${instruction} %0${operands.map((_, i) => `, %${i + 1}`).join('')};`;
  const types = [result, ...operands.map(([type]) => type)];
  const ptx = kernel(
    types.length,
    `.reg .b64 %at<${types.length}>;
.reg .b64 %lane;
.reg .b32 %thread;
${types.map((type, i) => `.reg .${register(type)} %v${i};`).join('\n')}
mov.u32 %thread, %tid.x;
cvt.u64.u32 %lane, %thread;
${types
  .map(
    (type, i) => `ld.param.u64 %at${i}, [p${i}];
mad.lo.u64 %at${i}, %lane, ${bits(type) / 8}, %at${i};
${i > 0 ? `ld.global.${untyped(type)} %v${i}, [%at${i}];` : ''}`,
  )
  .join('\n')}
${text.replace(/%(\d)/g, '%v$1')}
st.global.${untyped(result)} [%at0], %v0;`,
  );
  const once = (lanes: number) => {
    const to = new arrays[result](lanes);
    const from = operands.map(([type, values]) => toArray(type, values, lanes));
    runs(ptx, { block: [lanes, 1, 1], arguments: [to, ...from] });
    return Array.from(to as Iterable<number | bigint>).slice(0, count);
  };
  const whole = once(32);
  expect(once(count)).toEqual(whole);
  return whole;
}

/** The bits of a number as a float16 that holds it. */
export function half(x: number): number {
  if (Number.isNaN(x)) return 0x7fff;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size / 2 ** -24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 14) * 1024 + size / 2 ** (exponent - 10));
}

/** To be called in a describe: tells why its tests cannot run. */
export function needEmulator(): void {
  beforeEach(({ skip }) => {
    skip(!available, reason);
  });
}
