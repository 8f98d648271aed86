import { expect, it } from 'vitest';
import { flowWarp } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, type Round } from '../close.js';
import { Random } from '../random.js';
import { type FlowWarp, flowWarp as reference } from '../reference/flow_warp.js';

describeBackends('flowWarp', (backend) => {
  const random = new Random(14);
  const run = (source: Float32Array | Uint8Array, flow: Float32Array, p: FlowWarp) =>
    backend.run(() =>
      flowWarp(
        backend.upload(source, 1, p.sourceH, p.sourceW, p.sourceC),
        backend.upload(flow, 1, p.h, p.w, p.flowC),
        { scaleX: p.scaleX, scaleY: p.scaleY, y: p.y, x: p.x },
      ),
    );
  const check = async (source: Float32Array | Uint8Array, p: FlowWarp, reach: number) => {
    const flow = random.values(p.h * p.w * p.flowC, -reach, reach);
    const out = await run(source, flow, p);
    const bytes = source instanceof Uint8Array;
    const values = (round: Round) =>
      bytes ? Float64Array.from(source, (value) => round(round(value / 127.5) - 1)) : source;
    expectClose(out, (round) => reference(values(round), flow, p, bytes ? 3 : p.sourceC, round));
  };
  const plain = (h: number, w: number, c: number, flowC = 2): FlowWarp => ({
    sourceH: h,
    sourceW: w,
    sourceC: c,
    h,
    w,
    flowC,
    scaleX: 1,
    scaleY: 1,
    y: 0,
    x: 0,
  });

  it.each([
    [1, 1, 1, 2],
    [1, 1, 3, 3],
    [1, 16, 3, 2],
    [15, 1, 3, 2],
    [2, 2, 3, 3],
    [7, 17, 3, 3],
    [13, 15, 64, 2],
    [9, 11, 5, 4],
    [8, 33, 17, 2],
  ])('matches the reference: %i x %i x %i, flow of %i', async (h, w, c, flowC) => {
    const source = random.values(h * w * c);
    await check(source, plain(h, w, c, flowC), 3);
    await check(source, plain(h, w, c, flowC), 30);
  });

  it.each([3, 4])('matches the reference on bytes of %i channels', async (c) => {
    for (const [h, w] of [
      [1, 1],
      [1, 2],
      [2, 3],
      [23, 31],
    ] as const) {
      await check(random.bytes(h * w * c), plain(h, w, c, 3), 5);
    }
  });

  it('matches the reference on a window, and with its own scale each way', async () => {
    const p = { ...plain(29, 37, 3, 3), h: 11, w: 19, y: 13, x: 12, scaleX: 4.5, scaleY: -3.25 };
    await check(random.values(29 * 37 * 3), p, 2);
    await check(random.bytes(29 * 37 * 3), p, 2);
  });

  it('returns its input without flow, or the part the window asks for', async () => {
    const x = random.values(9 * 8 * 3);
    const p = plain(9, 8, 3);
    expectSame(await run(x, new Float32Array(9 * 8 * 2), p), x);
    const row = { ...p, h: 1, w: 8, y: 4 };
    expectSame(await run(x, new Float32Array(16), row), x.subarray(4 * 24, 5 * 24));
  });

  it('reads to the right and below for a positive flow', async () => {
    const x = Float32Array.from({ length: 12 }, (_, i) => i);
    const flow = Float32Array.from({ length: 24 }, (_, i) => (i % 2 ? 1 : 2));
    const out = await run(x, flow, plain(3, 4, 1));
    expectSame(out, [6, 7, 7, 7, 10, 11, 11, 11, 10, 11, 11, 11]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30, -1e30])(
    'stays inside for %d',
    async (bad) => {
      for (const c of [1, 3, 8]) {
        const x = random.values(5 * 6 * c);
        const out = await run(x, new Float32Array(60).fill(bad), plain(5, 6, c));
        expect(out.every((value) => Math.abs(value) <= 1)).toBe(true);
      }
      const out = await run(random.bytes(90), new Float32Array(60).fill(bad), plain(5, 6, 3));
      expect(out.every((value) => Math.abs(value) <= 1)).toBe(true);
    },
  );

  it('rejects what it cannot take', () => {
    const map = (c: number) => backend.upload(random.values(6 * c), 1, 2, 3, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `flowWarp: expected ${message}`);
    const scale = { scaleX: 1, scaleY: 1 };
    rejects(
      () => flowWarp(map(3), map(1), scale),
      'ERR_SHAPE',
      'flow to have 2 or more channels, got 1',
    );
    rejects(
      () => flowWarp(backend.upload(random.bytes(6), 1, 2, 3, 1), map(2), scale),
      'ERR_SHAPE',
      'source of bytes to have 3 or 4 channels, got 1',
    );
    rejects(
      () => flowWarp(map(3), map(2), { scaleX: Number.NaN, scaleY: 1 }),
      'ERR_ARGUMENT',
      'scaleX to be a number from -65536 to 65536, got NaN',
    );
    rejects(
      () => flowWarp(map(3), map(2), { ...scale, y: -1 }),
      'ERR_ARGUMENT',
      'y to be an integer from 0 to 65536, got -1',
    );
  });
});
