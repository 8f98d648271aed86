import type { Round } from '../close.js';
import type { Plane } from '../random.js';

/** Where the output lies, and how large both planes are. */
export interface Resize {
  readonly mode: 'bilinear' | 'area' | 'nearest';
  readonly y: number;
  readonly x: number;
  readonly h: number;
  readonly w: number;
  readonly inputExtent: { readonly h: number; readonly w: number };
  readonly outputExtent: { readonly h: number; readonly w: number };
}

/**
 * Rows (or columns) of the input, counted from `first`, and their weights, that make row i of the
 * output.
 */
function taps(
  mode: Resize['mode'],
  i: number,
  from: number,
  to: number,
  first: number,
  count: number,
) {
  const inside = (row: number) => Math.min(Math.max(row - first, 0), count - 1);
  if (mode === 'nearest') return [[inside(Math.floor((i * from) / to)), 1] as const];
  if (mode === 'area') {
    const begin = Math.floor((i * from) / to);
    const end = Math.ceil(((i + 1) * from) / to);
    return Array.from({ length: end - begin }, (_, j) => [begin + j, 1 / (end - begin)] as const);
  }
  const position = inside(((i + 0.5) * from) / to - 0.5);
  const row = Math.floor(position);
  return [
    [row, 1 - (position - row)] as const,
    [Math.min(row + 1, count - 1), position - row] as const,
  ];
}

/** Without the threshold. */
export function resize(input: Plane, to: Resize, round: Round): Float64Array {
  const { mode, inputExtent, outputExtent } = to;
  const out = new Float64Array(input.n * to.h * to.w * input.c);
  let at = 0;
  for (let n = 0; n < input.n; n++) {
    for (let y = to.y; y < to.y + to.h; y++) {
      const rows = taps(mode, y, inputExtent.h, outputExtent.h, input.y, input.h);
      for (let x = to.x; x < to.x + to.w; x++) {
        const columns = taps(mode, x, inputExtent.w, outputExtent.w, input.x, input.w);
        for (let c = 0; c < input.c; c++) {
          let sum = 0;
          for (const [row, down] of rows) {
            for (const [column, across] of columns) {
              const value = input.data[((n * input.h + row) * input.w + column) * input.c + c];
              sum = round(sum + round((value as number) * round(round(down) * round(across))));
            }
          }
          out[at++] = sum;
        }
      }
    }
  }
  return out;
}
