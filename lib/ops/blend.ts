import { InpaintError } from '../errors.js';
import { expectObject, expectSameDevice } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectCover, expectRegion, expectWindow, type Region, type Windowed } from './window.js';

/** What {@link blend} reads; every map has to cover the region. */
export interface BlendInputs {
  /** [1 h w 4]: the correction of RGB and the copy gate, as `rgb_gate` leaves them. */
  readonly decoded: Windowed;
  /** [1 h w 3]: the coarse frame, finite everywhere. */
  readonly coarse: Windowed;
  /** [1 h w 1], 0 to 1: how far the coarse frame is known. */
  readonly known: Windowed;
  /** [1 h w 3]: the previous output, warped; absent on a shot's first frame. */
  readonly previous?: Windowed;
  /** [1 h w 3]: dx, dy, logit of the blend weight; given together with previous. */
  readonly motion?: Windowed;
  /** The part of the plane to make. */
  readonly region: Region;
}

/**
 * Makes the output from its parts:
 *
 *   u = 1 - decoded[3] known,   raw = coarse + u decoded[0 to 2]
 *   output = (1 - s) raw + s previous,   s = u sigmoid(-motion[2]);   raw without previous
 *
 * So real pixels that the gate keeps are neither corrected nor blended with what came before.
 *
 * Source: output, paper 3.2; the copy gate and the correction are ours.
 *
 * @returns [1 h w 3], the region
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function blend(from: BlendInputs): Tensor {
  const op = 'blend';
  expectObject(op, 'inputs', from);
  const { region } = from;
  const out = expectRegion(op, 'region', region);
  if (!from.previous !== !from.motion) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected previous and motion together, got one of them',
    );
  }
  const channels = { decoded: 4, coarse: 3, known: 1, previous: 3, motion: 3 } as const;
  const inputs: (Tensor | undefined)[] = [];
  const params: Record<string, number> = { ...out };
  for (const name of ['decoded', 'coarse', 'known', 'previous', 'motion'] as const) {
    const given = from[name];
    if (given === undefined && (name === 'previous' || name === 'motion')) {
      inputs.push(undefined);
      continue;
    }
    const window = expectWindow(op, name, given as Windowed, `1 h w ${channels[name]}`);
    expectCover(op, name, window, region);
    inputs.push(window.tensor);
    params[`${name}Y`] = window.y;
    params[`${name}X`] = window.x;
  }
  expectSameDevice(op, inputs);
  const [output] = enqueue(op, inputs, [{ shape: [1, region.h, region.w, 3] }], params);
  return output as Tensor;
}
