/** How a picture is turned to be displayed, in degrees clockwise. */
export type Rotation = 0 | 90 | 180 | 270;

/** @internal Reads FFmpeg's display matrix: nine 32-bit numbers. Mirroring is not told. */
export function rotationOf(matrix: Buffer | null): Rotation {
  if (!matrix || matrix.length < 36) return 0;
  const degrees = (Math.atan2(matrix.readInt32LE(4), matrix.readInt32LE(0)) * 180) / Math.PI;
  return (((Math.round(degrees / 90) + 4) % 4) * 90) as Rotation;
}

/** @internal FFmpeg's filters that turn a picture clockwise. */
export const turned: Readonly<Record<Rotation, readonly string[]>> = {
  0: [],
  90: ['transpose=clock'],
  180: ['hflip', 'vflip'],
  270: ['transpose=cclock'],
};
