import { windowedAttention } from '../../lib/ops/index.js';
import { type Case, type Feed, percent } from '../harness.js';
import { compared, holeOf, references, share, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const c = 4 * feed.config.inpainter.width;
  const reach = 6;
  return [compared, work].map((frame) => {
    const size = shrink(frame, 4);
    const cells = size.h * size.w;
    const query = holeOf(size);
    const visibility = new Float32Array(references * cells).fill(1);
    const queries = query.reduce((sum, hole) => sum + hole, 0);
    return {
      name: `${text(size)} ${c}, ${percent(share)} hole, of ${references}`,
      bytes: 4 * cells * ((references + 1) * c + 8 * references + 5),
      flops: 2 * queries * references * (2 * reach + 1) ** 2 * c,
      prepare: () => {
        const maps = (channels: number) => feed.map(size, channels, references);
        const options = {
          x: feed.map(size, c),
          query: feed.upload(Float32Array.from(query), 1, size.h, size.w, 1),
          keys: maps(c),
          visibility: feed.upload(visibility, references, size.h, size.w, 1),
          colours: maps(3),
          offset: maps(3),
          distance: maps(1),
          scale: 4,
          pool: 20,
          sigma: 2,
          reach,
        };
        return () => windowedAttention(options);
      },
    };
  });
};
