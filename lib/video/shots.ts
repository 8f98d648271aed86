import type { Image } from './image.js';

const columns = 32;
const rows = 18;
/** Samples along each side of a cell. */
const samples = 4;
/**
 * Below this correlation two frames show different scenes. With it, 3 of 9,105 neighbours in 109
 * clips were taken for a cut, and 97 % of pairs of frames from different clips.
 */
const correlationLimit = 0.4;
/**
 * Frames closer than this (grey levels of 255) are the same, whatever the correlation of their
 * noise says.
 */
const differenceLimit = 10;

/** A frame as a small grey picture, 32 x 18, row major. */
export type Thumbnail = Float32Array;

/** Shrinks a frame to a {@link Thumbnail} by averaging 4 x 4 samples a cell. */
export function thumbnail({ data, width, height, channels }: Image): Thumbnail {
  const small = new Float32Array(columns * rows);
  for (let i = 0; i < rows * samples; ++i) {
    const y = Math.floor(((i + 0.5) * height) / (rows * samples));
    for (let j = 0; j < columns * samples; ++j) {
      const at = (y * width + Math.floor(((j + 0.5) * width) / (columns * samples))) * channels;
      const cell = Math.floor(i / samples) * columns + Math.floor(j / samples);
      const grey =
        0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
      small[cell] = (small[cell] ?? 0) + grey / samples ** 2;
    }
  }
  return small;
}

/**
 * Whether a new shot starts between two frames that follow each other: their thumbnails neither
 * correlate nor are close. A change of exposure leaves the correlation as it is. Dissolves and
 * fades are not seen.
 */
export function isCut(before: Thumbnail, after: Thumbnail): boolean {
  const n = before.length;
  const mean = (v: Thumbnail) => v.reduce((a, b) => a + b, 0) / n;
  const [meanBefore, meanAfter] = [mean(before), mean(after)];
  let [product, squareBefore, squareAfter, difference] = [0, 0, 0, 0];
  for (let i = 0; i < n; ++i) {
    const a = (before[i] as number) - meanBefore;
    const b = (after[i] as number) - meanAfter;
    product += a * b;
    squareBefore += a * a;
    squareAfter += b * b;
    difference += Math.abs((before[i] as number) - (after[i] as number)) / n;
  }
  const correlation = product / Math.sqrt(squareBefore * squareAfter + 1e-6);
  return correlation < correlationLimit && difference > differenceLimit;
}
