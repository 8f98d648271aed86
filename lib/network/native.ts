import type { Region, Size, Windowed } from '../ops/index.js';
import { affineSample, blend, composite, flowWarp, resize, temporalPool } from '../ops/index.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { flowScale } from './flow.js';

/** Bytes of maps made at a time; a larger hole is done in bands of rows. */
const bandBytes = 48 * 2 ** 20;
/** What is made of a pixel besides the aligned references: pooled, enlarged, warped and blended. */
const bandChannels = 18;

/** A frame at its own size, 8-bit: the pixels and what of them is seen (1) or hole (0). */
export interface NativeFrame {
  /** uint8 [1 h w 3] or [1 h w 4] */
  readonly frame: Tensor;
  /** uint8 [1 h w 1] */
  readonly seen: Tensor;
}

/** What the working size hands to {@link paintNative}. */
export interface NativeInput {
  readonly target: NativeFrame;
  readonly references: readonly NativeFrame[];
  /** [r 2 3], as used at the working size. */
  readonly theta: Tensor;
  /** [r] */
  readonly distance: Tensor;
  /** [r 3], exposure: mean difference of each aligned reference from the target. */
  readonly exposure: Tensor;
  /** Inverse temperature of the pooling. */
  readonly poolScale: number;
  /** The hole's bounds at the frame's own size. */
  readonly bounds: Region;
  /** The working plane, padding included. */
  readonly plane: Size;
  /** What the working plane spans in the frame's own pixels; fractional. */
  readonly extent: Size;
  /** [1 h w 4] colour and copy gate at working size, around the hole. */
  readonly decoded: Windowed;
  /** [1 plane/4 3] flow and blend logit; undefined on a shot's first frame. */
  readonly motion: Tensor | undefined;
  /** The previous output at its own size, uint8. */
  readonly previous: Tensor | undefined;
}

/**
 * The pixel path and the output, repeated at the frame's own size inside the hole's bounds (ours):
 * references are sampled, their exposure taken off, and pooled there, so that what is borrowed
 * keeps its detail; gate, blend weight, flow and synthesised colour are enlarged from the working
 * size.
 *
 * @returns the completed 8-bit frame, and for each band of rows [hole pixels of the frame, hole
 *   pixels of the band that a reference shows]
 */
export function paintNative(input: NativeInput): { frame: Tensor; counts: Tensor[] } {
  const { bounds, extent, plane, motion, previous } = input;
  const sources = input.references.map((reference) => reference.frame);
  const seen = input.references.map((reference) => reference.seen);
  const channels = sources.length * 4 + bandChannels;
  const perRow = bounds.w * channels * Float32Array.BYTES_PER_ELEMENT;
  const rows = Math.max(1, Math.floor(bandBytes / perRow));
  return scope(() => {
    let { frame } = input.target;
    const counts: Tensor[] = [];
    for (let done = 0; done < bounds.h; done += rows) {
      const region = { ...bounds, y: bounds.y + done, h: Math.min(rows, bounds.h - done) };
      const painted = scope(() => {
        const aligned = affineSample(sources, seen, input.theta, { region, extent });
        const pooled = temporalPool({
          aligned: aligned.output,
          seen: aligned.seen,
          distance: input.distance,
          offset: input.exposure,
          scale: input.poolScale,
        });
        const enlarge = (map: Windowed, from: Size) =>
          resize(map, { ...region, mode: 'bilinear', inputExtent: from, outputExtent: extent });
        const at = (tensor: Tensor) => ({ tensor, y: region.y, x: region.x });
        const flow = motion && enlarge(motion, { h: plane.h / 4, w: plane.w / 4 });
        const y = blend({
          decoded: at(enlarge(input.decoded, plane)),
          coarse: at(pooled.filled),
          known: at(pooled.known),
          region,
          ...(flow && previous
            ? {
                motion: at(flow),
                previous: at(
                  flowWarp(previous, flow, {
                    y: region.y,
                    x: region.x,
                    scaleY: (flowScale.pixels * extent.h) / plane.h,
                    scaleX: (flowScale.pixels * extent.w) / plane.w,
                  }),
                ),
              }
            : {}),
        });
        return composite(at(y), at(pooled.known), frame, input.target.seen);
      });
      if (frame !== input.target.frame) frame.dispose();
      frame = painted.frame;
      counts.push(painted.counts);
    }
    return { frame, counts };
  });
}
