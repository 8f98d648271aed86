import { affineSample } from '../ops/affine_sample.js';
import { composeAffine } from '../ops/compose_affine.js';
import { conv2d, type PackedConv } from '../ops/conv2d.js';
import { gaussNewton } from '../ops/gauss_newton.js';
import { linear, type PackedLinear } from '../ops/linear.js';
import { maskedCorrelation } from '../ops/masked_correlation.js';
import { normalize } from '../ops/normalize.js';
import { resize } from '../ops/resize.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { chain } from './chain.js';
import type { NetworkConfig } from './config.js';
import { Encoder } from './encoder.js';
import type { Weights } from './weights.js';

/** A frame as the matching reads it. */
export interface Cells {
  /** [1 grid grid c] unit vectors. */
  readonly unit: Tensor;
  /** [1 grid grid 1]: 1 where more than half of the cell is seen, else 0. */
  readonly seen: Tensor;
}

/** A frame at one size of the refinement. */
export interface Level {
  /** [1 size size 3] */
  readonly colour: Tensor;
  /** [1 size size 1]: 1 where less than 1 % of the cell is hole, else 0. */
  readonly seen: Tensor;
}

/**
 * The affine transforms from a target to its references, in [-1, 1] x [-1, 1], corners not aligned.
 *
 * Source: masked matching and transformation estimator, paper 3.1.1; iterations and refinement are
 * ours.
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
    this.#encoder = new Encoder(weights, 'homography.encoder', [4], width, 1);
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
   * F = E_h(X V, M) on the frame resized to a square.
   *
   * @param input [1 h w 4] colour times seen, and hole
   * @param hole [1 h w 1]
   */
  encode(input: Tensor, hole: Tensor): Cells {
    const { size, grid } = this.#config;
    return scope(() => {
      const square = { h: size, w: size, mode: 'bilinear' } as const;
      const unit = chain(
        input,
        (x) => resize(x, square),
        (x) => this.#encoder.encode([x]),
        normalize,
      );
      const seen = chain(
        hole,
        (x) => resize(x, square),
        (x) => resize(x, { h: grid, w: grid, mode: 'area', below: 0.5 }),
      );
      return { unit, seen };
    });
  }

  /**
   * C: how much each cell of the target looks like each cell of the references, [r grid grid
   * grid^2]. Takes vectors of any length.
   */
  match(target: Cells, unit: Tensor | readonly Tensor[], seen: Tensor | readonly Tensor[]): Tensor {
    return maskedCorrelation(target.unit, target.seen, unit, seen, this.#scale);
  }

  /** T(C): what to add to the identity, [r 6]. */
  regress(
    target: Cells,
    unit: Tensor | readonly Tensor[],
    seen: Tensor | readonly Tensor[],
  ): Tensor {
    return scope(() => {
      const matched = this.match(target, unit, seen);
      const layers = this.#estimator.map(
        ([conv, stride]) =>
          (x: Tensor) =>
            conv2d(x, conv, { stride, activation: 'leaky_relu' }),
      );
      return chain(matched, ...layers, (x) => linear(x, this.#last));
    });
  }

  /** theta, target to reference, of each reference: [r 2 3]. */
  estimate(target: Cells, references: readonly Cells[]): Tensor {
    const unit = references.map((it) => it.unit);
    const seen = references.map((it) => it.seen);
    return scope(() => {
      let theta = composeAffine(undefined, this.regress(target, unit, seen));
      for (let i = 1; i < this.#config.iterations; i++) {
        const warped = affineSample(unit, seen, theta);
        theta = composeAffine(theta, this.regress(target, warped.output, warped.seen));
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
  levels(colour: Tensor, hole: Tensor): Level[] {
    return this.#config.levels.map(([size]) => {
      const square = { h: size, w: size, mode: 'area' } as const;
      return { colour: resize(colour, square), seen: resize(hole, { ...square, below: 0.01 }) };
    });
  }

  /**
   * Sharpens theta on the grey levels that both frames show, from the smallest size to the largest.
   */
  refine(
    theta: Tensor,
    target: readonly Level[],
    references: readonly (readonly Level[])[],
  ): Tensor {
    return scope(() =>
      this.#config.levels.reduce((from, [, steps], i) => {
        const at = (levels: readonly Level[]) => levels[i] as Level;
        const colours = references.map((it) => at(it).colour);
        const seen = references.map((it) => at(it).seen);
        return gaussNewton(from, at(target).colour, at(target).seen, colours, seen, steps);
      }, theta),
    );
  }
}
