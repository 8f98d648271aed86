import { InpaintError } from '../errors.js';
import { expectInteger, expectObject, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { maxSide, type Size } from './window.js';

/** Distances are kept in 16 bits. */
const maxDilate = 65000;

/** How {@link packFrame} brings a frame to its working size. */
export interface PackFrameOptions {
  /** Radius of the disc by which the hole grows, in pixels of the frame as given; 0 to 65000. */
  readonly dilate: number;
  /** Size of the frame in the working plane, at most its own. */
  readonly scaled: Size;
  /** Size of the working plane, at least `scaled`. */
  readonly plane: Size;
}

/** A frame as the network reads it. */
export interface PackedFrame {
  /** [1 h w 3] in [-1, 1]. */
  readonly colour: Tensor;
  /** [1 h w 1]: 1 in the hole, 0 elsewhere. */
  readonly hole: Tensor;
  /** [1 h w 1]: 1 - hole. */
  readonly visibility: Tensor;
  /** [1 h w 4]: colour times seen, then hole. */
  readonly input: Tensor;
  /** [1 H W 1] uint8 of the frame as given: 0 in the dilated hole, 1 elsewhere. */
  readonly nativeVisibility: Tensor;
}

/**
 * Makes the network's input from an 8-bit frame and its mask.
 *
 * The hole is every pixel within `dilate` (dy^2 + dx^2 <= dilate^2) of a non-zero mask pixel. A
 * pixel of the scaled frame covers H / h x W / w pixels of the given one: its colour is their mean,
 * weighted by the area covered, divided by 127.5, less 1; it is hole where it covers any part of a
 * hole pixel. Beyond the scaled frame the working plane repeats its last row and column. Alpha is
 * not read.
 *
 * Source: X V and M, paper 3.1; scaling, dilation and padding are ours.
 *
 * @param frame uint8 [1 H W 3] or [1 H W 4]
 * @param mask uint8 [1 H W 1], any non-zero is hole
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function packFrame(frame: Tensor, mask: Tensor, options: PackFrameOptions): PackedFrame {
  const op = 'packFrame';
  expectObject(op, 'options', options);
  const { dilate, scaled, plane } = options;
  const { h, w, c } = expectShape(op, 'frame', frame, '1 h w c', {}, 'u8');
  if (c !== 3 && c !== 4)
    throw new InpaintError('ERR_SHAPE', op, `expected frame to have 3 or 4 channels, got ${c}`);
  expectShape(op, 'mask', mask, '1 h w 1', { h, w }, 'u8');
  expectSameDevice(op, [frame, mask]);
  expectInteger(op, 'dilate', dilate, 0, maxDilate);
  expectObject(op, 'scaled', scaled);
  expectObject(op, 'plane', plane);
  expectInteger(op, 'scaled.h', scaled.h, 1, h);
  expectInteger(op, 'scaled.w', scaled.w, 1, w);
  expectInteger(op, 'plane.h', plane.h, scaled.h, maxSide);
  expectInteger(op, 'plane.w', plane.w, scaled.w, maxSide);
  const map = (channels: number) => ({ shape: [1, plane.h, plane.w, channels] });
  const [colour, hole, visibility, input, nativeVisibility] = enqueue(
    'pack_frame',
    [frame, mask],
    [map(3), map(1), map(1), map(4), { shape: [1, h, w, 1], dtype: 'u8' }],
    { dilate, scaledH: scaled.h, scaledW: scaled.w, planeH: plane.h, planeW: plane.w },
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  return { colour, hole, visibility, input, nativeVisibility };
}
