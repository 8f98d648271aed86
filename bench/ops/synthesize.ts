import { synthesize } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { boundsOf, holeOf, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const { h, w } = work;
  const bounds = boundsOf(work);
  const prepare = (open: boolean) => () => {
    const frame = feed.map(work, 3);
    const seen = Float32Array.from(holeOf(work), (it) => (open && it ? 0 : 1));
    const known = feed.upload(seen, 1, h, w, 1);
    const decoded = { tensor: feed.map(bounds, 4), y: bounds.y, x: bounds.x };
    return () => synthesize({ frame, known, decoded, seed: 1 });
  };
  const bytes = 8 * (h * w * 4 + bounds.h * bounds.w * 4);
  return [
    { name: `frame ${text(work)}, nothing open`, bytes, prepare: prepare(false) },
    { name: `frame ${text(work)}, all of the hole`, bytes, prepare: prepare(true) },
  ];
};
