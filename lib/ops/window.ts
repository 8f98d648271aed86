import { InpaintError } from '../errors.js';
import { expectInteger, expectObject, expectShape, type Sides } from '../expect.js';
import type { Tensor } from '../tensor.js';

/**
 * The part of a plane that a tensor holds: its first row is row `y` of the plane, its first column
 * is column `x`. See Note [windows] in binding/ops/window.h.
 */
export interface Window {
  readonly tensor: Tensor;
  readonly y: number;
  readonly x: number;
}

/** A map: a plain tensor is the whole plane, or lies at 0, 0 of it. */
export type Windowed = Tensor | Window;

/** Height and width, in pixels. */
export interface Size {
  readonly h: number;
  readonly w: number;
}

/** Where in its plane an operation's output lies. */
export interface Region extends Size {
  readonly y: number;
  readonly x: number;
}

/** The most references an operation takes at once. */
export const maxReferences = 64;

/** The longest side a plane may have. */
export const maxSide = 65536;

/** @internal Checks a map and where it lies; the pattern is that of expectShape. */
export function expectWindow<P extends string>(
  op: string,
  name: string,
  value: Windowed,
  pattern: P,
  known?: Readonly<Record<string, number>>,
): Window & { readonly sides: Record<Sides<P>, number> } {
  const given = typeof value === 'object' && value !== null && 'tensor' in value;
  const { tensor, y, x } = given ? value : { tensor: value, y: 0, x: 0 };
  const sides = expectShape(op, name, tensor, pattern, known);
  expectInteger(op, `${name}.y`, y, 0, maxSide);
  expectInteger(op, `${name}.x`, x, 0, maxSide);
  return { tensor, y, x, sides };
}

/**
 * @internal Checks a region; the answer holds its numbers as the parameters outH, outW, outY, outX.
 */
export function expectRegion(op: string, name: string, region: Region): Record<string, number> {
  expectObject(op, name, region);
  const { y, x, h, w } = region;
  expectInteger(op, `${name}.y`, y, 0, maxSide);
  expectInteger(op, `${name}.x`, x, 0, maxSide);
  expectInteger(op, `${name}.h`, h, 1, maxSide);
  expectInteger(op, `${name}.w`, w, 1, maxSide);
  return { outH: h, outW: w, outY: y, outX: x };
}

/** @internal Checks that a window holds all of a region. */
export function expectCover(
  op: string,
  name: string,
  { tensor, y, x }: Window,
  region: Region,
): void {
  const [, h = 0, w = 0] = tensor.shape;
  const inside =
    y <= region.y && x <= region.x && y + h >= region.y + region.h && x + w >= region.x + region.w;
  if (inside) return;
  const text = (top: number, left: number, rows: number, columns: number) =>
    `rows ${top} to ${top + rows - 1} and columns ${left} to ${left + columns - 1}`;
  throw new InpaintError(
    'ERR_SHAPE',
    op,
    `expected ${name} to cover ${text(region.y, region.x, region.h, region.w)}, got ${text(y, x, h, w)}`,
  );
}

/** @internal Checks how many tensors a list holds, and that it has no gap. */
export function expectCount(
  op: string,
  name: string,
  list: unknown,
  min: number,
  max: number,
): void {
  const count = Array.isArray(list) ? list.length : undefined;
  // A gap would pass by forEach, map and indexOf, which leave it out.
  const gap = Array.isArray(list) ? [...list].indexOf(undefined) : -1;
  if (gap >= 0) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      `expected ${name}[${gap}] to be a Tensor, got undefined`,
    );
  }
  if (count !== undefined && count >= min && count <= max) return;
  const wanted = min === max ? min : `${min} to ${max}`;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to hold ${wanted} tensors, got ${count ?? typeof list}`,
  );
}

/**
 * @internal Checks that tensors are 1 to `max` in number and of one shape; the answer is their
 * sides.
 */
export function expectList<P extends string>(
  op: string,
  name: string,
  list: readonly Tensor[],
  max: number,
  pattern: P,
  known: Readonly<Record<string, number>> = {},
): Record<Sides<P>, number> {
  expectCount(op, name, list, 1, max);
  let sides: Record<string, number> = known;
  list.forEach((tensor, i) => {
    sides = expectShape(op, `${name}[${i}]`, tensor, pattern, sides);
  });
  return sides as Record<Sides<P>, number>;
}

/** @internal Checks the visibility of `count` maps. */
export function expectVisibility(
  op: string,
  name: string,
  list: readonly Tensor[],
  count: number,
  { h, w }: Size,
): void {
  expectCount(op, name, list, count, count);
  expectList(op, name, list, count, '1 h w 1', { h, w });
}

/**
 * @internal Checks a word against those allowed; the answer is its place among them, as the native
 * enumeration counts.
 */
export function expectWord(
  op: string,
  name: string,
  value: string,
  words: readonly string[],
): number {
  const place = words.indexOf(value);
  if (place >= 0) return place;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be one of ${words.join(', ')}, got ${String(value)}`,
  );
}
