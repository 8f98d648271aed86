import { InpaintError } from '../errors.js';
import { expectNumber, expectObject, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import {
  expectList,
  expectRegion,
  expectSeen,
  maxReferences,
  maxSide,
  type Region,
  type Size,
} from './window.js';

/** Which part {@link affineSample} makes; everything may be left out. */
export interface AffineSampleOptions {
  /** The part of the plane to make, default the sources' own size. */
  readonly region?: Region;
  /**
   * What [-1, 1] spans, in pixels, in both planes; may be fractional; default the sources' own
   * size.
   */
  readonly extent?: Size;
}

/** What {@link affineSample} gives. */
export interface AffineSampled {
  /** [r h w c]. */
  readonly output: Tensor;
  /** [r h w 1]: 1 where what was sampled is seen, else 0. */
  readonly seen: Tensor;
}

/**
 * Samples each source under its affine transform, bilinear, with zeros outside.
 *
 * Output pixel (x, y) of the plane is at X = (x + 0.5) 2 / extent.w - 1, Y likewise (Note [corners]
 * in binding/ops/window.h); the source is read at theta[r] (X, Y, 1), brought back to pixels by the
 * same rule. `seen` is sampled likewise and is 1 where the result is above 0.99, so where all that
 * was read is visible. Bytes are read as value / 127.5 - 1, and only their first three channels;
 * their `seen` is 0 or 1. A position that is not a number lies outside.
 *
 * Source: align, paper 3.1.2, `sample` of the reference; on pixels it is ours.
 *
 * @param sources 1 to 64 maps [1 h w c] float, or [1 h w 3 or 4] uint8
 * @param seen as many maps [1 h w 1] of the same type, 0 or 1
 * @param theta [r, 2, 3], output to source coordinates
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function affineSample(
  sources: readonly Tensor[],
  seen: readonly Tensor[],
  theta: Tensor,
  options: AffineSampleOptions = {},
): AffineSampled {
  const op = 'affineSample';
  const dtype = Array.isArray(sources) && sources[0]?.dtype === 'u8' ? 'u8' : 'f32';
  const { h, w, c } = expectList(op, 'sources', sources, maxReferences, '1 h w c', {}, dtype);
  if (dtype === 'u8' && c !== 3 && c !== 4) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected sources of bytes to have 3 or 4 channels, got ${c}`,
    );
  }
  const r = sources.length;
  expectSeen(op, 'seen', seen, r, { h, w }, dtype);
  expectShape(op, 'theta', theta, 'r 2 3', { r });
  expectObject(op, 'options', options);
  const { region = { y: 0, x: 0, h, w }, extent = { h, w } } = options;
  const out = expectRegion(op, 'region', region);
  expectObject(op, 'extent', extent);
  expectNumber(op, 'extent.h', extent.h, 1, maxSide);
  expectNumber(op, 'extent.w', extent.w, 1, maxSide);
  const inputs = [theta, ...sources, ...seen];
  expectSameDevice(op, inputs);
  const [output, outputSeen] = enqueue(
    'affine_sample',
    inputs,
    [
      { shape: [r, region.h, region.w, dtype === 'u8' ? 3 : c] },
      { shape: [r, region.h, region.w, 1] },
    ],
    { ...out, extentH: extent.h, extentW: extent.w },
  ) as [Tensor, Tensor];
  return { output, seen: outputSeen };
}
