import type { Round } from '../close.js';

/** Maps [pixels 4], [pixels 3], [pixels], [pixels 3], [pixels 3] of the same pixels. */
export function blend(
  decoded: ArrayLike<number>,
  coarse: ArrayLike<number>,
  known: ArrayLike<number>,
  previous: ArrayLike<number> | undefined,
  motion: ArrayLike<number> | undefined,
  round: Round,
): Float64Array {
  const out = new Float64Array(known.length * 3);
  for (let i = 0; i < out.length; i++) {
    const pixel = Math.floor(i / 3);
    const u = round(1 - round((decoded[4 * pixel + 3] as number) * (known[pixel] as number)));
    const correction = decoded[4 * pixel + (i % 3)] as number;
    const raw = round((coarse[i] as number) + round(u * correction));
    const logit = motion?.[3 * pixel + 2] ?? 0;
    const s = previous ? round(u * round(1 / round(1 + round(Math.exp(logit))))) : 0;
    out[i] = round(round(round(1 - s) * raw) + round(s * (previous?.[i] ?? 0)));
  }
  return out;
}
