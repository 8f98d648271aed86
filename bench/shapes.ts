// The shapes that are measured: those of the network's layers, and of frames with a hole.
import type { NetworkConfig } from '../lib/network/config.js';
import type { Conv2dOptions, Region, Size } from '../lib/ops/index.js';

/** References of a target. */
export const references = 16;
/** The working plane of a 1920 x 1080 video. */
export let work: Size = { h: 288, w: 512 };
/** Its frames. */
export let native: Size = { h: 1080, w: 1920 };
/** The plane that convolutions are compared at. */
export let compared: Size = { h: 240, w: 432 };
/** The frames of which the whole way is timed. */
export let frames: readonly Size[] = [
  { h: 256, w: 256 },
  { h: 240, w: 432 },
];

/** Takes planes that are done with in no time, to see whether everything runs. */
export function makeSmall(): void {
  work = compared = { h: 48, w: 64 };
  native = { h: 96, w: 128 };
  band = { ...boundsOf(native), h: 16 };
  frames = [work];
}

/** Share of a frame that is hole. */
export const share = 0.12;

/** A plane that is `by` times smaller. */
export const shrink = ({ h, w }: Size, by: number): Size => ({ h: h / by, w: w / by });

/** A size as people write it, width first. */
export const text = ({ h, w }: Size) => `${w}x${h}`;

/** Half the height and width of the hole. */
function radii({ h, w }: Size): Size {
  const part = Math.sqrt(share / Math.PI);
  return { h: h * part, w: w * part };
}

/**
 * An ellipse of {@link share} of the plane: 1 in the hole. `shift` moves it by that share of the
 * width, -0.3 to 0.3.
 */
export function holeOf(plane: Size, shift = 0): Uint8Array {
  const { h, w } = radii(plane);
  return Uint8Array.from({ length: plane.h * plane.w }, (_, i) => {
    const y = (Math.floor(i / plane.w) + 0.5 - plane.h / 2) / h;
    const x = ((i % plane.w) + 0.5 - plane.w * (0.5 + shift)) / w;
    return y * y + x * x < 1 ? 1 : 0;
  });
}

/** The bounds of the hole that is not moved: about 15 % of the plane. */
export function boundsOf(plane: Size): Region {
  const { h, w } = radii(plane);
  const [y, x] = [Math.floor(plane.h / 2 - h), Math.floor(plane.w / 2 - w)];
  return { y, x, h: plane.h - 2 * y, w: plane.w - 2 * x };
}

/** The rows of the hole's bounds that are made at a time at the frames' own size. */
export let band: Region = { ...boundsOf(native), h: 256 };

/** A convolution of the network. */
export interface Layer extends Required<Pick<Conv2dOptions, 'stride' | 'dilation' | 'upsample'>> {
  /** As its weights are called. */
  readonly name: string;
  readonly n: number;
  /** Size of its inputs. */
  readonly from: Size;
  /** Size of its output. */
  readonly to: Size;
  /** Channels of each input. */
  readonly channels: readonly number[];
  readonly i: number;
  readonly o: number;
  readonly k: number;
  readonly activation: NonNullable<Conv2dOptions['activation']>;
  /** Whether its input is added to its output. */
  readonly residual: boolean;
}

type Rest = Partial<Omit<Layer, 'name' | 'from' | 'to' | 'channels' | 'i' | 'o'>>;

function layer(name: string, from: Size, channels: number[], o: number, rest: Rest = {}): Layer {
  const { stride = 1, upsample = false } = rest;
  const side = (length: number) => Math.ceil((length * (upsample ? 2 : 1)) / stride);
  return {
    name,
    from,
    to: { h: side(from.h), w: side(from.w) },
    channels,
    i: channels.reduce((a, b) => a + b),
    o,
    n: 1,
    k: 3,
    stride,
    dilation: 1,
    upsample,
    activation: 'leaky_relu',
    residual: false,
    ...rest,
  };
}

function encoder(name: string, plane: Size, inputs: number[], width: number, extra = 0): Layer[] {
  const steps: [o: number, stride: number][] = [
    [width, 2],
    [width, 1],
    [2 * width, 2],
    [2 * width, 1],
  ];
  for (let i = 0; i < extra; i++) steps.push([2 * width, 2], [2 * width, 1]);
  steps.push([4 * width, 1], [4 * width, 1]);
  const layers: Layer[] = [];
  steps.forEach(([o, stride], i) => {
    const before = layers.at(-1);
    const rest: Rest = {
      stride,
      k: i ? 3 : 5,
      activation: i < steps.length - 1 ? 'leaky_relu' : 'none',
    };
    const at = `${name}.layers.${i}`;
    layers.push(layer(at, before?.to ?? plane, before ? [before.o] : inputs, o, rest));
  });
  return layers;
}

/**
 * Every convolution of the network on frames of a size; the homography's have a size of their own.
 */
export function layersOf({ homography, inpainter }: NetworkConfig, plane: Size): Layer[] {
  const { width, flowWidth } = inpainter;
  const [c, g] = [4 * width, 4 * flowWidth];
  const [half, quarter, eighth] = [shrink(plane, 2), shrink(plane, 4), shrink(plane, 8)];
  const sixteenth = shrink(plane, 16);
  const up: Rest = { upsample: true };
  const down: Rest = { stride: 2 };
  const { hidden, size, grid } = homography;
  const square = { h: size, w: size };
  const cells = { h: grid, w: grid };
  const n = references;
  return [
    ...encoder('inpainter.encoder', plane, [4], width),
    ...[1, 2, 4, 8, 16].map((dilation, i) =>
      layer(`inpainter.residual.${i}`, quarter, [c], c, { dilation, residual: true }),
    ),
    ...encoder('inpainter.flow_encoder', plane, [3, 3], flowWidth),
    layer('inpainter.f1', quarter, [c, g], 64, down),
    layer('inpainter.f2', eighth, [64], 96, down),
    layer('inpainter.f3', sixteenth, [96], 96),
    layer('inpainter.f4', sixteenth, [96], 64, up),
    layer('inpainter.f5', eighth, [64, 64], 64),
    layer('inpainter.f6', quarter, [64, c], 32),
    layer('inpainter.f7', quarter, [32], 3, { activation: 'none' }),
    layer('inpainter.g1', quarter, [c, 4, 3, 1], 32),
    layer('inpainter.g2', quarter, [32], 1, { activation: 'none' }),
    layer('inpainter.d1', quarter, [c, c, g, 1, 1, 64], c),
    layer('inpainter.d2', quarter, [c], c),
    layer('inpainter.d3', quarter, [c], 2 * width, up),
    layer('inpainter.d4', half, [2 * width], 2 * width),
    layer('inpainter.d5', half, [2 * width], width, up),
    layer('inpainter.d6', plane, [width, 3, 1], width),
    layer('inpainter.d7', plane, [width], 4, { activation: 'rgb_gate' }),
    ...encoder('homography.encoder', square, [4, 1], homography.width, 1),
    layer('homography.r0', cells, [grid * grid], hidden, { n, k: 1 }),
    layer('homography.r1', cells, [hidden], hidden, { n }),
    layer('homography.r2', cells, [hidden], hidden, { n, ...down }),
    layer('homography.r3', shrink(cells, 2), [hidden], hidden, { n, ...down }),
  ];
}
