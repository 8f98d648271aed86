import { flowWarp } from '../../lib/ops/index.js';
import type { Case, Feed } from '../harness.js';
import { band, boundsOf, native, shrink, text, work } from '../shapes.js';

export const cases = (feed: Feed): Case[] => {
  const cells = shrink(work, 4);
  const own = boundsOf(work);
  const scale = { scaleX: 4, scaleY: 4 };
  return [
    {
      name: `features ${text(cells)} 64`,
      bytes: 4 * cells.h * cells.w * (64 + 3 + 64),
      prepare: () => {
        const [source, flow] = [feed.map(cells, 64), feed.map(cells, 3)];
        return () => flowWarp(source, flow, scale);
      },
    },
    {
      name: `frame ${text(own)} of ${text(work)}`,
      bytes: 4 * own.h * own.w * (3 + 3 + 3),
      prepare: () => {
        const [source, flow] = [feed.map(work, 3), feed.map(own, 3)];
        return () => flowWarp(source, flow, { ...scale, y: own.y, x: own.x });
      },
    },
    {
      name: `bytes ${text(band)} of ${text(native)}`,
      bytes: band.h * band.w * (3 + 4 * (3 + 3)),
      prepare: () => {
        const [source, flow] = [feed.frame(native), feed.map(band, 3)];
        return () => flowWarp(source, flow, { ...scale, y: band.y, x: band.x });
      },
    },
  ];
};
