/** A homography, row major, in [-1, 1] x [-1, 1]: see homographySample. */
export type Matrix = readonly number[];

export const identity: Matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** First b, then a. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  return identity.map((_, i) => {
    const [row, column] = [3 * Math.floor(i / 3), i % 3];
    return [0, 1, 2].reduce(
      (sum, k) => sum + (a[row + k] as number) * (b[3 * k + column] as number),
      0,
    );
  });
}

/** The inverse, but for a factor, which positions do not tell. */
export function inverse(m: Matrix): Matrix {
  const [a, b, c, d, e, f, g, h, i] = m as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const adjugate = [
    e * i - f * h,
    c * h - b * i,
    b * f - c * e,
    f * g - d * i,
    a * i - c * g,
    c * d - a * f,
    d * h - e * g,
    b * g - a * h,
    a * e - b * d,
  ];
  const last = adjugate[8] as number;
  return adjugate.map((v) => v / last);
}

/**
 * From frame `target` to frame `other`.
 *
 * @param step from a frame to the one before it
 */
export function chain(step: (frame: number) => Matrix, target: number, other: number): Matrix {
  let m = identity;
  for (let t = target; t > other; t--) m = multiply(step(t), m);
  for (let t = target; t < other; t++) m = multiply(inverse(step(t + 1)), m);
  return m;
}
