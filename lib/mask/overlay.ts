import { InpaintError } from '../errors.js';
import { expectInteger, expectObject } from '../expect.js';
import type { Size } from '../ops/window.js';
import { type Image, type ImageLike, toImage } from '../video/image.js';
import type { Box } from '../video/masks.js';
import { dilate, parts, touching } from './regions.js';
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
/**
 * Around strokes, outlines and shadows are looked for as far as letters are high, times `heights`, and
 * at least and at most so many pixels. What is half covered moves half as much as what is around it, so
 * one that moves less than `share` of that belongs to the overlay; where the picture stands still, one
 * that differs by `levels` from it.
 */
const edge = { heights: 0.16, least: 3, most: 16, share: 0.6, levels: 10 } as const;
/** For blurred edges, all is grown by this many pixels. */
const blurred = 1;
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

/** Mean around each pixel of those that count; `otherwise` where none does. */
function means(
  values: Float32Array,
  counts: (i: number) => boolean,
  { h, w }: Size,
  radius: number,
  otherwise: number,
): Float32Array {
  const sums = new Float64Array((w + 1) * (h + 1));
  const numbers = new Float64Array((w + 1) * (h + 1));
  for (let y = 0; y < h; y++) {
    let [sum, number] = [0, 0];
    for (let x = 0; x < w; x++) {
      const i = y * w + x;
      if (counts(i)) {
        sum += values[i] as number;
        number += 1;
      }
      const at = (y + 1) * (w + 1) + x + 1;
      sums[at] = sum + (sums[at - w - 1] as number);
      numbers[at] = number + (numbers[at - w - 1] as number);
    }
  }
  return values.map((_, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    const [y0, y1] = [Math.max(0, y - radius) * (w + 1), Math.min(h, y + radius + 1) * (w + 1)];
    const [x0, x1] = [Math.max(0, x - radius), Math.min(w, x + radius + 1)];
    const over = (of: Float64Array) =>
      (of[y1 + x1] as number) -
      (of[y0 + x1] as number) -
      (of[y1 + x0] as number) +
      (of[y0 + x0] as number);
    const number = over(numbers);
    return number ? over(sums) / number : otherwise;
  });
}

/** One of a part's colours, in levels of 255. */
function channelOf(frame: Image, { left, top, w, h }: Part, k: number): Float32Array {
  const { data, width, channels } = frame;
  return Float32Array.from(
    { length: w * h },
    (_, i) => data[((top + Math.floor(i / w)) * width + left + (i % w)) * channels + k] as number,
  );
}

/** How far outlines and shadows may reach around strokes: by the height of the middle letter. */
function reachOf(strokes: Uint8Array, size: Size): number {
  const { part, count } = parts(strokes, size);
  const top = new Int32Array(count + 1).fill(size.h);
  const bottom = new Int32Array(count + 1);
  part.forEach((at, i) => {
    const y = Math.floor(i / size.w);
    top[at] = Math.min(top[at] as number, y);
    bottom[at] = Math.max(bottom[at] as number, y + 1);
  });
  // Each letter as often as it has pixels: specks do not count.
  const heights = [...part]
    .filter((at) => at)
    .map((at) => (bottom[at] as number) - (top[at] as number));
  const middle = heights.sort((a, b) => a - b)[heights.length >> 1] ?? 0;
  return Math.round(Math.min(edge.most, Math.max(edge.least, edge.heights * middle)));
}

/** Strokes with what belongs to them around, and their blurred edges. */
function withEdges(strokes: Uint8Array, belongs: (i: number) => boolean, size: Size): Uint8Array {
  const all = strokes.map((v, i) => (v || belongs(i) ? 1 : 0));
  return dilate(touching(all, strokes, size, 1), size, blurred);
}

/** Whether pixels differ from the mean of those that are not `around` strokes. */
function differsFrom(
  colours: readonly Float32Array[],
  around: Uint8Array,
  size: Size,
  radius: number,
): (i: number) => boolean {
  // Where nothing is free, all of it counts.
  const behind = colours.map((colour) =>
    means(colour, (i) => !around[i], size, radius, Number.NaN),
  );
  return (i) =>
    !behind.every(
      (free, k) => Math.abs((colours[k]?.[i] as number) - (free[i] as number)) < edge.levels,
    );
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
  const moved = Float32Array.from({ length: n }, (_, i) =>
    Math.min(255, ...each.map((difference) => difference[i] as number)),
  );
  const moving = moved.reduce((count, v) => count + (v < still ? 0 : 1), 0) / n;
  const [red, green, blue] = [0, 1, 2].map((k) => channelOf(frame, part, k)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const colours = [red, green, blue];
  const light = red.map(
    (v, i) => 0.299 * v + 0.587 * (green[i] as number) + 0.114 * (blue[i] as number),
  );
  const radius = Math.max(6, Math.round(part.h / 6));
  const local = means(light, () => true, size, radius, 0);
  const contrast = light.map((v, i) => v - (local[i] as number));
  const isShare = (region: Uint8Array, least: number, most: number) => {
    const found = region.reduce((a, b) => a + b, 0) / n;
    return found >= least && found <= most;
  };
  if (moving <= moves) {
    const found = strokes(contrast, standsOut.alone, () => true);
    if (!isShare(found, share.least, 1)) return undefined;
    const reach = reachOf(found, size);
    const around = dilate(found, size, reach);
    const differs = differsFrom(colours, around, size, reach + 3);
    const all = withEdges(found, (i) => !!around[i] && differs(i), size);
    return isShare(all, 0, share.most) ? all : undefined;
  }
  const seeds = strokes(contrast, standsOut.still, (i) => (moved[i] as number) < still);
  // Digits that change do not stand still, but have the colour of those that do.
  const count = seeds.reduce((a, b) => a + b, 0);
  const own = colours.map(
    (colour) =>
      colour.reduce((sum, v, i) => sum + v * (seeds[i] as number), 0) / Math.max(1, count),
  );
  const changing = seeds.map((v, i) => {
    if (v || Math.abs(contrast[i] as number) < standsOut.alone) return 0;
    return own.every((v, k) => Math.abs(v - (colours[k]?.[i] as number)) < alike) ? 1 : 0;
  });
  const found = seeds.map((v, i) => v | (changing[i] as number));
  if (!isShare(found, share.least, 1)) return undefined;
  const reach = reachOf(found, size);
  const around = dilate(found, size, reach);
  const free = means(moved, (i) => !around[i], size, radius + reach, 0);
  const least = (i: number) => Math.max(still, edge.share * (free[i] as number));
  const differs = differsFrom(colours, around, size, reach + 3);
  const stands = (i: number) => !!around[i] && (moved[i] as number) < least(i);
  const standing = withEdges(seeds, (i) => stands(i) && differs(i), size);
  // Nothing tells the outlines of what changes from what is behind them.
  const others = dilate(changing, size, edge.least);
  const all = standing.map((v, i) => v | (others[i] as number));
  return isShare(all, 0, share.most) ? all : undefined;
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
