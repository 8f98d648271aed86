import { InpaintError } from '../errors.js';
import {
  expectInteger,
  expectNumber,
  expectObject,
  expectSameDevice,
  expectShape,
} from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxSide } from './window.js';

/** How {@link flowWarp} reads the flow. */
export interface FlowWarpOptions {
  /** From the flow's unit to pixels of the source, across. */
  readonly scaleX: number;
  /** From the flow's unit to pixels of the source, down. */
  readonly scaleY: number;
  /** Where the flow's first row lies in the source's plane, default 0. */
  readonly y?: number;
  /** Where the flow's first column lies in the source's plane, default 0. */
  readonly x?: number;
}

/**
 * Warps a whole plane backward along a flow, bilinear, with the border repeated:
 *
 *   output[p] = source[p + (scaleX flow[p, 0], scaleY flow[p, 1])]
 *
 * Bytes are read as value / 127.5 - 1, and only their first three channels. Further channels of the
 * flow are not read. Where the flow is not a number the output is some pixel of the source.
 *
 * Source: W, paper 3.2; `warp` of the reference.
 *
 * @param source [1 H W c] float, or [1 H W 3 or 4] uint8
 * @param flow [1 h w 2 or more]: dx, dy
 * @returns [1 h w c], c = 3 for bytes
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function flowWarp(source: Tensor, flow: Tensor, options: FlowWarpOptions): Tensor {
  const op = 'flowWarp';
  expectObject(op, 'options', options);
  const { scaleX, scaleY, y = 0, x = 0 } = options;
  const dtype = source?.dtype === 'u8' ? 'u8' : 'f32';
  const { c } = expectShape(op, 'source', source, '1 sh sw c', {}, dtype);
  if (dtype === 'u8' && c !== 3 && c !== 4) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected source of bytes to have 3 or 4 channels, got ${c}`,
    );
  }
  const { h, w, f } = expectShape(op, 'flow', flow, '1 h w f');
  if (f < 2)
    throw new InpaintError('ERR_SHAPE', op, `expected flow to have 2 or more channels, got ${f}`);
  expectNumber(op, 'scaleX', scaleX, -maxSide, maxSide);
  expectNumber(op, 'scaleY', scaleY, -maxSide, maxSide);
  expectInteger(op, 'y', y, 0, maxSide);
  expectInteger(op, 'x', x, 0, maxSide);
  const inputs = [source, flow];
  expectSameDevice(op, inputs);
  const [output] = enqueue('flow_warp', inputs, [{ shape: [1, h, w, dtype === 'u8' ? 3 : c] }], {
    scaleX,
    scaleY,
    outY: y,
    outX: x,
  });
  return output as Tensor;
}
