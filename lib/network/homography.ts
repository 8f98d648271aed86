import { chainHomographies } from '../ops/chain_homographies.js';
import { composeAffine } from '../ops/compose_affine.js';
import { conv2d, type PackedConv } from '../ops/conv2d.js';
import { type GaussNewtonOptions, gaussNewton } from '../ops/gauss_newton.js';
import { homographySample } from '../ops/homography_sample.js';
import { linear, type PackedLinear } from '../ops/linear.js';
import { maskedCorrelation } from '../ops/masked_correlation.js';
import { normalize } from '../ops/normalize.js';
import { refinementLevel } from '../ops/refinement_level.js';
import { resize } from '../ops/resize.js';
import type { Region } from '../ops/window.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { chain } from './chain.js';
import type { NetworkConfig } from './config.js';
import { Encoder } from './encoder.js';
import type { Weights } from './weights.js';

/** What is matched of one frame, or of several. */
export interface MatchingFeatures {
  /** [n grid grid c] unit vectors. */
  readonly unit: Tensor;
  /** [n grid grid 1]: 1 where at least half of the cell is seen, else 0. */
  readonly visibility: Tensor;
}

/** A frame as the matching reads it. */
export interface MatchingInput extends MatchingFeatures {
  /** [1 size size 4] the frame, resized: colour times seen, and hole. */
  readonly square: Tensor;
  /** [1 size size 1] how much of each of its pixels is seen. */
  readonly squareVisibility: Tensor;
}

/** A frame as the refinement reads it. */
export interface Pyramid {
  /** Coarse to fine: colour and what is seen, [1 h w 4] each. */
  readonly levels: readonly Tensor[];
  /** [1 h w 1], of the coarsest level's size: how much its cells count when it is the target. */
  readonly near: Tensor;
}

/** A frame as it is registered with others. */
export interface RegistrationFeatures extends Pyramid {
  /** For the matching. */
  readonly matching: MatchingInput;
}

/** How far around a hole what is seen counts for the refinement, in pixels of the working size. */
const nearSigma = 60;

/** How far the refinement moves a hole in any case, in pixels of the working size. */
const settled = 2;

/**
 * The homographies [r 3 3] from a target to its references, in [-1, 1] x [-1, 1], corners not
 * aligned. Consecutive frames are matched; the products of what is found start the refinement of
 * frames that lie apart.
 *
 * Source: masked matching and transformation estimator, paper 3.1.1; iterations, track and
 * refinement are ours.
 */
export class Homography {
  readonly #config: NetworkConfig['homography'];
  readonly #encoder: Encoder;
  readonly #scale: number;
  readonly #estimator: readonly (readonly [conv: PackedConv, stride: number])[];
  readonly #last: PackedLinear;

  constructor(weights: Weights, config: NetworkConfig['homography']) {
    const { width, hidden, grid } = config;
    this.#config = config;
    this.#encoder = new Encoder(weights, 'homography.encoder', [4, 1], width, 1);
    this.#scale = weights.scalar('homography.scale');
    this.#estimator = [
      [weights.conv('homography.r0', [grid * grid], hidden, 1), 1],
      [weights.conv('homography.r1', [hidden], hidden), 1],
      [weights.conv('homography.r2', [hidden], hidden), 2],
      [weights.conv('homography.r3', [hidden], hidden), 2],
    ];
    this.#last = weights.linear('homography.fc', (grid / 4) ** 2, hidden, 6);
  }

  /**
   * The frame resized to a square, and what is matched of it.
   *
   * @param input [1 h w 4] colour times seen, and hole
   * @param visibility [1 h w 1]
   */
  encode(input: Tensor, visibility: Tensor): MatchingInput {
    const { size } = this.#config;
    return scope(() => {
      const [square, squareVisibility] = [input, visibility].map((x) =>
        resize(x, { h: size, w: size, mode: 'bilinear' }),
      ) as [Tensor, Tensor];
      return { square, squareVisibility, ...this.#features(square, squareVisibility) };
    });
  }

  /** F = E_h(X V, M, V): V is 1 - M, but both are 0 outside a frame that was warped. */
  #features(square: Tensor, visibility: Tensor): MatchingFeatures {
    const { grid } = this.#config;
    return scope(() => ({
      unit: normalize(this.#encoder.encode([square, visibility])),
      visibility: resize(visibility, { h: grid, w: grid, mode: 'area', atLeast: 0.5 }),
    }));
  }

  /**
   * C: how much each cell of the target looks like each cell of the references, [r grid grid
   * grid^2]. Takes vectors of any length.
   */
  match(
    target: MatchingFeatures,
    unit: Tensor | readonly Tensor[],
    visibility: Tensor | readonly Tensor[],
  ): Tensor {
    return maskedCorrelation(target.unit, target.visibility, unit, visibility, this.#scale);
  }

  /** T(C): what to add to the identity, [r 6]. */
  regress(
    target: MatchingFeatures,
    unit: Tensor | readonly Tensor[],
    visibility: Tensor | readonly Tensor[],
  ): Tensor {
    return scope(() => {
      const matched = this.match(target, unit, visibility);
      const layers = this.#estimator.map(
        ([conv, stride]) =>
          (x: Tensor) =>
            conv2d(x, conv, { stride, activation: 'leaky_relu' }),
      );
      return chain(matched, ...layers, (x) => linear(x, this.#last));
    });
  }

  /**
   * theta, target to reference, of each reference: [r 3 3], affine. Every further iteration warps
   * the references by what was found so far, and estimates what is left.
   */
  estimate(target: MatchingInput, references: readonly MatchingInput[]): Tensor {
    const each = (name: keyof MatchingInput) => references.map((it) => it[name]);
    return scope(() => {
      let theta = composeAffine(undefined, this.regress(target, each('unit'), each('visibility')));
      for (let i = 1; i < this.#config.iterations; i++) {
        const warp = (name: keyof MatchingInput) =>
          homographySample(each(name), each('squareVisibility'), theta).output;
        const { unit, visibility } = this.#features(warp('square'), warp('squareVisibility'));
        theta = composeAffine(theta, this.regress(target, unit, visibility));
      }
      return theta;
    });
  }

  /**
   * A frame at the sizes of the refinement.
   *
   * @param colour [1 h w 3]
   * @param hole [1 h w 1]
   */
  pyramid(colour: Tensor, hole: Tensor): Pyramid {
    const [coarsest, ...finer] = this.#config.levels.map(({ cell }) => cell) as [number];
    const { level, near } = refinementLevel(colour, hole, coarsest, nearSigma);
    return {
      levels: [level, ...finer.map((cell) => refinementLevel(colour, hole, cell).level)],
      near: near as Tensor,
    };
  }

  /**
   * From a frame to the one before it, [1 3 3]: the better of what the identity and the estimate
   * become.
   */
  track(frame: RegistrationFeatures, before: RegistrationFeatures): Tensor {
    return scope(() => {
      const estimate = this.estimate(frame.matching, [before.matching]);
      const starts = chainHomographies([estimate], 1, [1, 0]);
      const twice = [before.levels, before.levels];
      return this.#refine(starts, frame, twice, { best: true });
    });
  }

  /**
   * From a target to its references, [r 3 3]: starts refined, or the starts where that drags the
   * hole far and gains little.
   *
   * @param hole bounds of the target's hole
   */
  refine(
    starts: Tensor,
    target: Pyramid,
    references: readonly (readonly Tensor[])[],
    hole: Region,
  ): Tensor {
    const { y, x, h, w } = hole;
    const k = this.#config.levels.at(-1)?.cell ?? 1;
    const box = { y: y / k, x: x / k, h: h / k, w: w / k };
    const anchor = { theta: starts, box, within: settled / k };
    return scope(() => this.#refine(starts, target, references, { anchor }));
  }

  #refine(
    starts: Tensor,
    { levels: own, near }: Pyramid,
    references: readonly (readonly Tensor[])[],
    last: Partial<GaussNewtonOptions>,
  ): Tensor {
    const { levels } = this.#config;
    return levels.reduce(
      (theta, { steps, robust }, i) =>
        gaussNewton({
          theta,
          target: own[i] as Tensor,
          near,
          references: references.map((it) => it[i] as Tensor),
          steps,
          robust,
          ...(i === levels.length - 1 && last),
        }),
      starts,
    );
  }
}
