import { homographySample } from '../ops/homography_sample.js';
import { localDistance } from '../ops/local_distance.js';
import { synthesize } from '../ops/synthesize.js';
import { temporalPool } from '../ops/temporal_pool.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type AlignmentInput, localSigma, trust } from './align.js';
import type { Completion } from './network.js';

/** An output of the same shot, of which what was made up is carried on. */
export interface Anchor {
  /** [1 h w 3]. */
  readonly frame: Tensor;
  /** [1 h w 1]: 1 everywhere. */
  readonly visibility: Tensor;
  /** [1 3 3], from the target to it. */
  readonly theta: Tensor;
}

/** What was made up of the previous output, which fades where a later frame shows the place. */
export interface Fading {
  /** [1 h w 1], from {@link makeUp}. */
  readonly share: Tensor;
  /** [1 3 3], from the target to that output. */
  readonly step: Tensor;
}

/** What {@link makeUp} works on. */
export interface MakeUpOptions {
  readonly target: AlignmentInput;
  /** Absent where nothing was made up before. */
  readonly anchor?: Anchor | undefined;
  /** Absent where the previous output is, or nothing of it was made up. */
  readonly fading?: Fading | undefined;
}

/** A completion, and how much of each pixel was made up, [1 h w 1]. */
export type MadeUp = Completion & { readonly share: Tensor };

const seed = 1;

/** The anchor on the target, as one reference among others would be, and the trust in it. */
function carry(target: AlignmentInput, anchor: Anchor) {
  return scope(() => {
    const { output, visibility } = homographySample(
      [anchor.frame],
      [anchor.visibility],
      anchor.theta,
    );
    const { distance, offset } = localDistance(
      output,
      visibility,
      target.colour,
      target.visibility,
      localSigma,
    );
    const { filled, known } = temporalPool({
      aligned: output,
      visibility,
      distance,
      offset,
      scale: 1, // one reference: of no effect
      target: target.colour,
      targetVisibility: target.visibility,
      ...trust,
    });
    return { carried: filled, carriedKnown: known };
  });
}

/** The share of the previous output on the target. */
function fade({ share, step }: Fading): Tensor {
  return scope(() => homographySample([share], [share], step).output);
}

/**
 * Replaces what was decoded where no reference shows anything: what was made up before is carried
 * on, the rest is synthesized out of the frame. What a later frame shows comes in over some frames.
 *
 * Source: instead of the second stage of paper 3.2; ours.
 */
export function makeUp(completion: Completion, { target, anchor, fading }: MakeUpOptions): MadeUp {
  const { coarse, known, decoded, motion } = completion;
  const made = synthesize({
    frame: coarse,
    known,
    decoded,
    ...(anchor && carry(target, anchor)),
    ...(fading && { fading: fade(fading), motion }),
    seed,
  });
  return {
    ...completion,
    coarse: made.frame,
    known: made.known,
    decoded: { ...decoded, tensor: made.decoded },
    motion: made.motion ?? motion,
    share: made.share,
  };
}
