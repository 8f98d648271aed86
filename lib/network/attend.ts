import { conv2d, type PackedConv } from '../ops/conv2d.js';
import type { Guess } from '../ops/push_pull.js';
import { resize } from '../ops/resize.js';
import { windowedAttention } from '../ops/windowed_attention.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import type { Coarse } from './align.js';
import type { NetworkConfig } from './config.js';
import type { Weights } from './weights.js';

/** How many rows and columns attention reaches, in cells of 4 x 4 pixels. */
const reach = 6;

/**
 * What the references show around a place, and how far that is to be trusted.
 *
 * Source: non-local attention, paper 3.1.3; its window, colours instead of features, and trust are
 * ours.
 */
export class Attention {
  readonly #scale: number;
  readonly #pool: number;
  readonly #sigma: number;
  readonly #layers: readonly [PackedConv, PackedConv];

  constructor(weights: Weights, { width }: NetworkConfig['inpainter']) {
    this.#scale = weights.scalar('inpainter.attention_scale');
    this.#pool = weights.scalar('inpainter.attention_pool');
    this.#sigma = weights.scalar('inpainter.attention_sigma', 0.001, 1000);
    this.#layers = [
      weights.conv('inpainter.g1', [4 * width, 4, 3, 1], 32),
      weights.conv('inpainter.g2', [32], 1),
    ];
  }

  /**
   * The colours attended to, [1 h/4 w/4 4], 1 in the last channel where there are any.
   *
   * @param featuresHole [1 h/4 w/4 1]: 1 where the target asks
   */
  attend(coarse: Coarse, featuresHole: Tensor): Tensor {
    const { features, aligned, distance, offset } = coarse;
    return windowedAttention({
      x: features,
      query: featuresHole,
      keys: aligned.features,
      visibility: aligned.visibility,
      colours: aligned.colours,
      offset,
      distance,
      scale: this.#scale,
      pool: this.#pool,
      sigma: this.#sigma,
      reach,
    });
  }

  /** What fills in part where little is known. */
  guess(coarse: Coarse, featuresHole: Tensor): Guess {
    const [, h = 0, w = 0] = coarse.features.shape;
    const [first, last] = this.#layers;
    const cells = (x: Tensor) => resize(x, { h, w, mode: 'area' });
    return scope(() => {
      const colour = this.attend(coarse, featuresHole);
      const read = [coarse.features, colour, cells(coarse.filled), cells(coarse.known)];
      const trust = conv2d(conv2d(read, first, { activation: 'leaky_relu' }), last);
      return { colour, trust };
    });
  }
}
