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

/** What {@link makeUp} works on. */
export interface MakeUpOptions {
  readonly target: AlignmentInput;
  /** Absent where nothing was made up before. */
  readonly anchor?: Anchor | undefined;
}

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

/**
 * Replaces what was decoded where no reference shows anything: what was made up before is carried
 * on, the rest is synthesized out of the frame.
 *
 * Source: instead of the second stage of paper 3.2; ours.
 */
export function makeUp(completion: Completion, { target, anchor }: MakeUpOptions): Completion {
  const { coarse, known, decoded } = completion;
  const made = synthesize({
    frame: coarse,
    known,
    decoded,
    ...(anchor && carry(target, anchor)),
    seed,
  });
  return {
    ...completion,
    coarse: made.frame,
    known: made.known,
    decoded: { ...decoded, tensor: made.decoded },
  };
}
