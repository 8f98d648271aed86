import { describe, expect, it } from 'vitest';
import { chooseReferences, lookAhead, oldestReference } from '../../lib/video/references.js';

describe('chooseReferences', () => {
  it('takes every stride-th frame of the shot, without the target', () => {
    expect(chooseReferences(20, 0, 45, 10, 16)).toEqual([0, 10, 30, 40]);
    expect(chooseReferences(21, 0, 45, 10, 16)).toEqual([0, 10, 20, 30, 40]);
  });

  it('counts from the first frame of the shot and never leaves it', () => {
    expect(chooseReferences(37, 33, 60, 10, 16)).toEqual([33, 43, 53]);
  });

  it('takes the nearest when there are more than it may', () => {
    expect(chooseReferences(50, 0, 200, 10, 4)).toEqual([30, 40, 60, 70]);
    expect(chooseReferences(0, 0, 200, 10, 2)).toEqual([10, 20]);
  });

  it('has none in a shot of one frame', () => {
    expect(chooseReferences(7, 7, 8, 10, 16)).toEqual([]);
  });

  it('never asks for a frame older than the oldest that is kept, or beyond the look-ahead', () => {
    for (const [stride, most] of [
      [1, 1],
      [3, 2],
      [10, 16],
      [7, 5],
    ] as const) {
      for (let target = 4; target < 300; ++target) {
        const end = target + 1 + lookAhead(stride, most);
        const chosen = chooseReferences(target, 4, end, stride, most);
        expect(Math.min(...chosen, target)).toBeGreaterThanOrEqual(
          oldestReference(target, 4, stride, most),
        );
        expect(oldestReference(target + 1, 4, stride, most)).toBeGreaterThanOrEqual(
          oldestReference(target, 4, stride, most),
        );
        expect(chosen.length).toBeLessThanOrEqual(most);
        expect(chosen).not.toContain(target);
      }
    }
  });
});
