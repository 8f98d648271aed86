import { expectNumber, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectList, expectSeen, maxReferences } from './window.js';

/**
 * Non-local attention from cells of a map to all visible cells of all references, added to the map:
 *
 *   output[p] = x[p] + sum over k of softmax_k(scale <x[p] / |x[p]|, v[k] / |v[k]|>) v[k]
 *   x[p] where not query[p]
 *
 * k runs over the cells of the references whose seen is above 0.5, p asks where query is above 0.5;
 * lengths are at least 1e-12. With nothing visible the output is x.
 *
 * Source: attend, paper 3.1.3; the softmax's scale and unit vectors are ours.
 *
 * @param x [1 h w c]
 * @param query [1 h w 1]
 * @param references 1 to 64 maps [1 h w c]
 * @param referencesSeen as many maps [1 h w 1]
 * @param scale inverse temperature, 0 to 1e6
 * @returns [1 h w c]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function nonlocalAttention(
  x: Tensor,
  query: Tensor,
  references: readonly Tensor[],
  referencesSeen: readonly Tensor[],
  scale: number,
): Tensor {
  const op = 'nonlocalAttention';
  const { h, w, c } = expectShape(op, 'x', x, '1 h w c');
  expectShape(op, 'query', query, '1 h w 1', { h, w });
  expectList(op, 'references', references, maxReferences, '1 h w c', { h, w, c });
  expectSeen(op, 'referencesSeen', referencesSeen, references.length, { h, w });
  expectNumber(op, 'scale', scale, 0, 1e6);
  const inputs = [x, query, ...references, ...referencesSeen];
  expectSameDevice(op, inputs);
  const [output] = enqueue('nonlocal_attention', inputs, [{ shape: x.shape }], { scale });
  return output as Tensor;
}
