import { describe, expect, it } from 'vitest';
import {
  chooseReferences,
  lookAhead,
  nearReach,
  oldestReference,
} from '../../lib/video/references.js';

describe('chooseReferences', () => {
  it('takes near frames and every stride-th of the shot, without the target', () => {
    const near = [15, 17, 18, 19, 21, 22, 23, 25];
    expect(chooseReferences(20, 0, 45, 10, 16)).toEqual([0, 10, ...near, 30, 40]);
    expect(chooseReferences(21, 0, 22, 10, 16)).toEqual([0, 10, 16, 18, 19, 20]);
  });

  it('counts from the first frame of the shot and never leaves it', () => {
    expect(chooseReferences(33, 33, 60, 10, 16)).toEqual([34, 35, 36, 38, 43, 53]);
    expect(chooseReferences(59, 33, 60, 10, 16)).toEqual([33, 43, 53, 54, 56, 57, 58]);
  });

  it('takes no more than it may: half of them near, the others reaching far', () => {
    expect(chooseReferences(50, 0, 200, 10, 1)).toEqual([40]);
    expect(chooseReferences(50, 0, 200, 10, 4)).toEqual([40, 49, 51, 60]);
    expect(chooseReferences(100, 0, 200, 10, 16)).toEqual([
      20, 60, 80, 90, 95, 97, 98, 99, 101, 102, 103, 105, 110, 120, 140, 180,
    ]);
    expect(chooseReferences(0, 0, 200, 10, 6)).toEqual([1, 2, 3, 10, 20, 40]);
    expect(chooseReferences(199, 0, 200, 10, 12)).toEqual([
      120, 130, 140, 150, 160, 170, 180, 190, 194, 196, 197, 198,
    ]);
  });

  it('takes those between when there are few', () => {
    expect(chooseReferences(8, 0, 17, 2, 16)).toEqual([
      0, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 16,
    ]);
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
          Math.min(oldestReference(target, 4, stride, most), target - nearReach(most)),
        );
        expect(oldestReference(target + 1, 4, stride, most)).toBeGreaterThanOrEqual(
          oldestReference(target, 4, stride, most),
        );
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen.length).toBeLessThanOrEqual(most);
        expect(chosen).not.toContain(target);
      }
    }
  });
});
