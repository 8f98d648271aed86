import { InpaintError } from '../errors.js';
import { expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectWindow, type Windowed } from './window.js';

/** What {@link composite} gives. */
export interface Composited {
  /** The frame with its hole filled, of the frame's type. */
  readonly frame: Tensor;
  /** [2]: pixels of the hole, and those of them that are known. */
  readonly coverage: Tensor;
}

/**
 * Puts an output into the frame's hole: where `visibility` is 0 and y's window has the pixel, colour
 * becomes y clamped to [-1, 1], for bytes round((y + 1) 127.5). Everything else, alpha too, is the
 * frame's own bit for bit. A pixel of the hole counts as known where y's window has it and `known`
 * is above 0.5; outside its own window `known` is 0.
 *
 * Source: `composite` of the reference.
 *
 * @param y [1 yh yw 3], as a window of the frame
 * @param known [1 kh kw 1], as a window of the frame
 * @param frame [1 h w c] float or uint8, c 3 or 4
 * @param visibility [1 h w 1] of the frame's type, 0 in the hole
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function composite(
  y: Windowed,
  known: Windowed,
  frame: Tensor,
  visibility: Tensor,
): Composited {
  const op = 'composite';
  const dtype = frame?.dtype === 'u8' ? 'u8' : 'f32';
  const { h, w, c } = expectShape(op, 'frame', frame, '1 h w c', {}, dtype);
  if (c !== 3 && c !== 4)
    throw new InpaintError('ERR_SHAPE', op, `expected frame to have 3 or 4 channels, got ${c}`);
  expectShape(op, 'visibility', visibility, '1 h w 1', { h, w }, dtype);
  const output = expectWindow(op, 'y', y, '1 yh yw 3');
  const certain = expectWindow(op, 'known', known, '1 kh kw 1');
  const inputs = [output.tensor, certain.tensor, frame, visibility];
  expectSameDevice(op, inputs);
  const [filled, coverage] = enqueue(op, inputs, [{ shape: [1, h, w, c], dtype }, { shape: [2] }], {
    yY: output.y,
    yX: output.x,
    knownY: certain.y,
    knownX: certain.x,
  }) as [Tensor, Tensor];
  return { frame: filled, coverage };
}
