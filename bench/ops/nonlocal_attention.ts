import { nonlocalAttention } from '../../lib/ops/index.js';
import { type Case, type Feed, percent } from '../harness.js';
import { compared, holeOf, references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const c = 4 * feed.config.inpainter.width;
  return [compared, work].map((frame) => {
    const size = shrink(frame, 4);
    const cells = size.h * size.w;
    const query = holeOf(size);
    const count = (mask: Uint8Array) => mask.reduce((sum, hole) => sum + hole, 0);
    const queries = count(query);
    const keys = feed.each((shift) => cells - count(holeOf(size, shift))).reduce((a, b) => a + b);
    return {
      name: `${text(size)} ${c}, ${percent(share)} hole, of ${references}`,
      bytes: 4 * cells * ((references + 2) * c + references + 1),
      flops: 4 * queries * keys * c,
      prepare: () => {
        const x = feed.map(size, c);
        const asking = feed.upload(Float32Array.from(query), 1, size.h, size.w, 1);
        const maps = feed.each(() => feed.map(size, c));
        const seen = feed.each((shift) => feed.seen(size, shift));
        return () => nonlocalAttention(x, asking, maps, seen, 20);
      },
    };
  });
};
