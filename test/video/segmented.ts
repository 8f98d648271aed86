// A video completed whole, and segment by segment, each from what the one before it told.

import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { type InpaintedFrame, Inpainter, type InpainterOptions } from '../../lib/index.js';
import type { Carried } from '../../lib/video/completion.js';
import type { FramePair } from '../../lib/video/image.js';
import { endsBefore, type SegmentLengths } from '../../lib/video/segments.js';

/** All of a frame, its bytes as a short text. */
const shown = ({ data, index, shot, coverage }: InpaintedFrame) => {
  const bytes = createHash('sha1').update(data).digest('hex');
  return `${index} of ${shot}: ${coverage}, ${bytes}`;
};

async function collect(frames: AsyncIterable<InpaintedFrame>): Promise<string[]> {
  const all = [];
  for await (const frame of frames) all.push(shown(frame));
  return all;
}

const nothing = { carried: undefined, endsBefore: () => false };

/**
 * @param isTold whether segments are given what is carried on
 * @returns the frames of one run, and of the segments, each by an inpainter of its own
 */
export async function bothWays(
  source: readonly FramePair[],
  options: InpainterOptions,
  lengths: SegmentLengths,
  isTold = true,
) {
  const starts: { from: number; carried: Carried | undefined }[] = [
    { from: 0, carried: undefined },
  ];
  let from = 0;
  const segmented = {
    endsBefore: (index: number, shot: number) => {
      const isEnd = endsBefore(from, index, shot, lengths);
      if (isEnd) from = index;
      return isEnd;
    },
  };
  await using first = await Inpainter.create(options);
  const whole: string[] = [];
  for await (const frame of first.inpaint(source, { segmented })) {
    const { ended, index } = frame;
    whole.push(shown(frame));
    if (ended) starts.push({ from: index + 1, carried: deserialize(serialize(ended.carried)) });
  }
  const undivided = await collect(first.inpaint(source));
  const segments: string[] = [];
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1]?.from;
    const to = end === undefined ? undefined : end - 1;
    await using other = await Inpainter.create(options);
    const part = { ...nothing, carried: isTold ? start.carried : undefined };
    segments.push(
      ...(await collect(other.inpaint(source, { from: start.from, to, segmented: part }))),
    );
  }
  return { undivided, whole, segments, starts };
}
