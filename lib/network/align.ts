import { homographySample } from '../ops/homography_sample.js';
import { localDistance } from '../ops/local_distance.js';
import { temporalPool } from '../ops/temporal_pool.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** A frame as the alignment reads it. */
export interface AlignmentInput {
  /** [1 h w 3] in [-1, 1]. */
  readonly colour: Tensor;
  /** [1 h w 1]: 0 in the hole, 1 elsewhere. */
  readonly visibility: Tensor;
  /** [1 h/4 w/4 c] */
  readonly features: Tensor;
  /** [1 h/4 w/4 1]: 1 where less than 1 % of the cell is hole, else 0. */
  readonly featuresVisibility: Tensor;
  /** [1 h/4 w/4 3] mean colours of the cells. */
  readonly cellColours: Tensor;
}

/** References, warped onto the target. */
export interface AlignedReferences {
  /** [r h/4 w/4 c] */
  readonly features: Tensor;
  /** [r h/4 w/4 1] where there are features and colours. */
  readonly visibility: Tensor;
  /** [r h/4 w/4 3] mean colours of the cells. */
  readonly colours: Tensor;
}

/** The target, completed by what the references show. */
export interface Coarse {
  /** [r h/4 w/4 1] how far each aligned reference is from the target around each cell. */
  readonly distance: Tensor;
  /** [r h/4 w/4 3] what is added to each aligned reference there: the exposure it lacks. */
  readonly offset: Tensor;
  /** [1 h/4 w/4 c] features of the target, holes filled. */
  readonly features: Tensor;
  /** [1 h/4 w/4 1]: 1 in the cells that were filled. */
  readonly borrowed: Tensor;
  readonly aligned: AlignedReferences;
  /** [1 h w 3] the target, holes filled where a frame shows something. */
  readonly filled: Tensor;
  /** [1 h w 1]: 1 where the target shows something, trust in what was borrowed elsewhere. */
  readonly known: Tensor;
  /** [1 h w 1]: 1 in the hole where a reference shows something. */
  readonly covered: Tensor;
}

/** How far around a place references are compared with the target, in pixels. */
export const localSigma = 24;

/**
 * How much of what is borrowed is shown: sigmoid(slope (doubt - its mean difference from the
 * target)).
 */
export const trust = { doubt: 0.1, slope: 60 } as const;

/**
 * Warps the references onto the target, weighs them by local similarity and pools them over time:
 * features, and real pixels.
 *
 * Source: align, similarity, temporal softmax pooling, paper 3.1.2; that similarity is local, and
 * the pixels, are ours.
 *
 * @param theta [r 3 3]
 * @param scale inverse temperature over references
 */
export function align(
  target: AlignmentInput,
  references: readonly AlignmentInput[],
  theta: Tensor,
  scale: number,
): Coarse {
  return scope(() => {
    const frames = homographySample(
      references.map((it) => it.colour),
      references.map((it) => it.visibility),
      theta,
    );
    const { distance, offset } = localDistance(
      frames.output,
      frames.visibility,
      target.colour,
      target.visibility,
      localSigma,
    );
    const pixels = temporalPool({
      aligned: frames.output,
      visibility: frames.visibility,
      distance,
      scale,
      offset,
      target: target.colour,
      targetVisibility: target.visibility,
      ...trust,
    });
    // Large tensors: gone before the largest ones are made.
    frames.output.dispose();

    const visibility = references.map((it) => it.featuresVisibility);
    const sample = (maps: readonly Tensor[]) => homographySample(maps, visibility, theta);
    const features = sample(references.map((it) => it.features));
    const colours = sample(references.map((it) => it.cellColours)).output;
    const cells = temporalPool({
      aligned: features.output,
      visibility: features.visibility,
      distance,
      scale,
      target: target.features,
      targetVisibility: target.featuresVisibility,
    });
    return {
      distance,
      offset,
      features: cells.filled,
      borrowed: cells.borrowed,
      aligned: { features: features.output, visibility: features.visibility, colours },
      filled: pixels.filled,
      known: pixels.known,
      covered: pixels.borrowed,
    };
  });
}
