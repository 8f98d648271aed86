import { expectInteger, expectNumber, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, Tensor } from '../tensor.js';
import { expectCount, expectList, expectVisibility, maxReferences } from './window.js';

/**
 * Matches every cell of the target against every cell of each reference:
 *
 *   output[r, j, i] = softmax over visible i of (scale <u(reference[r, i]), u(target[j])>)
 *   0 where i or j is hidden
 *
 * i and j count cells row major; u(v) = v / max(|v|, 1e-12); cells are visible where visibility is above
 * 0.5.
 *
 * Source: masked matching, paper 3.1.1; the softmax's scale is ours.
 *
 * @param target [1 h w c]
 * @param targetVisibility [1 h w 1]
 * @param references 1 to 64 maps [1 h w c], or all of them in one tensor [r h w c]
 * @param referencesVisibility likewise, with one channel
 * @param scale inverse temperature, 0 to 1e6
 * @returns [r, h, w, h w], the last axis i
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function maskedCorrelation(
  target: Tensor,
  targetVisibility: Tensor,
  references: Tensor | readonly Tensor[],
  referencesVisibility: Tensor | readonly Tensor[],
  scale: number,
): Tensor {
  const op = 'maskedCorrelation';
  const { h, w, c } = expectShape(op, 'target', target, '1 h w c');
  expectShape(op, 'targetVisibility', targetVisibility, '1 h w 1', { h, w });
  expectNumber(op, 'scale', scale, 0, 1e6);
  const stacked = references instanceof Tensor;
  const maps = stacked ? [references] : references;
  const visibility =
    referencesVisibility instanceof Tensor ? [referencesVisibility] : referencesVisibility;
  expectCount(op, 'references', maps, 1, maxReferences);
  let r = maps.length;
  if (stacked) {
    ({ r } = expectShape(op, 'references', references, 'r h w c', { h, w, c }));
    expectInteger(op, 'the count of references', r, 1, maxReferences);
    expectShape(op, 'referencesVisibility', referencesVisibility, 'r h w 1', { r, h, w });
  } else {
    expectList(op, 'references', maps, maxReferences, '1 h w c', { h, w, c });
    expectVisibility(op, 'referencesVisibility', visibility, r, { h, w });
  }
  const inputs = [target, targetVisibility, ...maps, ...visibility];
  expectSameDevice(op, inputs);
  const [output] = enqueue('masked_correlation', inputs, [{ shape: [r, h, w, h * w] }], {
    r,
    stacked,
    scale,
  });
  return output as Tensor;
}
