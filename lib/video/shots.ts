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

/**
 * A frame as a small grey picture, 32 x 18, row major, each cell the average of 4 x 4 samples. Made
 * by the addon: see binding/window.cpp.
 */
export type Thumbnail = Float32Array;

/** An empty {@link Thumbnail}. */
export const newThumbnail = (): Thumbnail => new Float32Array(32 * 18);

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
