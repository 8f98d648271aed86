// Where a video is divided into segments, each completed and encoded for itself: at shots, which
// share nothing, and within shots that are long, where `Carried` is what goes over the border.

import { lookAhead } from './references.js';

/** Frames `from` to `to`, themselves included. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  /**
   * Whether it begins within a shot: then the segment before it has to be completed first, and its
   * first frame is given what that one's last frame carries on.
   */
  readonly isCarriedOn: boolean;
  /**
   * Frames that are looked at for it. Those before its shot have no influence but on where that
   * begins.
   */
  readonly reads: { readonly from: number; readonly to: number };
}

/** How long segments are, in frames. */
export interface SegmentLengths {
  /** A shot that begins earlier does not end a segment. */
  readonly shortest: number;
  readonly longest: number;
}

/**
 * A few seconds at the least, as each is encoded for itself; at the most a minute's work or so that
 * is lost with it.
 */
export const segmentLengths: SegmentLengths = { shortest: 60, longest: 240 };

/** Whether a segment that began at `from` ends before frame `index`, whose shot begins at `shot`. */
export function endsBefore(
  from: number,
  index: number,
  shot: number,
  { shortest, longest } = segmentLengths,
): boolean {
  const length = index - from;
  return length >= longest || (length >= shortest && index === shot);
}

/**
 * Divides a video of which the shots are known, where {@link endsBefore} does while they are found.
 *
 * @param shots first frames, ascending, 0 among them
 * @param options those of the inpainter
 */
export function planSegments(
  shots: readonly number[],
  frames: number,
  { referenceStride, maxReferences }: { referenceStride: number; maxReferences: number },
  lengths: SegmentLengths = segmentLengths,
): Segment[] {
  const ahead = lookAhead(referenceStride, maxReferences);
  const segments: Segment[] = [];
  let [from, shot, next] = [0, 0, 1]; // the segment's first frame, the first of its shot and of the next
  for (let index = 1, now = 0; index <= frames; ++index) {
    if (shots[next] === index) {
      now = index;
      next += 1;
    }
    if (index < frames && !endsBefore(from, index, now, lengths)) continue;
    const to = index - 1;
    const reads = { from: shot, to: Math.min(to + ahead, frames - 1) };
    segments.push({ from, to, isCarriedOn: from !== shot, reads });
    [from, shot] = [index, now];
  }
  return segments;
}
