import { affineSample } from '../ops/affine_sample.js';
import { frameDistance } from '../ops/frame_distance.js';
import { temporalPool } from '../ops/temporal_pool.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** A frame as the alignment reads it. */
export interface Aligned {
  /** [1 h w 3] in [-1, 1]. */
  readonly colour: Tensor;
  /** [1 h w 1]: 0 in the hole, 1 elsewhere. */
  readonly seen: Tensor;
  /** [1 h/4 w/4 c] */
  readonly features: Tensor;
  /** [1 h/4 w/4 1]: 1 where less than 1 % of the cell is hole, else 0. */
  readonly featuresSeen: Tensor;
}

/** What the references lend the target. */
export interface Coarse {
  /** [r] how far each aligned reference is from the target. */
  readonly distance: Tensor;
  /**
   * [r 3] how much brighter each aligned reference is, by channel: the exposure that is taken off.
   */
  readonly difference: Tensor;
  /** [1 h/4 w/4 c] features of the target, holes filled. */
  readonly features: Tensor;
  /** [1 h/4 w/4 1]: 1 in the cells that were filled. */
  readonly borrowed: Tensor;
  /** [1 h w 3] the target, holes filled; 0 where no frame shows anything. */
  readonly frame: Tensor;
  /** [1 h w 1]: 1 where the target or a reference shows something. */
  readonly known: Tensor;
}

/**
 * Warps the references onto the target, weighs them by similarity and pools them over time:
 * features, and real pixels.
 *
 * Source: align, similarity, temporal softmax pooling, paper 3.1.2; the pixels are ours.
 *
 * @param theta [r 2 3]
 * @param scale inverse temperature over references
 */
export function align(
  target: Aligned,
  references: readonly Aligned[],
  theta: Tensor,
  scale: number,
): Coarse {
  return scope(() => {
    const features = affineSample(
      references.map((it) => it.features),
      references.map((it) => it.featuresSeen),
      theta,
    );
    const { distance } = frameDistance(
      features.output,
      features.seen,
      target.features,
      target.featuresSeen,
    );
    const cells = temporalPool({
      aligned: features.output,
      seen: features.seen,
      distance,
      scale,
      target: target.features,
      targetSeen: target.featuresSeen,
    });
    // The largest tensors of a frame: gone before the next ones are made.
    features.output.dispose();

    const frames = affineSample(
      references.map((it) => it.colour),
      references.map((it) => it.seen),
      theta,
    );
    const { difference } = frameDistance(frames.output, frames.seen, target.colour, target.seen);
    const pixels = temporalPool({
      aligned: frames.output,
      seen: frames.seen,
      distance,
      scale,
      offset: difference,
      target: target.colour,
      targetSeen: target.seen,
    });
    return {
      distance,
      difference,
      features: cells.filled,
      borrowed: cells.borrowed,
      frame: pixels.filled,
      known: pixels.known,
    };
  });
}
