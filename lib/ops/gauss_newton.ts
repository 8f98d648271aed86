import { InpaintError } from '../errors.js';
import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectCount, expectList, maxReferences, type Region } from './window.js';

/** What {@link gaussNewton} holds a homography to. */
export interface Anchor {
  /** [r 3 3]: what has to be bettered by a tenth to be moved away from. */
  readonly theta: Tensor;
  /** Where it matters how far that is, in pixels of the level, parts of pixels too. */
  readonly box: Region;
  /** How far is no matter, in pixels of the level, 0 to 4096. */
  readonly within: number;
}

/** What {@link gaussNewton} refines, and how. */
export interface GaussNewtonOptions {
  /** [r 3 3], target to reference: where the steps start. */
  readonly theta: Tensor;
  /** The target's level, [1 h w 4]: colour, and 1 where it is seen, else 0; h and w 4 to 4096. */
  readonly target: Tensor;
  /**
   * [1 rows columns 1]: how much the pixels count that are compared, every h / rows-th of a column
   * and w / columns-th of a row, which are whole.
   */
  readonly near: Tensor;
  /** The levels of r references, at most 64. */
  readonly references: readonly Tensor[];
  /** 0 to 64. */
  readonly steps: number;
  /** Residuals count less from this many times their mean on, 0 to 1000. */
  readonly robust: number;
  readonly anchor?: Anchor | undefined;
  /** Whether only the best of the r is wanted. */
  readonly best?: boolean | undefined;
}

/**
 * Sharpens the homography of each reference on the colours that both frames show: one level of the
 * refinement.
 *
 * Compared are the pixels (apart / 2, rounded down) + i apart, i = 0, 1, ..., of each axis, apart
 * being h / rows or w / columns. Coordinates are those of Note [corners] in binding/ops/window.h.
 * With theta's rows h1, h2, h3 and p = (x, y, 1), the reference is read at u = h1 p / d,
 * v = h2 p / d, d = max(h3 p, 0.1), bilinear, its gradients gx, gy (central differences) likewise.
 * A pixel counts m = near where the target is seen, (u, v) lies at least a pixel inside the
 * reference's outermost pixels, and the sampled visibility is above 0.99; else 0. Each of `steps`
 * steps, with R = reference - target less its mean by m, a channel at a time, solves over all pixels
 * compared and all channels, the mean over channels written mean_c,
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
 * With `anchor`, what is kept is given where it takes every corner of the box less than `within`
 * away from where the anchor takes it, or where its mismatch is below 0.9 of the anchor's; else the
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
  const { theta, target, near, references, steps, robust, anchor, best = false } = options;
  const { h, w } = expectShape(op, 'target', target, '1 h w 4');
  expectInteger(op, 'the height of target', h, 4, 4096);
  expectInteger(op, 'the width of target', w, 4, 4096);
  const { rows, columns } = expectShape(op, 'near', near, '1 rows columns 1');
  if (h % rows || w % columns) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected near to divide the height ${h} and the width ${w}, got ${rows} and ${columns}`,
    );
  }
  const { r } = expectShape(op, 'theta', theta, 'r 3 3');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectCount(op, 'references', references, r, r);
  expectList(op, 'references', references, r, '1 h w 4', { h, w });
  expectInteger(op, 'steps', steps, 0, 64);
  expectNumber(op, 'robust', robust, 0, 1000);
  if (typeof best !== 'boolean') {
    const message = `expected best to be true or false, got ${typeof best}`;
    throw new InpaintError('ERR_ARGUMENT', op, message);
  }
  if (anchor) {
    expectObject(op, 'anchor', anchor);
    expectShape(op, 'anchor.theta', anchor.theta, 'r 3 3', { r });
    expectObject(op, 'anchor.box', anchor.box);
    for (const side of ['y', 'x', 'h', 'w'] as const)
      expectNumber(op, `anchor.box.${side}`, anchor.box[side], 0, 4096);
    expectNumber(op, 'anchor.within', anchor.within, 0, 4096);
    if (best)
      throw new InpaintError('ERR_ARGUMENT', op, 'expected anchor or best, got both of them');
  }
  const inputs = [theta, anchor?.theta, target, near, ...references];
  expectSameDevice(op, inputs);
  const { box: { y, x, h: boxH, w: boxW } = { y: 0, x: 0, h: 0, w: 0 }, within = 0 } = anchor ?? {};
  const [output] = enqueue('gauss_newton', inputs, [{ shape: [best ? 1 : r, 3, 3] }], {
    steps,
    robust,
    best,
    boxY: y,
    boxX: x,
    boxH,
    boxW,
    within,
  });
  return output as Tensor;
}
