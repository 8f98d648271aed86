import { chainHomographies } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { references } from '../shapes.js';

/** The frames that a target may borrow from, at most. */
const steps = 320;

export const cases = (feed: Feed): Case[] => [
  {
    name: `of ${steps} steps to ${references}`,
    bytes: 4 * 9 * (steps + references),
    prepare: () => {
      const chain = Array.from({ length: steps }, () =>
        feed.upload(feed.random.homographies(1, 0.004), 1, 3, 3),
      );
      const frames = Array.from(
        { length: references },
        (_, i) => i * Math.floor(steps / references),
      );
      return () => chainHomographies(chain, steps / 2, frames);
    },
  },
];
