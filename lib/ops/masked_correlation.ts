import { expectInteger, expectNumber, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, Tensor } from '../tensor.js';
import { expectCount, expectList, expectSeen, maxReferences } from './window.js';

/**
 * Matches every cell of the target against every cell of each reference:
 *
 *   output[r, j, i] = softmax over visible i of (scale <u(reference[r, i]), u(target[j])>)
 *   0 where i or j is hidden
 *
 * i and j count cells row major; u(v) = v / max(|v|, 1e-12); cells are visible where seen is above
 * 0.5.
 *
 * Source: masked matching, paper 3.1.1; the softmax's scale is ours.
 *
 * @param target [1 h w c]
 * @param targetSeen [1 h w 1]
 * @param references 1 to 64 maps [1 h w c], or all of them in one tensor [r h w c]
 * @param referencesSeen likewise, with one channel
 * @param scale inverse temperature, 0 to 1e6
 * @returns [r, h, w, h w], the last axis i
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function maskedCorrelation(
  target: Tensor,
  targetSeen: Tensor,
  references: Tensor | readonly Tensor[],
  referencesSeen: Tensor | readonly Tensor[],
  scale: number,
): Tensor {
  const op = 'maskedCorrelation';
  const { h, w, c } = expectShape(op, 'target', target, '1 h w c');
  expectShape(op, 'targetSeen', targetSeen, '1 h w 1', { h, w });
  expectNumber(op, 'scale', scale, 0, 1e6);
  const stacked = references instanceof Tensor;
  const maps = stacked ? [references] : references;
  const seen = referencesSeen instanceof Tensor ? [referencesSeen] : referencesSeen;
  expectCount(op, 'references', maps, 1, maxReferences);
  let r = maps.length;
  if (stacked) {
    ({ r } = expectShape(op, 'references', references, 'r h w c', { h, w, c }));
    expectInteger(op, 'the count of references', r, 1, maxReferences);
    expectShape(op, 'referencesSeen', referencesSeen, 'r h w 1', { r, h, w });
  } else {
    expectList(op, 'references', maps, maxReferences, '1 h w c', { h, w, c });
    expectSeen(op, 'referencesSeen', seen, r, { h, w });
  }
  const inputs = [target, targetSeen, ...maps, ...seen];
  expectSameDevice(op, inputs);
  const [output] = enqueue('masked_correlation', inputs, [{ shape: [r, h, w, h * w] }], {
    r,
    stacked,
    scale,
  });
  return output as Tensor;
}
