import { describe, expect, it } from 'vitest';
import { endsBefore, planSegments } from '../../lib/video/segments.js';
import { fixturePath } from '../network/fixtures.js';
import { clip } from './scenes.js';
import { bothWays } from './segmented.js';

const options = { referenceStride: 10, maxReferences: 16 };
const lengths = { shortest: 20, longest: 50 };

describe('planSegments', () => {
  it('ends segments at shots, and within those that are long', () => {
    const plan = planSegments([0, 10, 30, 45, 160], 200, options, lengths);
    expect(plan.map(({ from, to, isCarriedOn }) => [from, to, isCarriedOn])).toEqual([
      [0, 29, false],
      [30, 79, false],
      [80, 129, true],
      [130, 159, true],
      [160, 199, false],
    ]);
  });

  it('tells what is looked at: from the start of the shot to the last reference', () => {
    const plan = planSegments([0, 30], 200, options, lengths);
    expect(plan.map(({ reads }) => [reads.from, reads.to])).toEqual([
      [0, 109],
      [30, 159],
      [30, 199],
      [30, 199],
      [30, 199],
    ]);
  });

  it('covers every frame once, where endsBefore does as they come', () => {
    for (const shots of [[0], [0, 1], [0, 19, 20, 21, 99], [0, 50, 100], [0, 3, 99]]) {
      const starts = [0];
      for (let index = 1; index < 100; index++) {
        const shot = shots.filter((at) => at <= index).at(-1) as number;
        if (endsBefore(starts.at(-1) as number, index, shot, lengths)) starts.push(index);
      }
      const plan = planSegments(shots, 100, options, lengths);
      expect(plan.map(({ from }) => from)).toEqual(starts);
      expect(plan.map(({ to }) => to + 1)).toEqual([...starts.slice(1), 100]);
    }
    expect(planSegments([0], 0, options, lengths)).toEqual([]);
  });
});

// A cut, a hole that is gone for a while, and one that no reference shows all of: what is made up
// is carried on, and moves with the camera.
const size = { width: 48, height: 32 };
const first = (t: number) => (t > 11 && t < 17 ? undefined : ([10, 6, 34, 26] as const));
const source = [
  ...clip({ ...size, frames: 30, pan: 0.25, hole: first }),
  ...clip({ ...size, frames: 12, scene: 3, pan: 1, hole: () => [8, 6, 30, 26] }),
];

describe('what is carried on', () => {
  const settings = {
    device: 'cpu',
    threads: 1,
    workSize: 48,
    maxReferences: 4,
    referenceStride: 3,
    weights: fixturePath('narrow.safetensors'),
  } as const;

  it('gives the bits of an undivided run, wherever a segment begins', async () => {
    const lengths = { shortest: 2, longest: 5 };
    const { undivided, whole, segments, starts } = await bothWays(source, settings, lengths);
    expect(whole).toEqual(undivided);
    expect(segments).toEqual(undivided);
    const begun = starts.map(({ from }) => from);
    expect(begun).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40]);
    // Nothing goes over the cut.
    expect(starts.map(({ carried }) => carried?.outputs.length ?? 0)).toEqual([
      0, 2, 2, 2, 2, 2, 0, 2, 2,
    ]);
    expect(starts[2]?.carried?.anchor).toBeDefined();
  });

  it('is needed', async () => {
    const lengths = { shortest: 20, longest: 21 };
    const { undivided, segments } = await bothWays(source, settings, lengths, false);
    const isSame = segments.map((frame, i) => frame === undivided[i]);
    expect(isSame[20]).toBe(true);
    expect(isSame[21]).toBe(false);
    expect(isSame[30]).toBe(true);
  });
});
