import { InpaintError } from '../errors.js';
import { expectInteger, expectObject } from '../expect.js';
import { type Image, type ImageLike, toImage } from '../video/image.js';
import type { Box } from '../video/masks.js';
import { dilate } from './regions.js';
import type { TrackedMask } from './track.js';

const op = 'overlayMask';

/** Frames that a frame is compared with, on either side. */
const apart = [3, 6, 9] as const;
/** How many frames ahead are looked at. */
const ahead = 9;
/** Levels of 255 by which what stands still may differ: the encoder's noise. */
const still = 10;
/** Share of a box that has to move, so that what stands still is the overlay. */
const moves = 0.3;
/** Levels by which strokes stand out: where they are known to stand still, and where not. */
const standsOut = { still: 30, alone: 45 } as const;
/** Levels within which a stroke has the colour of the others. */
const alike = 40;
/** Strokes are grown by this many pixels, for their blurred edges and outlines. */
const grown = 3;
/** Less of a box is no overlay, more is the box itself. */
const share = { least: 0.005, most: 0.6 } as const;

/** How overlays are found; everything may be left out. */
export interface OverlayOptions {
  /** Told where no overlay is found in a box, which is then taken as it is. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** The part of a frame that a box covers: right and bottom are just outside. */
interface Part {
  readonly left: number;
  readonly top: number;
  readonly w: number;
  readonly h: number;
}

/** A box as it is in a frame, undefined where it is not. */
function partOf(box: Box, index: number, { width, height }: Image): Part | undefined {
  if (index < (box.from ?? 0) || index > (box.to ?? index)) return undefined;
  const clip = (v: number, most: number) => Math.min(Math.max(v, 0), most);
  const [left, right] = [clip(box.x, width), clip(box.x + box.width, width)];
  const [top, bottom] = [clip(box.y, height), clip(box.y + box.height, height)];
  return right > left && bottom > top ? { left, top, w: right - left, h: bottom - top } : undefined;
}

/** For each pixel, the mean difference of its colours from those of other frames. */
function differences(frame: Image, others: readonly Image[], part: Part): Float32Array {
  const { width, channels } = frame;
  const sums = new Float32Array(part.w * part.h);
  for (const { data } of others) {
    for (let y = 0; y < part.h; y++) {
      for (let x = 0; x < part.w; x++) {
        const i = ((part.top + y) * width + part.left + x) * channels;
        let sum = 0;
        for (let k = 0; k < 3; k++)
          sum += Math.abs((frame.data[i + k] as number) - (data[i + k] as number));
        const at = y * part.w + x;
        sums[at] = (sums[at] as number) + sum / 3 / others.length;
      }
    }
  }
  return sums;
}

/** How much brighter each pixel is than those around it, in levels. */
function contrasts({ data, width, channels }: Image, { left, top, w, h }: Part): Float32Array {
  const radius = Math.max(6, Math.round(h / 6));
  const light = new Float32Array(w * h);
  const sums = new Float64Array((w + 1) * (h + 1));
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const i = ((top + y) * width + left + x) * channels;
      const level =
        0.299 * (data[i] as number) +
        0.587 * (data[i + 1] as number) +
        0.114 * (data[i + 2] as number);
      light[y * w + x] = level;
      const at = (y + 1) * (w + 1) + x + 1;
      sums[at] =
        level +
        (sums[at - 1] as number) +
        (sums[at - w - 1] as number) -
        (sums[at - w - 2] as number);
    }
  }
  return light.map((level, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    const [y0, y1] = [Math.max(0, y - radius), Math.min(h, y + radius + 1)];
    const [x0, x1] = [Math.max(0, x - radius), Math.min(w, x + radius + 1)];
    const at = (v: number, u: number) => sums[v * (w + 1) + u] as number;
    const mean = (at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)) / ((y1 - y0) * (x1 - x0));
    return level - mean;
  });
}

/** Strokes of one kind, bright or dark: whichever stand out more. */
function strokes(contrast: Float32Array, least: number, may: (i: number) => boolean): Uint8Array {
  const [bright, dark] = [1, -1].map((sign) => {
    let strength = 0;
    const region = Uint8Array.from(contrast, (v, i) => {
      if (!(sign * v > least && may(i))) return 0;
      strength += (sign * v - least) ** 2;
      return 1;
    });
    return { region, strength };
  }) as [{ region: Uint8Array; strength: number }, { region: Uint8Array; strength: number }];
  return bright.strength >= dark.strength ? bright.region : dark.region;
}

/** The overlay in a part of a frame; undefined where none is found. */
function overlayIn(
  frame: Image,
  sides: readonly (readonly Image[])[],
  part: Part,
): Uint8Array | undefined {
  const size = { h: part.h, w: part.w };
  const n = part.w * part.h;
  const each = sides.filter((side) => side.length).map((side) => differences(frame, side, part));
  const stands = Uint8Array.from({ length: n }, (_, i) =>
    each.some((difference) => (difference[i] as number) < still) ? 1 : 0,
  );
  const moving = stands.reduce((count, v) => count + 1 - v, 0) / n;
  const contrast = contrasts(frame, part);
  let region: Uint8Array;
  if (moving > moves) {
    const seeds = strokes(contrast, standsOut.still, (i) => !!stands[i]);
    // Digits that change do not stand still, but have the colour of those that do.
    const colour = (i: number, k: number) => {
      const [y, x] = [part.top + Math.floor(i / part.w), part.left + (i % part.w)];
      return frame.data[(y * frame.width + x) * frame.channels + k] as number;
    };
    const mean = [0, 0, 0];
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (!seeds[i]) continue;
      for (let k = 0; k < 3; k++) mean[k] = (mean[k] as number) + colour(i, k);
      count += 1;
    }
    const own = mean.map((v) => v / Math.max(1, count));
    region = seeds.map((v, i) => {
      if (v || Math.abs(contrast[i] as number) < standsOut.alone) return v;
      return own.every((level, k) => Math.abs(level - colour(i, k)) < alike) ? 1 : 0;
    });
  } else {
    region = strokes(contrast, standsOut.alone, () => true);
  }
  const found = region.reduce((a, b) => a + b, 0) / n;
  if (found < share.least) return undefined;
  const all = dilate(region, size, grown);
  return all.reduce((a, b) => a + b, 0) / n > share.most ? undefined : all;
}

/**
 * Masks of what is laid over a picture within boxes: text by its strokes, which stand still while
 * the picture moves, or stand out where it does not. Where nothing of the kind is found, the box.
 *
 * Reads nine frames ahead, and keeps as many behind.
 *
 * @param source frames of one size
 * @throws InpaintError ERR_ARGUMENT at the call; while it runs ERR_ARGUMENT, ERR_SHAPE (a frame),
 *   and whatever the source throws
 */
export function overlayMask(
  source: Iterable<ImageLike> | AsyncIterable<ImageLike>,
  boxes: readonly Box[],
  options: OverlayOptions = {},
): AsyncGenerator<TrackedMask, void, void> {
  expectObject(op, 'options', options);
  if (!Array.isArray(boxes) || !boxes.length) {
    const got = Array.isArray(boxes) ? 'none' : typeof boxes;
    throw new InpaintError('ERR_ARGUMENT', op, `expected an array of boxes, got ${got}`);
  }
  boxes.forEach((box, i) => {
    expectObject(op, `box ${i}`, box);
    for (const side of ['x', 'y'] as const)
      expectInteger(op, `${side} of box ${i}`, box[side], -32768, 32767);
    for (const side of ['width', 'height'] as const)
      expectInteger(op, `the ${side} of box ${i}`, box[side], 1, 65535);
  });
  return masks(source, boxes, options);
}

async function* masks(
  source: Iterable<ImageLike> | AsyncIterable<ImageLike>,
  boxes: readonly Box[],
  { onNote }: OverlayOptions,
): AsyncGenerator<TrackedMask, void, void> {
  const held = new Map<number, Image>();
  const fallen = new Set<Box>();
  let [count, given] = [0, 0];
  const make = (index: number): TrackedMask => {
    const frame = held.get(index) as Image;
    const { width, height } = frame;
    const data = new Uint8Array(width * height);
    for (const box of boxes) {
      const part = partOf(box, index, frame);
      if (!part) continue;
      const sides = [-1, 1].map((side) =>
        apart.flatMap((k) => {
          const other = held.get(index + side * k);
          // Beyond the box's own frames there is nothing of it.
          return other && partOf(box, index + side * k, other) ? [other] : [];
        }),
      );
      const region = overlayIn(frame, sides, part);
      if (!region && !fallen.has(box)) {
        const { x, y, width: w, height: h } = box;
        onNote?.(`no overlay is found in ${x},${y},${w},${h} of frame ${index}; the box is taken`);
      }
      if (region) fallen.delete(box);
      else fallen.add(box);
      for (let y = 0; y < part.h; y++) {
        for (let x = 0; x < part.w; x++)
          if (!region || region[y * part.w + x]) data[(part.top + y) * width + part.left + x] = 255;
      }
    }
    held.delete(index - ahead);
    return { data, width, height, channels: 1, index, lost: !data.includes(255) };
  };
  for await (const value of source) {
    const frame = toImage(op, `frame ${count}`, value);
    const first = held.values().next().value ?? frame;
    if (frame.width !== first.width || frame.height !== first.height || frame.channels === 1) {
      const { width, height, channels } = frame;
      const expected = `frame ${count} to be ${first.width} x ${first.height} x 3 or 4 like the first`;
      const message = `expected ${expected}, got ${width} x ${height} x ${channels}`;
      throw new InpaintError('ERR_SHAPE', op, message);
    }
    // A source may use its buffer again.
    held.set(count, { ...frame, data: Uint8Array.from(frame.data) });
    count += 1;
    if (count > given + ahead) yield make(given++);
  }
  while (given < count) yield make(given++);
}
