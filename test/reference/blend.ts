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
    const gate = round((decoded[4 * pixel + 3] as number) * (known[pixel] as number));
    const correction = decoded[4 * pixel + (i % 3)] as number;
    const raw = round((coarse[i] as number) + round(round(1 - gate) * correction));
    const logit = motion?.[3 * pixel + 2] ?? 0;
    const m = previous ? round(1 / round(1 + round(Math.exp(-logit)))) : 1;
    out[i] = round(round(m * raw) + round(round(1 - m) * (previous?.[i] ?? 0)));
  }
  return out;
}
