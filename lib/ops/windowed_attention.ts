import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxReferences } from './window.js';

/** The most rows and columns that attention reaches. */
const maxReach = 32;

/** A block on a GPU holds eight queries. */
const maxChannels = 1024;

/** What {@link windowedAttention} reads; maps of references lie one after another. */
export interface WindowedAttentionOptions {
  /** [1 h w c] features of the target, at most 1024. */
  readonly x: Tensor;
  /** [1 h w 1]: above 0.5 where a cell asks. */
  readonly query: Tensor;
  /** [r h w c] features of 1 to 64 references, aligned with the target. */
  readonly keys: Tensor;
  /** [r h w 1]: above 0.5 where a reference shows something. */
  readonly visibility: Tensor;
  /** [r h w 3] what they show. */
  readonly colours: Tensor;
  /** [r h w 3] what is added to it. */
  readonly offset: Tensor;
  /** [r h w 1] how far each reference is from the target around each cell. */
  readonly distance: Tensor;
  /** Inverse temperature over features, 0 to 1e6. */
  readonly scale: number;
  /** Inverse temperature over references, 0 to 1e6. */
  readonly pool: number;
  /** Width of the window in cells, 1e-3 to 1e3. */
  readonly sigma: number;
  /** How many rows and columns away it ends, 0 to 32. */
  readonly reach: number;
}

/**
 * Non-local attention within a window: from the cells that ask to all that references show around
 * the same place,
 *
 *   output[p] = sum over r, k of softmax_rk(s[p, r, k]) (colours[r, k] + offset[r, k]), and 1
 *   s[p, r, k] = scale <x[p] / |x[p]|, keys[r, k] / |keys[r, k]|>
 *                - |k - p|^2 / (2 sigma^2) - pool distance[r, p]
 *
 * k runs over the cells at most `reach` rows and columns from p that are seen; lengths are at least
 * 1e-12. Zeros where p does not ask, or nothing is seen there.
 *
 * Source: attend, paper 3.1.3, here among aligned references; the window, the weights of references
 * and that colours are attended to are ours.
 *
 * @returns [1 h w 4]: colour, and 1 where there is any
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function windowedAttention(options: WindowedAttentionOptions): Tensor {
  const op = 'windowedAttention';
  expectObject(op, 'options', options);
  const { x, query, keys, visibility, colours, offset, distance, scale, pool, sigma, reach } =
    options;
  const { h, w, c } = expectShape(op, 'x', x, '1 h w c');
  expectShape(op, 'query', query, '1 h w 1', { h, w });
  expectInteger(op, 'the channels of x', c, 1, maxChannels);
  const { r } = expectShape(op, 'keys', keys, 'r h w c', { h, w, c });
  expectInteger(op, 'the count of references', r, 1, maxReferences);
  expectShape(op, 'visibility', visibility, 'r h w 1', { r, h, w });
  expectShape(op, 'colours', colours, 'r h w 3', { r, h, w });
  expectShape(op, 'offset', offset, 'r h w 3', { r, h, w });
  expectShape(op, 'distance', distance, 'r h w 1', { r, h, w });
  expectNumber(op, 'scale', scale, 0, 1e6);
  expectNumber(op, 'pool', pool, 0, 1e6);
  expectNumber(op, 'sigma', sigma, 1e-3, 1e3);
  expectInteger(op, 'reach', reach, 0, maxReach);
  const inputs = [x, query, keys, visibility, colours, offset, distance];
  expectSameDevice(op, inputs);
  const shape = [1, h, w, 4];
  const parameters = { scale, pool, sigma, reach };
  const [output] = enqueue('windowed_attention', inputs, [{ shape }], parameters);
  return output as Tensor;
}
