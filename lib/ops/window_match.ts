import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxReferences } from './window.js';

/** How {@link windowMatch} looks for matches. */
export interface WindowMatchOptions {
  /** How far away they may be, in pixels, 0 to 16. */
  readonly radius: number;
  /** What a squared distance in pixels adds, 0 to 1. */
  readonly slope: number;
  /** What the wrong label adds, 0 to 16. */
  readonly toll: number;
}

/**
 * How far the best match of each pixel's surroundings is, in a window of several frames, among the
 * pixels of either label:
 *
 *   output[p, k] = min over r, q of D(p, r, q) + slope |q - p|^2 + toll miss[k]
 *   D(p, r, q) = mean over the 3 x 3 offsets o of |target(p + o) - frames[r](q + o)|^2
 *   miss[0] = labels[r, q],   miss[1] = 1 - labels[r, q]
 *
 * over the pixels q of the plane with |q - p| <= radius that are visible; at most 16, which is also
 * the answer where there is none. The square of a colour is summed over channels. Offsets that leave
 * the plane find its border. Colours next to what is visible are read too.
 *
 * Source: ours; label propagation by local matching, as a minimum instead of a sum.
 *
 * @param target [1 h w 3]
 * @param frames [r h w 3], r up to 64
 * @param visibility [r h w 1]: above 0.5 where a pixel counts
 * @param labels [r h w 1], in [0, 1]
 * @returns [1 h w 2]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function windowMatch(
  target: Tensor,
  frames: Tensor,
  visibility: Tensor,
  labels: Tensor,
  options: WindowMatchOptions,
): Tensor {
  const op = 'windowMatch';
  expectObject(op, 'options', options);
  const { radius, slope, toll } = options;
  const { r, h, w } = expectShape(op, 'frames', frames, 'r h w 3');
  expectInteger(op, 'the count of frames', r, 1, maxReferences);
  expectShape(op, 'target', target, '1 h w 3', { h, w });
  expectShape(op, 'visibility', visibility, 'r h w 1', { r, h, w });
  expectShape(op, 'labels', labels, 'r h w 1', { r, h, w });
  expectInteger(op, 'radius', radius, 0, 16);
  expectNumber(op, 'slope', slope, 0, 1);
  expectNumber(op, 'toll', toll, 0, 16);
  const inputs = [target, frames, visibility, labels];
  expectSameDevice(op, inputs);
  const [output] = enqueue('window_match', inputs, [{ shape: [1, h, w, 2] }], {
    radius,
    slope,
    toll,
  });
  return output as Tensor;
}
