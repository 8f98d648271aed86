import type { Round } from '../close.js';
import type { Plane } from '../random.js';

interface Size {
  readonly h: number;
  readonly w: number;
}

/** Frames [h w c] and what of them is seen, [h w]. */
interface Frame {
  readonly frame: ArrayLike<number>;
  readonly visibility: ArrayLike<number>;
}

export interface PaintNative extends Size {
  readonly c: number;
  readonly target: Frame;
  readonly references: readonly Frame[];
  readonly theta: ArrayLike<number>;
  readonly distance: Plane;
  readonly offset: Plane;
  readonly scale: number;
  readonly doubt: number;
  readonly slope: number;
  readonly bounds: Size & { readonly y: number; readonly x: number };
  readonly plane: Size;
  readonly extent: Size;
  readonly coarse: Plane;
  readonly decoded: Plane;
  readonly motion?: Plane | undefined;
  readonly previous?: ArrayLike<number> | undefined;
  readonly flowScale: number;
}

/** The pixels around y, x and their weights. */
function around(y: number, x: number): [row: number, column: number, weight: number][] {
  const [row, column] = [Math.floor(y), Math.floor(x)];
  const [dy, dx] = [y - row, x - column];
  return [
    [row, column, (1 - dy) * (1 - dx)],
    [row, column + 1, (1 - dy) * dx],
    [row + 1, column, dy * (1 - dx)],
    [row + 1, column + 1, dy * dx],
  ];
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** The frame, its bytes not yet rounded: (y + 1) 127.5; and the coverage. */
export function paintNative(p: PaintNative, round: Round) {
  const { h, w, c, target, references, theta, bounds, extent, plane, previous } = p;
  const out = Float64Array.from(target.frame);
  const coverage: [number, number] = [0, 0];
  const colour = (byte = 0) => round(round(byte / 127.5) - 1);

  /** `channels` of a frame at y, x: zeros outside, or its border repeated. */
  const sample = (
    data: (pixel: number, k: number) => number,
    y: number,
    x: number,
    channels: number,
  ) => {
    const sums = new Array<number>(channels).fill(0);
    for (const [row, column, weight] of around(y, x)) {
      if (weight === 0 || !(row >= 0 && row < h && column >= 0 && column < w)) continue;
      for (let k = 0; k < channels; k++) {
        sums[k] = round((sums[k] as number) + round(round(weight) * data(row * w + column, k)));
      }
    }
    return sums;
  };

  /**
   * Channels of map n at row y, column x of the frame; the map is part of a plane of size `from`.
   */
  const enlarge = (map: Plane, from: Size, y: number, x: number, n = 0) => {
    const rows = clamp(((y + 0.5) * from.h) / extent.h - 0.5 - map.y, 0, map.h - 1);
    const columns = clamp(((x + 0.5) * from.w) / extent.w - 0.5 - map.x, 0, map.w - 1);
    const sums = new Array<number>(map.c).fill(0);
    for (const [row, column, weight] of around(rows, columns)) {
      if (weight === 0) continue;
      for (let k = 0; k < map.c; k++) {
        const value = map.data[((n * map.h + row) * map.w + column) * map.c + k] as number;
        sums[k] = round((sums[k] as number) + round(round(weight) * value));
      }
    }
    return sums;
  };

  for (let pixel = 0; pixel < h * w; pixel++) {
    if (target.visibility[pixel]) continue;
    coverage[0]++;
    const [y, x] = [Math.floor(pixel / w), pixel % w];
    const inside =
      y >= bounds.y && y < bounds.y + bounds.h && x >= bounds.x && x < bounds.x + bounds.w;
    if (!inside) continue;

    const shown: { distance: number; colour: number[] }[] = [];
    references.forEach((reference, r) => {
      const u = ((x + 0.5) * 2) / extent.w - 1;
      const v = ((y + 0.5) * 2) / extent.h - 1;
      const [du, dv, d] = [0, 3, 6].map((i) => {
        const [a = 0, b = 0, e = 0] = Array.from(theta).slice(9 * r + i, 9 * r + i + 3);
        return a * u + b * v + e;
      }) as [number, number, number];
      const over = Math.max(d, 0.1);
      const sx = round(((du / over + 1) * extent.w - 1) / 2);
      const sy = round(((dv / over + 1) * extent.h - 1) / 2);
      const [visibility = 0] = sample((at) => reference.visibility[at] as number, sy, sx, 1);
      if (!(visibility > 0.99)) return;
      const own = sample((at, k) => colour(reference.frame[at * c + k]), sy, sx, 3);
      const [distance = 0] = enlarge(p.distance, p.distance, y, x, r);
      const offset = enlarge(p.offset, p.offset, y, x, r);
      shown.push({ distance, colour: own.map((v, k) => round(v + (offset[k] as number))) });
    });
    const logits = shown.map(({ distance }) => round(-p.scale * distance));
    const weights = logits.map((logit) => round(Math.exp(logit - Math.max(...logits))));
    const total = weights.reduce((sum, weight) => round(sum + weight), 0);
    const mean = (of: (it: (typeof shown)[number]) => number) =>
      shown.reduce((sum, it, i) => {
        const weight = round((weights[i] as number) / total);
        return round(sum + round(weight * of(it)));
      }, 0);
    const sigmoid = (logit: number) => round(1 / round(1 + round(Math.exp(-logit))));
    const doubted = round(p.slope * round(p.doubt - mean(({ distance }) => distance)));
    const known = shown.length > 0 ? sigmoid(doubted) : 0;
    coverage[1] += shown.length > 0 ? 1 : 0;

    const coarse = enlarge(p.coarse, plane, y, x);
    const correction = enlarge(p.decoded, plane, y, x);
    const kept = shown.length > 0 ? known : 1;
    const u = round(1 - round((correction[3] as number) * kept));
    const moved = p.motion && enlarge(p.motion, p.motion, y, x);
    const [dx = 0, dy = 0, logit = 0] = moved ?? [];
    const s = previous ? round(u * sigmoid(-logit)) : 0;
    const toX = round(x + round(((p.flowScale * extent.w) / plane.w) * dx));
    const toY = round(y + round(((p.flowScale * extent.h) / plane.h) * dy));
    const before = previous
      ? sample(
          (at, k) => colour(previous[at * c + k]),
          clamp(toY, 0, h - 1),
          clamp(toX, 0, w - 1),
          3,
        )
      : [0, 0, 0];
    for (let k = 0; k < 3; k++) {
      const copy = round(known * mean(({ colour }) => colour[k] as number));
      const filled = round(copy + round(round(1 - known) * (coarse[k] as number)));
      const raw = round(filled + round(u * (correction[k] as number)));
      const value = round(round(round(1 - s) * raw) + round(s * (before[k] as number)));
      out[pixel * c + k] = round(round(clamp(value, -1, 1) + 1) * 127.5);
    }
  }
  return { frame: out, coverage };
}
