import { InpaintError } from '../errors.js';
import { expectNumber, expectObject, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import type { Composited } from './composite.js';
import {
  expectCount,
  expectRegion,
  expectWindow,
  maxReferences,
  maxSide,
  type Region,
  type Size,
  type Windowed,
} from './window.js';

/** A frame at its own size, 8-bit. */
export interface NativeFrame {
  /** uint8 [1 h w 3] or [1 h w 4]. */
  readonly frame: Tensor;
  /** uint8 [1 h w 1]: 1 where it is seen, 0 in its hole. */
  readonly visibility: Tensor;
}

/** What {@link paintNative} reads. */
export interface PaintNativeInputs {
  readonly target: NativeFrame;
  /** 1 to 64 frames, all of the target's shape. */
  readonly references: readonly NativeFrame[];
  /** [r, 3, 3], homographies from target to reference coordinates. */
  readonly theta: Tensor;
  /** [r mh mw 1], from localDistance, for all of the working plane. */
  readonly distance: Tensor;
  /** [r mh mw 3], from localDistance, added to the references. */
  readonly offset: Tensor;
  /** Inverse temperature over references, 0 to 1e6. */
  readonly scale: number;
  /** The distance at which trust is a half, 0 to 1e6. */
  readonly doubt: number;
  /** How fast trust falls with the distance, 0 to 1e6. */
  readonly slope: number;
  /** The part of the frame whose hole is painted. */
  readonly bounds: Region;
  /** The working plane, ph x pw. */
  readonly plane: Size;
  /** What the working plane spans in pixels of the frame; may be fractional. */
  readonly extent: Size;
  /** [1 ph pw 3]: the working plane with its hole filled, finite everywhere. */
  readonly coarse: Tensor;
  /** [1 dh dw 4]: the correction of RGB and the copy gate, as a window of the working plane. */
  readonly decoded: Windowed;
  /**
   * [1 mh mw 3]: dx, dy, logit of the blend weight, for all of the working plane; absent on a
   * shot's first frame.
   */
  readonly motion?: Tensor | undefined;
  /** uint8, the previous output, of the target's shape; given together with motion. */
  readonly previous?: Tensor | undefined;
  /** From the motion's unit to pixels of the working plane. */
  readonly flowScale: number;
}

/**
 * Fills the hole of an 8-bit frame at its own size: what a reference shows keeps its detail, and
 * all that the network made is enlarged from the working size. For each pixel p of the hole, inside
 * the bounds:
 *
 *   A[r], V[r] = reference r and its `visibility`, sampled under theta[r] (see homographySample)
 *   D[r], O[r], F, (RGB, g), (dx, dy, logit) = distance, offset, coarse, decoded and motion,
 *     enlarged to what the working plane spans (see resize, bilinear)
 *   S[r] = softmax over r with V[r] of (-scale D[r])
 *   K = sigmoid(slope (doubt - sum over r of S[r] D[r])) if any V[r], else 0
 *   u = 1 - g K if any V[r], else 1 - g,   raw = K sum over r of S[r] (A[r] + O[r]) + (1 - K) F + u RGB
 *   output = (1 - s) raw + s previous(p + flowScale extent / plane (dx, dy)),   s = u sigmoid(-logit);
 *     raw without previous
 *   frame[p] = round((min(max(output, -1), 1) + 1) 127.5)
 *
 * Bytes are read as value / 127.5 - 1. Everything else, alpha too, is the target's own bit for bit.
 *
 * This is homographySample, temporalPool, resize, flowWarp, blend and composite at once, of the hole
 * alone and with nothing rounded in between.
 *
 * Source: output, paper 3.2, at the frame's own size, which is ours.
 *
 * @returns the frame, and [2]: pixels of the hole, and those of them, in bounds, with any V[r]
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function paintNative(from: PaintNativeInputs): Composited {
  const op = 'paintNative';
  expectObject(op, 'inputs', from);
  const { target, references, theta, distance, offset, coarse, motion, previous } = from;
  expectObject(op, 'target', target);
  const { h, w, c } = expectShape(op, 'target.frame', target.frame, '1 h w c', {}, 'u8');
  if (c !== 3 && c !== 4) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected target.frame to have 3 or 4 channels, got ${c}`,
    );
  }
  const own = { h, w, c };
  expectShape(op, 'target.visibility', target.visibility, '1 h w 1', own, 'u8');
  expectCount(op, 'references', references, 1, maxReferences);
  references.forEach((reference, i) => {
    const name = `references[${i}]`;
    expectObject(op, name, reference);
    expectShape(op, `${name}.frame`, reference.frame, '1 h w c', own, 'u8');
    expectShape(op, `${name}.visibility`, reference.visibility, '1 h w 1', own, 'u8');
  });
  const r = references.length;
  expectShape(op, 'theta', theta, 'r 3 3', { r });
  const { mh, mw } = expectShape(op, 'distance', distance, 'r mh mw 1', { r });
  expectShape(op, 'offset', offset, 'r mh mw 3', { r, mh, mw });
  for (const name of ['scale', 'doubt', 'slope'] as const)
    expectNumber(op, name, from[name], 0, 1e6);
  const bounds = expectRegion(op, 'bounds', from.bounds);
  if (from.bounds.y + from.bounds.h > h || from.bounds.x + from.bounds.w > w) {
    const { y, x, h: rows, w: columns } = from.bounds;
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected bounds inside the frame's ${h} rows and ${w} columns, got ${rows} from ${y} and ${columns} from ${x}`,
    );
  }
  for (const name of ['plane', 'extent'] as const) {
    expectObject(op, name, from[name]);
    expectNumber(op, `${name}.h`, from[name].h, 1, maxSide);
    expectNumber(op, `${name}.w`, from[name].w, 1, maxSide);
  }
  expectNumber(op, 'flowScale', from.flowScale, -maxSide, maxSide);
  expectShape(op, 'coarse', coarse, '1 ph pw 3', { ph: from.plane.h, pw: from.plane.w });
  const decoded = expectWindow(op, 'decoded', from.decoded, '1 dh dw 4');
  if (!previous !== !motion) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected previous and motion together, got one of them',
    );
  }
  if (motion) expectShape(op, 'motion', motion, '1 mh mw 3', { mh, mw });
  if (previous) expectShape(op, 'previous', previous, '1 h w c', own, 'u8');
  const { plane, extent } = from;
  const inputs = [
    target.frame,
    target.visibility,
    previous,
    motion,
    decoded.tensor,
    coarse,
    theta,
    distance,
    offset,
    ...references.map(({ frame }) => frame),
    ...references.map(({ visibility }) => visibility),
  ];
  expectSameDevice(op, inputs);
  const [frame, coverage] = enqueue(
    'paint_native',
    inputs,
    [{ shape: [1, h, w, c], dtype: 'u8' }, { shape: [2] }],
    {
      ...bounds,
      planeH: plane.h,
      planeW: plane.w,
      extentH: extent.h,
      extentW: extent.w,
      scale: from.scale,
      doubt: from.doubt,
      slope: from.slope,
      scaleY: (from.flowScale * extent.h) / plane.h,
      scaleX: (from.flowScale * extent.w) / plane.w,
      decodedY: decoded.y,
      decodedX: decoded.x,
    },
  ) as [Tensor, Tensor];
  return { frame, coverage };
}
