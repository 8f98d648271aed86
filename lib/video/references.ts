/**
 * The reference frames of a target: every `stride`-th frame of its shot, counted from the shot's
 * first, at most `most` of them, nearest first decided, ascending; the target itself is none.
 *
 * @param start first frame of the shot
 * @param end one behind the last frame of the shot that is known
 */
export function chooseReferences(
  target: number,
  start: number,
  end: number,
  stride: number,
  most: number,
): number[] {
  const candidates: number[] = [];
  for (let i = start; i < end; i += stride) if (i !== target) candidates.push(i);
  candidates.sort((a, b) => Math.abs(a - target) - Math.abs(b - target) || a - b);
  return candidates.slice(0, most).sort((a, b) => a - b);
}

/**
 * The first frame that the target, or a later one of the shot, can still ask for as a reference:
 * with `most` candidates kept behind the target, what lies before them is never among the nearest.
 */
export function oldestReference(
  target: number,
  start: number,
  stride: number,
  most: number,
): number {
  const last = Math.floor((target - start) / stride);
  return start + Math.max(0, last - most) * stride;
}

/** How many frames ahead of the target are looked at: half the reference window. */
export function lookAhead(stride: number, most: number): number {
  return Math.ceil(most / 2) * stride;
}
