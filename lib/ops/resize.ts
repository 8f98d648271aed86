import { InpaintError } from '../errors.js';
import { expectNumber, expectObject } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import {
  expectRegion,
  expectWindow,
  expectWord,
  maxSide,
  type Size,
  type Windowed,
} from './window.js';

const modes = ['bilinear', 'area', 'nearest'] as const;

/** What {@link resize} makes. */
export interface ResizeOptions {
  /** Height of the output. */
  readonly h: number;
  /** Width of the output. */
  readonly w: number;
  readonly mode: (typeof modes)[number];
  /** Give 1 where the value is below this, else 0. */
  readonly below?: number;
  /** Give 1 where the value is at least this, else 0. */
  readonly atLeast?: number;
  /** Size of the input's plane, may be fractional; default the input's own. Not for `area`. */
  readonly inputExtent?: Size;
  /** Size of the output's plane, may be fractional; default h, w. Not for `area`. */
  readonly outputExtent?: Size;
  /** First row of the output in its plane, default 0. Not for `area`. */
  readonly y?: number;
  /** First column of the output in its plane, default 0. Not for `area`. */
  readonly x?: number;
}

/**
 * Resizes a map. With in and out the extents of the planes, for output row i of its plane (columns
 * alike):
 *
 * - `bilinear`: between the two rows around (i + 0.5) in / out - 0.5, clamped to the first and last
 *   row there is of the input (F.interpolate, align_corners false);
 * - `area`: the mean of rows floor(i in / out) to ceil((i + 1) in / out) - 1 (adaptive_avg_pool2d);
 * - `nearest`: row floor(i in / out), clamped likewise.
 *
 * Then, if asked, a threshold: 1 or 0. Source: F.interpolate throughout the reference; `below` 0.01
 * makes the visibility of cells from the mask (ours).
 *
 * @param input [n h w c]; a window has to hold the rows and columns read, or its edge is repeated
 * @returns [n h w c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function resize(input: Windowed, options: ResizeOptions): Tensor {
  const op = 'resize';
  expectObject(op, 'options', options);
  const { h, w, mode, below, atLeast, inputExtent, outputExtent, y = 0, x = 0 } = options;
  const window = expectWindow(op, 'input', input, 'n h w c');
  const { n, c } = window.sides;
  const out = expectRegion(op, 'output', { y, x, h, w });
  const code = expectWord(op, 'mode', mode, modes);
  if (mode === 'area' && (window.y || window.x || y || x || inputExtent || outputExtent)) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected mode area to be asked of whole planes, got a window',
    );
  }
  if (below !== undefined && atLeast !== undefined) {
    throw new InpaintError('ERR_ARGUMENT', op, 'expected one of below and atLeast, got both');
  }
  const limit = below ?? atLeast ?? 0;
  expectNumber(op, below === undefined ? 'atLeast' : 'below', limit, -1e6, 1e6);
  const from = inputExtent ?? window.sides;
  const to = outputExtent ?? { h, w };
  for (const [name, size] of [
    ['inputExtent', from],
    ['outputExtent', to],
  ] as const) {
    expectObject(op, name, size);
    expectNumber(op, `${name}.h`, size.h, 1, maxSide);
    expectNumber(op, `${name}.w`, size.w, 1, maxSide);
  }
  const [output] = enqueue(op, [window.tensor], [{ shape: [n, h, w, c] }], {
    ...out,
    inputY: window.y,
    inputX: window.x,
    inputExtentH: from.h,
    inputExtentW: from.w,
    outputExtentH: to.h,
    outputExtentW: to.w,
    mode: code,
    threshold: below !== undefined ? 1 : atLeast !== undefined ? 2 : 0,
    limit,
  });
  return output as Tensor;
}
