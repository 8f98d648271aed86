import { InpaintError } from '../errors.js';
import { expectInteger, expectNumber, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxSide } from './window.js';

/** A frame at one size of the refinement. */
export interface RefinementLevel {
  /** [1 h w 4]: colour, blurred; and 1 where more than 60 % of the cell is seen, else 0. */
  readonly level: Tensor;
  /** With sigma, [1 h w 1]: how much a cell counts, 0.01 to 1.01: more the nearer to the hole. */
  readonly near?: Tensor;
}

/**
 * Makes what {@link gaussNewton} reads of a frame: cells of `factor` x `factor` pixels. With
 * V = 1 - hole and a mean taken over a cell:
 *
 *   level = (colour, visibility)
 *   colour = B(mean of V colour) / max(B(mean V), 1e-6)
 *   visibility = 1 where mean V > 0.6, else 0
 *   near = 0.01 + G(1 - visibility) / G(1),   only with sigma
 *
 * B blurs by 1 2 1 over 4 in both directions, G by exp(-i^2 / (2 s^2)), s = sigma / factor, up to
 * int(2.5 s + 0.5) cells away; beyond the border both find zeros, so neither it nor the hole brings
 * anything in. Colours of the hole are not read.
 *
 * Source: `levels` of weights/training/alignment.py (ours).
 *
 * @param colour [1 h w 3]
 * @param hole [1 h w 1], 1 in the hole, 0 elsewhere
 * @param factor 1 to 16, divides h and w
 * @param sigma in pixels of the frame, 0.1 to 1024
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function refinementLevel(
  colour: Tensor,
  hole: Tensor,
  factor: number,
  sigma?: number,
): RefinementLevel {
  const op = 'refinementLevel';
  const { h, w } = expectShape(op, 'colour', colour, '1 h w 3');
  expectShape(op, 'hole', hole, '1 h w 1', { h, w });
  expectSameDevice(op, [colour, hole]);
  expectInteger(op, 'the height of colour', h, 1, maxSide);
  expectInteger(op, 'the width of colour', w, 1, maxSide);
  expectInteger(op, 'factor', factor, 1, 16);
  if (sigma !== undefined) expectNumber(op, 'sigma', sigma, 0.1, 1024);
  if (h % factor || w % factor) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      `expected factor to divide the height ${h} and the width ${w}, got ${factor}`,
    );
  }
  const map = (c: number) => ({ shape: [1, h / factor, w / factor, c] });
  const cells = (sigma ?? 0) / factor;
  const [level, near] = enqueue(
    'refinement_level',
    [colour, hole],
    sigma === undefined ? [map(4)] : [map(4), map(1)],
    { factor, sigma: cells, radius: Math.floor(2.5 * cells + 0.5) },
  ) as [Tensor, Tensor?];
  return near ? { level, near } : { level };
}
