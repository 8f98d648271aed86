import { conv2d, type PackedConv } from '../ops/conv2d.js';
import type { Region, Size, Window } from '../ops/window.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { chain } from './chain.js';
import type { NetworkConfig } from './config.js';
import { grow, halve } from './region.js';
import type { Weights } from './weights.js';

const dilations = [1, 2, 4, 8, 16] as const;

/** What the decoder reads; all maps are whole planes. */
export interface DecoderInputs {
  /** [1 h/4 w/4 c] features of the target. */
  readonly target: Tensor;
  /** [1 h/4 w/4 c] the same, holes filled. */
  readonly coarse: Tensor;
  /** [1 h/4 w/4 g] features of the previous outputs, warped; zeros if there are none. */
  readonly previous: Tensor;
  /** [1 h/4 w/4 1] */
  readonly borrowed: Tensor;
  /** [1 h/4 w/4 1]: 1 where 1 % of the cell or more is hole, else 0. */
  readonly featuresHole: Tensor;
  /** [1 h/4 w/4 64] `frame` and `known`, unshuffled. */
  readonly copy: Tensor;
  /** [1 h w 3] the coarse frame. */
  readonly frame: Tensor;
  /** [1 h w 1] how far it is to be trusted. */
  readonly known: Tensor;
}

/**
 * Residual pathway and decoder. Both are computed only where the wanted pixels need them: going
 * back from those, each layer's region is the next one's and what its kernel reads around it.
 *
 * Source: paper 3.1.3; the sizes, the coarse frame as an input and the copy gate are ours.
 */
export class Decoder {
  readonly #residual: readonly PackedConv[];
  readonly #layers: Readonly<Record<'d1' | 'd2' | 'd3' | 'd4' | 'd5' | 'd6' | 'd7', PackedConv>>;

  constructor(weights: Weights, { width, flowWidth }: NetworkConfig['inpainter']) {
    const c = 4 * width;
    const g = 4 * flowWidth;
    const conv = (name: string, i: readonly number[], o: number) =>
      weights.conv(`inpainter.${name}`, i, o);
    this.#residual = dilations.map((_, i) => conv(`residual.${i}`, [c], c));
    this.#layers = {
      d1: conv('d1', [c, c, g, 1, 1, 64], c),
      d2: conv('d2', [c], c),
      d3: conv('d3', [c], 2 * width),
      d4: conv('d4', [2 * width], 2 * width),
      d5: conv('d5', [2 * width], width),
      d6: conv('d6', [width, 3, 1], width),
      d7: conv('d7', [width], 4),
    };
  }

  /** Five dilated convolutions on the target's features, each added to what it reads. */
  residual(target: Tensor, region: Region): Window {
    const [, h = 0, w = 0] = target.shape;
    const regions = dilations.map((_, i) =>
      dilations.slice(i + 1).reduce((to, by) => grow(to, by, { h, w }), region),
    );
    let at = { y: 0, x: 0 };
    const steps = dilations.map((dilation, i) => (tensor: Tensor) => {
      const input = { tensor, ...at };
      const to = regions[i] as Region;
      at = { y: to.y, x: to.x };
      return conv2d(input, this.#residual[i] as PackedConv, {
        dilation,
        activation: 'leaky_relu',
        residual: input,
        region: to,
      });
    });
    return { tensor: chain(target, ...steps), y: region.y, x: region.x };
  }

  /**
   * What to add to the frame, in [-1.1, 1.1], and the gate that keeps it as it is, of the wanted
   * pixels: [1 region.h region.w 4].
   */
  decode(inputs: DecoderInputs, region: Region): Tensor {
    const { d1, d2, d3, d4, d5, d6, d7 } = this.#layers;
    const [, h = 0, w = 0] = inputs.frame.shape;
    const plane: Size = { h, w };
    const half: Size = { h: h / 2, w: w / 2 };
    const quarter: Size = { h: h / 4, w: w / 4 };
    const activation = 'leaky_relu';

    const r6 = grow(region, 1, plane);
    const r5 = grow(r6, 1, plane);
    const r4 = halve(grow(r5, 1, plane));
    const r3 = grow(r4, 1, half);
    const r2 = halve(grow(r3, 1, half));
    const r1 = grow(r2, 1, quarter);
    const at = (tensor: Tensor, { y, x }: Region): Window => ({ tensor, y, x });

    return scope(() => {
      const residual = this.residual(inputs.target, grow(r1, 1, quarter));
      const { coarse, previous, borrowed, featuresHole, copy, frame, known } = inputs;
      return chain(
        residual.tensor,
        () =>
          conv2d([coarse, residual, previous, borrowed, featuresHole, copy], d1, {
            activation,
            region: r1,
          }),
        (x) => conv2d(at(x, r1), d2, { activation, region: r2 }),
        (x) => conv2d(at(x, r2), d3, { upsample: true, activation, region: r3 }),
        (x) => conv2d(at(x, r3), d4, { activation, region: r4 }),
        (x) => conv2d(at(x, r4), d5, { upsample: true, activation, region: r5 }),
        (x) => conv2d([at(x, r5), frame, known], d6, { activation, region: r6 }),
        (x) => conv2d(at(x, r6), d7, { activation: 'rgb_gate', region }),
      );
    });
  }
}
