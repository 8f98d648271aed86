import { InpaintError } from '../errors.js';
import { expectInteger, expectObject, expectSameDevice, expectShape } from '../expect.js';
import { enqueue, type Tensor } from '../tensor.js';
import { expectCover, expectWindow, type Windowed } from './window.js';

/** What {@link synthesize} reads. */
export interface SynthesizeInputs {
  /** [1 h w 3] in [-1, 1]; h and w multiples of 4. */
  readonly frame: Tensor;
  /** [1 h w 1], in [0, 1]: how well each pixel of the frame is known. */
  readonly known: Tensor;
  /** [1 dh dw 4]: the correction of RGB and the copy gate, as a window of the frame. */
  readonly decoded: Windowed;
  /** [1 h w 3]: what was made up before; default none. */
  readonly carried?: Tensor | undefined;
  /** [1 h w 1]: how well that is known; given together with carried. */
  readonly carriedKnown?: Tensor | undefined;
  /** [1 h w 1], in [0, 1]: the share of the previous output that was made up; default none. */
  readonly fading?: Tensor | undefined;
  /** [1 h/4 w/4 3]: dx, dy, logit of what {@link blend} takes of that; given together with fading. */
  readonly motion?: Tensor | undefined;
  /** What the random candidates depend on, beside their places; 0 to 2^31 - 1. */
  readonly seed: number;
}

/** What {@link synthesize} gives. */
export interface Synthesized {
  /** [1 h w 3]: the frame, what was unknown made up. */
  readonly frame: Tensor;
  /** [1 h w 1]: 1 where something was made up or carried, else known. */
  readonly known: Tensor;
  /** [1 dh dw 4]: decoded; there, no correction and an open gate. */
  readonly decoded: Tensor;
  /** [1 h w 1]: 1 there; where the share of what was made up still fades, that; else 0. */
  readonly share: Tensor;
  /** [1 h/4 w/4 3]: motion, which takes all of what was before in cells where something fades. */
  readonly motion: Tensor | undefined;
}

/**
 * Makes up what nothing shows out of patches of what is shown.
 *
 * A pixel is unknown where known < 1e-6: nothing is shown there, or what is shown is far off. What is
 * carried is taken there where carriedKnown >= 0.5; else the pixel is open. Patches are copied from
 * those that lie in the frame and are known > 0.9 in every pixel. The rest is for comparison.
 *
 * Numbers are whole: colours are floor(128 x + 128.5), within 0 to 256; of open pixels, those of frame +
 * decoded. Two more levels halve the frame: a cell is open if a pixel of it is, can be copied from if
 * all can; its colour is the mean of the pixels that are not open, of all if there is none. From the
 * smallest level to the frame, for every patch of 7 x 7 pixels that reaches into what is open:
 *
 *   w[p] = what a pixel counts: 64 / 2^floor((k + 1) / 2), k being its distance from what is not open
 *     (rows or columns, the greater), at most 12; 0 beyond the border
 *   d(p, q) = sum over a patch's offsets o of w[p + o] |colour[p + o] - colour[q + o]|^2
 *   match[p] = the nearest of its own, its four neighbours' (at distance 1, then 4) moved along, two
 *     anywhere and two near its own, at random; all see the matches of the round before
 *   colour[p] of what is open = mean of colour[match[p + o] - o], weighted by
 *     floor(2^14 w[p + o] / (4 + floor(d / sum w))) + 1
 *
 * two rounds and a mean, twelve times at the smallest level. A level starts from the doubled matches of
 * the one below and the mean they give, weighted by w; the middle one looks once more. The frame
 * itself takes its mean over patches at most one pixel off, its own four times, so as to stay sharp. What colours are off
 * this mean, with weight 1 at the pixels that touch what is open and 1/256 in it, is spread by
 * pushPull and added, then clamped to [-1, 1]: seams close, and large areas keep the colour that
 * was there.
 *
 * Where no patch can be copied, what is open stays as it is.
 *
 * Where nothing is made up or carried, and was before, truth comes in without a jump:
 *
 *   share = max(fading - 1/2, 0),   decoded = (1 - share) decoded
 *   logit of a cell = -20 if 0 < share < 1 in a pixel of it, so that blend takes `share` of what was before
 *
 * Source: C. Barnes, E. Shechtman, A. Finkelstein, D. Goldman, PatchMatch, SIGGRAPH 2009; Y. Wexler, E. Shechtman,
 * M. Irani, Space-Time Completion of Video, PAMI 2007; instead of the second stage of paper 3.2.
 *
 * @throws InpaintError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED
 */
export function synthesize(from: SynthesizeInputs): Synthesized {
  const op = 'synthesize';
  expectObject(op, 'inputs', from);
  const { frame, known, carried, carriedKnown, fading, motion, seed } = from;
  const { h, w } = expectShape(op, 'frame', frame, '1 h w 3');
  if (h % 4 || w % 4) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected height and width to be multiples of 4, got ${h} x ${w}`,
    );
  }
  expectShape(op, 'known', known, '1 h w 1', { h, w });
  const decoded = expectWindow(op, 'decoded', from.decoded, '1 dh dw 4');
  const { y, x, tensor } = decoded;
  const [, dh = 0, dw = 0] = tensor.shape;
  expectCover(op, 'frame', { tensor: frame, y: 0, x: 0 }, { y, x, h: dh, w: dw });
  if (!carried !== !carriedKnown) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected carried and carriedKnown together, got one of them',
    );
  }
  if (carried) expectShape(op, 'carried', carried, '1 h w 3', { h, w });
  if (carriedKnown) expectShape(op, 'carriedKnown', carriedKnown, '1 h w 1', { h, w });
  if (!fading !== !motion) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected fading and motion together, got one of them',
    );
  }
  const cells = { h: h / 4, w: w / 4 };
  if (fading) expectShape(op, 'fading', fading, '1 h w 1', { h, w });
  if (motion) expectShape(op, 'motion', motion, '1 h w 3', cells);
  expectInteger(op, 'seed', seed, 0, 2 ** 31 - 1);
  const inputs = [frame, known, tensor, carried, carriedKnown, fading, motion];
  expectSameDevice(op, inputs);
  const plane = (c: number) => ({ shape: [1, h, w, c] });
  const [output, made, left, share, seam, ring, membrane, moved] = enqueue(
    op,
    inputs,
    [
      plane(3),
      plane(1),
      { shape: [1, dh, dw, 4] },
      plane(1),
      plane(3),
      plane(1),
      plane(3),
      ...(motion ? [{ shape: [1, cells.h, cells.w, 3] }] : []),
    ],
    { seed, decodedY: y, decodedX: x },
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?];
  for (const it of [seam, ring, membrane]) it.dispose();
  return { frame: output, known: made, decoded: left, share, motion: moved };
}
