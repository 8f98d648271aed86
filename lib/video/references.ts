/** How far the near references are from their target, in frames. */
const nearSteps = [1, 2, 3, 5];

/** How far from their target references are at most, in frames. */
const farthest = 160;

/**
 * The reference frames of a target, ascending, at most `most` of them, all of its shot.
 *
 * Up to half are near: 1, 2, 3 and 5 frames before and after the target. They show it from nearly
 * the same place, and what moves in nearly the same pose. The others are taken from every
 * `stride`-th frame, counted from the shot's first: on each side the first, second, fourth, eighth,
 * ..., so that few reach far; then those between, nearest first.
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
  const near = nearSteps
    .flatMap((step) => [target - step, target + step])
    .filter((at) => at >= start && at < end)
    .slice(0, most / 2);
  const far: { at: number; between: boolean }[] = [];
  const last = start + Math.floor((target - start) / stride) * stride;
  for (const [first, step] of [
    [last === target ? last - stride : last, -stride],
    [last + stride, stride],
  ] as const) {
    for (
      let at = first, n = 1;
      n <= most && at >= start && at < end && Math.abs(at - target) <= farthest;
      at += step, ++n
    )
      far.push({ at, between: !Number.isInteger(Math.log2(n)) });
  }
  far.sort(
    (a, b) =>
      Number(a.between) - Number(b.between) ||
      Math.abs(a.at - target) - Math.abs(b.at - target) ||
      a.at - b.at,
  );
  const chosen = new Set([...near, ...far.map(({ at }) => at)]);
  return [...chosen].slice(0, most).sort((a, b) => a - b);
}

/** How far from their target near references are at most, in frames. */
export function nearReach(most: number): number {
  return nearSteps[Math.min(Math.floor(most / 2), nearSteps.length) - 1] ?? 0;
}

/**
 * The first frame that the target, or a later one of the shot, can still ask for as a reference
 * that is not near: `most` of every `stride`-th are kept behind the target.
 */
export function oldestReference(
  target: number,
  start: number,
  stride: number,
  most: number,
): number {
  const last = Math.floor((target - start) / stride);
  const reach = Math.min(most, Math.ceil(farthest / stride));
  return start + Math.max(0, last - reach) * stride;
}

/** How many frames ahead of the target are looked at: half the reference window. */
export function lookAhead(stride: number, most: number): number {
  return Math.min(Math.ceil(most / 2) * stride, farthest);
}

/** How far behind the target its references are at most, in frames. */
export function lookBehind(stride: number, most: number): number {
  return Math.min(most * stride, farthest);
}
