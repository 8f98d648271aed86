import { conv2d, type PackedConv } from '../ops/conv2d.js';
import { resize } from '../ops/resize.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { chain } from './chain.js';
import type { NetworkConfig } from './config.js';
import { Encoder } from './encoder.js';
import type { Weights } from './weights.js';

/**
 * How {@link Motion.motion} becomes a flow: its unit in feature cells, and in pixels of the working
 * size.
 */
export const flowScale = { cells: 4, pixels: 16 } as const;

/** How the target moved since the previous output. */
export interface Motion {
  /**
   * [1 h/4 w/4 3]: flow (dx, dy) from the target to the previous output, see {@link flowScale};
   * logit of the blend weight.
   */
  readonly motion: Tensor;
  /** [1 h/4 w/4 g] features of the previous outputs. */
  readonly features: Tensor;
}

/**
 * The flow estimator: compares the target's features with those of the two previous outputs.
 *
 * Source: E_f and the flow estimator, paper 3.1.3; the sizes are ours.
 */
export class Flow {
  /** Channels of the features of the previous outputs. */
  readonly channels: number;
  readonly #encoder: Encoder;
  readonly #layers: Readonly<Record<'f1' | 'f2' | 'f3' | 'f4' | 'f5' | 'f6' | 'f7', PackedConv>>;

  constructor(weights: Weights, { width, flowWidth }: NetworkConfig['inpainter']) {
    const c = 4 * width;
    this.channels = 4 * flowWidth;
    this.#encoder = new Encoder(weights, 'inpainter.flow_encoder', [3, 3], flowWidth);
    const conv = (name: string, i: readonly number[], o: number) =>
      weights.conv(`inpainter.${name}`, i, o);
    this.#layers = {
      f1: conv('f1', [c, this.channels], 64),
      f2: conv('f2', [64], 96),
      f3: conv('f3', [96], 96),
      f4: conv('f4', [96], 64),
      f5: conv('f5', [64, 64], 64),
      f6: conv('f6', [64, c], 32),
      f7: conv('f7', [32], 3),
    };
  }

  /**
   * @param target [1 h/4 w/4 c] features of the target
   * @param y1 [1 h w 3] the previous output
   * @param y2 [1 h w 3] the one before it
   */
  estimate(target: Tensor, y1: Tensor, y2: Tensor): Motion {
    const { f1, f2, f3, f4, f5, f6, f7 } = this.#layers;
    const activation = 'leaky_relu';
    const [, h = 0, w = 0] = target.shape;
    return scope(() => {
      const features = this.#encoder.encode([y1, y2]);
      const half = conv2d([target, features], f1, { stride: 2, activation });
      const motion = chain(
        half,
        (x) => conv2d(x, f2, { stride: 2, activation }),
        (x) => conv2d(x, f3, { activation }),
        (x) => conv2d(x, f4, { upsample: true, activation }),
        (x) => conv2d([x, half], f5, { activation }),
        (x) => resize(x, { h, w, mode: 'nearest' }),
        (x) => conv2d([x, target], f6, { activation }),
        (x) => conv2d(x, f7),
      );
      return { motion, features };
    });
  }
}
