import { expect, it } from 'vitest';
import { resize } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, expectSteps } from '../close.js';
import { cut, Random } from '../random.js';
import { resize as reference } from '../reference/resize.js';

const modes = ['bilinear', 'area', 'nearest'] as const;
const sizes = [
  [1, 1, 1, 1, 1],
  [1, 1, 5, 7, 3],
  [5, 7, 1, 1, 4],
  [7, 13, 11, 5, 1],
  [13, 11, 26, 44, 2],
  [16, 17, 15, 16, 5],
  [27, 48, 16, 16, 3],
  [32, 32, 8, 8, 4],
  [9, 10, 18, 20, 31],
  [3, 200, 7, 128, 1],
] as const;

describeBackends('resize', (backend) => {
  const random = new Random(4);

  it.each(modes.flatMap((mode) => sizes.map((size) => [mode, ...size] as const)))(
    'matches the reference: %s, %i x %i to %i x %i, %i channels',
    async (mode, ih, iw, h, w, c) => {
      const input = random.plane(2, ih, iw, c);
      const out = await backend.run(() => resize(backend.map(input).tensor, { mode, h, w }));
      const to = { mode, y: 0, x: 0, h, w, inputExtent: input, outputExtent: { h, w } };
      if (mode === 'nearest')
        expectSame(
          out,
          reference(input, to, (x) => x),
        );
      else expectClose(out, (round) => reference(input, to, round));
    },
  );

  it.each(['bilinear', 'nearest'] as const)('makes a window of a plane: %s', async (mode) => {
    const plane = random.plane(1, 30, 40, 3);
    const input = cut(plane, 6, 9, 17, 20);
    const outputExtent = { h: 60.5, w: 77.25 };
    const to = { mode, y: 18, x: 22, h: 9, w: 11, inputExtent: plane, outputExtent };
    const { h, w, y, x, inputExtent } = to;
    const out = await backend.run(() =>
      resize(backend.map(input), { mode, h, w, y, x, inputExtent, outputExtent }),
    );
    expectClose(out, (round) => reference(plane, to, round));
  });

  it.each(['bilinear', 'nearest'] as const)('repeats the edge of a window: %s', async (mode) => {
    const input = random.plane(1, 3, 4, 5, 5, 6);
    const extents = { inputExtent: { h: 12, w: 15 }, outputExtent: { h: 24, w: 30 } };
    const region = { y: 0, x: 2, h: 24, w: 27 };
    const out = await backend.run(() =>
      resize(backend.map(input), { mode, ...region, ...extents }),
    );
    expectClose(out, (round) => reference(input, { mode, ...region, ...extents }, round));
  });

  it.each(modes)('makes a mask of %s', async (mode) => {
    const input = { ...random.plane(1, 24, 31, 1), data: random.bits(24 * 31, 0.02) };
    const [h, w] = [9, 10];
    const to = { mode, y: 0, x: 0, h, w, inputExtent: input, outputExtent: { h, w } };
    const values = (round: (x: number) => number) => reference(input, to, round);
    const limit = mode === 'nearest' ? 0.5 : 0.01;
    const { below, atLeast } = await backend.run(() => ({
      below: resize(backend.map(input), { mode, h, w, below: limit }),
      atLeast: resize(backend.map(input), { mode, h, w, atLeast: limit }),
    }));
    expectSteps(below, values, (value) => (value < limit ? 1 : 0));
    expectSame(
      atLeast,
      below.map((bit) => 1 - bit),
    );
    expect(new Set(below)).toEqual(new Set([0, 1]));
  });

  it.each(modes)('returns its input at its own size: %s', async (mode) => {
    const x = random.values(7 * 9 * 3);
    const out = await backend.run(() =>
      resize(backend.upload(x, 1, 7, 9, 3), { mode, h: 7, w: 9 }),
    );
    expectSame(out, x);
  });

  it('rejects what it cannot take', () => {
    backend.rejects(
      () => resize(backend.upload(random.values(4), 1, 2, 2, 1), undefined as never),
      'ERR_ARGUMENT',
      'resize: expected options to be an object, got undefined',
    );
    const x = () => backend.upload(random.values(12), 1, 3, 4, 1);
    const size = { h: 2, w: 2 };
    const rejects = (body: () => unknown, message: string) =>
      backend.rejects(body, 'ERR_ARGUMENT', `resize: expected ${message}`);
    rejects(
      () => resize(x(), { ...size, mode: 'cubic' as 'area' }),
      'mode to be one of bilinear, area, nearest, got cubic',
    );
    rejects(
      () => resize(x(), { h: 0, w: 2, mode: 'area' }),
      'output.h to be an integer from 1 to 65536, got 0',
    );
    rejects(
      () => resize({ tensor: x(), y: 1, x: 0 }, { ...size, mode: 'area' }),
      'mode area to be asked of whole planes, got a window',
    );
    rejects(
      () => resize(x(), { ...size, mode: 'nearest', below: 1, atLeast: 1 }),
      'one of below and atLeast, got both',
    );
    rejects(
      () => resize(x(), { ...size, mode: 'nearest', below: Number.NaN }),
      'below to be a number from -1000000 to 1000000, got NaN',
    );
    rejects(
      () => resize(x(), { ...size, mode: 'nearest', inputExtent: { h: 3, w: 0 } }),
      'inputExtent.w to be a number from 1 to 65536, got 0',
    );
  });
});
