import { InpaintError } from '../errors.js';
import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import type { RefinementLevel } from './refinement_level.js';
import { expectCount, expectList, expectSeen, maxReferences, type Region } from './window.js';

/** What {@link gaussNewton} refines, and how. */
export interface GaussNewtonOptions {
  /** [r 3 3], target to reference: where the steps start. */
  readonly theta: Tensor;
  /** The target's level; h and w 3 to 4096, near above 0. */
  readonly target: RefinementLevel;
  /** The levels of r references, at most 64. */
  readonly references: readonly Pick<RefinementLevel, 'colour' | 'seen'>[];
  /** 0 to 64. */
  readonly steps: number;
  /** Residuals count less from this many times their mean on, 0 to 1000. */
  readonly robust: number;
  /** [r 3 3]: what has to be bettered by a tenth to be moved away from. */
  readonly anchor?: Tensor | undefined;
  /**
   * With `anchor`: where it matters how far that is, in pixels of the level, parts of pixels too.
   * All of the level if absent.
   */
  readonly box?: Region | undefined;
  /** Whether only the best of the r is wanted. */
  readonly best?: boolean | undefined;
}

/**
 * Sharpens the homography of each reference on the colours that both frames show: one level of the
 * refinement.
 *
 * Coordinates are those of Note [corners] in binding/ops/window.h. With theta's rows h1, h2, h3 and
 * p = (x, y, 1), the reference is read at u = h1 p / d, v = h2 p / d, d = max(h3 p, 0.1), bilinear,
 * zeros outside, its gradients gx, gy likewise (central differences, zero at the border). A pixel
 * counts m = near where the target is seen and the sampled visibility is above 0.99, else 0. Each
 * of `steps` steps, with R = reference - target less its mean by m, a channel at a time, solves over
 * all pixels and channels, the mean over channels written mean_c,
 *
 *   (J'WJ + diag(1e-3 J'WJ + 1e-6 max J'WJ + 1e-6)) step = J'W R
 *   J = (gx x, gx y, gx, gy x, gy y, gy, gz x, gz y) / d,   gz = -(gx u + gy v)
 *   W = m / (1 + mean_c R^2 / s^2)^2,   s = robust (mean by m of mean_c |R|) + 0.01
 *
 * and takes off the step, each of its eight numbers clamped to [-0.1, 0.1], if m > 0 for more than
 * 5 % of the pixels. The mismatch is the mean by m of min(mean_c |R|, 0.1), plus 0.3 when m > 0 for
 * fewer than 5 %; sums of m that divide are at least 1e-3. The outcome is kept, per reference, only
 * where the mismatch falls. A homography that is not finite stays, its mismatch 1, above all others.
 *
 * With `anchor`, what is kept is given where it takes every corner of `box` less than one pixel away
 * from where the anchor takes it, or where its mismatch is below 0.9 of the anchor's; else the
 * anchor. With `best`, only the one of the least mismatch is given, the first of equals.
 *
 * Source: `gauss_newton` of weights/training/alignment.py (ours).
 *
 * @returns [r 3 3]; [1 3 3] with `best`
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function gaussNewton(options: GaussNewtonOptions): Tensor {
  const op = 'gaussNewton';
  expectObject(op, 'options', options);
  const { theta, target, references, steps, robust, anchor, best = false } = options;
  expectObject(op, 'target', target);
  const { h, w } = expectShape(op, 'target.colour', target.colour, '1 h w 3');
  expectInteger(op, 'the height of target', h, 3, 4096);
  expectInteger(op, 'the width of target', w, 3, 4096);
  expectShape(op, 'target.seen', target.seen, '1 h w 1', { h, w });
  expectShape(op, 'target.near', target.near, '1 h w 1', { h, w });
  const { r } = expectShape(op, 'theta', theta, 'r 3 3');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectCount(op, 'references', references, r, r);
  const colours = references.map((it) => it.colour);
  const seen = references.map((it) => it.seen);
  expectList(op, "the references' colour", colours, r, '1 h w 3', { h, w });
  expectSeen(op, "the references' seen", seen, r, { h, w });
  expectInteger(op, 'steps', steps, 0, 64);
  expectNumber(op, 'robust', robust, 0, 1000);
  const { box = { y: 0, x: 0, h, w } } = options;
  expectObject(op, 'box', box);
  for (const side of ['y', 'x', 'h', 'w'] as const)
    expectNumber(op, `box.${side}`, box[side], 0, 4096);
  if (anchor) {
    expectShape(op, 'anchor', anchor, 'r 3 3', { r });
    if (best)
      throw new InpaintError('ERR_ARGUMENT', op, 'expected anchor or best, got both of them');
  }
  const inputs = [theta, anchor, target.colour, target.seen, target.near, ...colours, ...seen];
  expectSameDevice(op, inputs);
  const sides = { boxY: box.y, boxX: box.x, boxH: box.h, boxW: box.w };
  const [output] = enqueue('gauss_newton', inputs, [{ shape: [best ? 1 : r, 3, 3] }], {
    steps,
    robust,
    best,
    ...sides,
  });
  return output as Tensor;
}
