import { InpaintError } from '../errors.js';
import { expectInteger, expectNumber, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxReferences } from './window.js';

/** What {@link localDistance} gives. */
export interface LocalDistance {
  /** [r h/4 w/4 1]. */
  readonly distance: Tensor;
  /** [r h/4 w/4 3], to be added to the aligned frames. */
  readonly offset: Tensor;
}

/**
 * How far each aligned frame is from the target around a place, and by what colour, told from where
 * both are seen and carried into the hole. With B[r, p] = visibility[r, p] targetVisibility[p], and means over
 * cells of 4 x 4 pixels:
 *
 *   W[r] = mean B,   E[r] = mean B min(max(target - aligned[r], -0.3), 0.3)
 *   offset[r] = (G(E[r]) + 0.03 e[r]) / (G(W[r]) + 0.03),   e[r] = sum E[r] / max(sum W[r], 1e-6)
 *   D[r] = mean B min(mean over channels of |aligned[r] + offset[r] - target|, 0.5)
 *   distance[r] = (G(D[r]) + 0.001 d[r]) / (G(W[r]) + 0.001),   d[r] = sum D[r] / max(sum W[r], 1e-6)
 *
 * The sums are over the whole map. G is a Gaussian with a deviation of s = sigma / 4 cells, its
 * floor(2.5 s + 0.5) neighbours in each direction weighed to a sum of 1, with zeros outside. Pixels
 * with B = 0 are not read.
 *
 * Source: ours; the similarity D of paper 3.1.2, made local.
 *
 * @param aligned [r h w 3], h and w multiples of 4
 * @param visibility [r h w 1], 0 or 1
 * @param target [1 h w 3]
 * @param targetVisibility [1 h w 1], 0 or 1
 * @param sigma in pixels, 1 to 256
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function localDistance(
  aligned: Tensor,
  visibility: Tensor,
  target: Tensor,
  targetVisibility: Tensor,
  sigma: number,
): LocalDistance {
  const op = 'localDistance';
  const { r, h, w } = expectShape(op, 'aligned', aligned, 'r h w 3');
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  if (h % 4 || w % 4) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected h and w to be multiples of 4, got ${h} and ${w}`,
    );
  }
  expectShape(op, 'visibility', visibility, 'r h w 1', { r, h, w });
  expectShape(op, 'target', target, '1 h w 3', { h, w });
  expectShape(op, 'targetVisibility', targetVisibility, '1 h w 1', { h, w });
  expectNumber(op, 'sigma', sigma, 1, 256);
  const inputs = [aligned, visibility, target, targetVisibility];
  expectSameDevice(op, inputs);
  const [distance, offset] = enqueue(
    'local_distance',
    inputs,
    [{ shape: [r, h / 4, w / 4, 1] }, { shape: [r, h / 4, w / 4, 3] }],
    { sigma },
  ) as [Tensor, Tensor];
  return { distance, offset };
}
