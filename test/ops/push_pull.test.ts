import { expect, it } from 'vitest';
import { pushPull } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { pushPull as reference } from '../reference/push_pull.js';

describeBackends('pushPull', (backend) => {
  const random = new Random(22);
  const run = (data: Float32Array, weight: Float32Array, h: number, w: number, c: number) =>
    backend.run(() =>
      pushPull(backend.upload(data, 1, h, w, c), backend.upload(weight, 1, h, w, 1)),
    );
  const check = async (
    data: Float32Array,
    weight: Float32Array,
    h: number,
    w: number,
    c: number,
  ) => {
    const out = await run(data, weight, h, w, c);
    expectClose(out, (round) => reference({ h, w, c, data }, weight, round));
    return out;
  };

  it.each([
    [1, 1, 1],
    [1, 9, 3],
    [7, 1, 2],
    [2, 2, 3],
    [2, 9, 3],
    [3, 3, 4],
    [5, 3, 3],
    [13, 17, 3],
    [16, 16, 5],
    [33, 31, 1],
    [64, 65, 3],
    [2, 700, 12], // its only smaller level is its smallest
    [200, 190, 1], // has a smaller one that is large for a block
  ])('matches the reference: %i x %i x %i', async (h, w, c) => {
    const data = random.values(h * w * c);
    await check(data, random.bits(h * w, 0.5), h, w, c);
    await check(data, random.bits(h * w, 0.05), h, w, c);
    await check(data, random.values(h * w, 0, 1), h, w, c);
  });

  it('matches the reference with a large hole', async () => {
    const [h, w] = [41, 54];
    const weight = Float32Array.from({ length: h * w }, (_, i) => {
      const [y, x] = [Math.floor(i / w), i % w];
      return +(y < 4 || x < 9 || y > 36 || x > 50);
    });
    await check(random.smooth(h, w, 3), weight, h, w, 3);
  });

  // The level that is filled in part is one of the large ones, or of those that a block makes.
  it.each([
    [8, 8, 1],
    [16, 24, 3],
    [264, 216, 3],
    [128, 512, 2],
  ])('fills in part from a guess: %i x %i x %i', async (h, w, c) => {
    const data = random.values(h * w * c);
    const quarter = (h * w) / 16;
    const colour = random.values(quarter * (c + 1));
    for (let i = c; i < colour.length; i += c + 1) colour[i] = i % 3 ? 1 : 0;
    const trust = random.values(quarter, -6, 6);
    for (const weight of [random.bits(h * w, 0.02), new Float32Array(h * w)]) {
      const out = await backend.run(() =>
        pushPull(backend.upload(data, 1, h, w, c), backend.upload(weight, 1, h, w, 1), {
          colour: backend.upload(colour, 1, h / 4, w / 4, c + 1),
          trust: backend.upload(trust, 1, h / 4, w / 4, 1),
        }),
      );
      expectClose(out, (round) => reference({ h, w, c, data }, weight, round, { colour, trust }));
    }
  });

  it('returns what is seen', async () => {
    const data = random.values(15 * 18 * 3);
    expectSame(await run(data, new Float32Array(15 * 18).fill(1), 15, 18, 3), data);
    const weight = random.bits(15 * 18);
    const out = await run(data, weight, 15, 18, 3);
    const visibility = (values: Float32Array) => values.filter((_, i) => weight[Math.floor(i / 3)]);
    expectSame(visibility(out), visibility(data));
  });

  it.each([
    [1, 6],
    [11, 9],
  ])('is 0 where nothing is seen: %i x %i', async (h, w) => {
    const out = await run(random.values(h * w * 3), new Float32Array(h * w), h, w, 3);
    expect(out.every((x) => x === 0)).toBe(true);
  });

  it('fills everything with the only colour there is', async () => {
    const [h, w] = [19, 26];
    const weight = new Float32Array(h * w);
    const data = new Float32Array(h * w * 2);
    weight[5 * w + 7] = 1;
    data.set([0.75, -0.5], (5 * w + 7) * 2);
    const out = await run(data, weight, h, w, 2);
    expectClose(out, () => Array.from({ length: h * w }, () => [0.75, -0.5]).flat());
  });

  it.each([
    [1, 8],
    [14, 11],
  ])('does not read what is hidden: %i x %i', async (h, w) => {
    const weight = random.bits(h * w);
    const data = random.values(h * w * 3);
    const hidden = data.map((x, i) => (weight[Math.floor(i / 3)] ? x : Number.NaN));
    expectSame(await run(hidden, weight, h, w, 3), await run(data, weight, h, w, 3));
  });

  it('rejects what it cannot take', () => {
    const map = (h: number, w: number, c: number) =>
      backend.upload(random.values(h * w * c), 1, h, w, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_DTYPE', message: string) =>
      backend.rejects(body, code, `pushPull: expected ${message}`);
    rejects(
      () => pushPull(map(2, 3, 3), map(2, 4, 1)),
      'ERR_SHAPE',
      'weight to have shape [1, h=2, w=3, 1], got [1, 2, 4, 1]',
    );
    const guess = (h: number, w: number, g: number) => ({
      colour: map(h, w, g),
      trust: map(h, w, 1),
    });
    rejects(
      () => pushPull(map(8, 12, 2), map(8, 12, 1), guess(2, 3, 3)),
      'ERR_SHAPE',
      'height and width to be multiples of 8 where there is a guess, got 8 x 12',
    );
    rejects(
      () => pushPull(map(8, 16, 2), map(8, 16, 1), guess(2, 4, 2)),
      'ERR_SHAPE',
      'guess.colour to have shape [1, h=2, w=4, g=3], got [1, 2, 4, 2]',
    );
    rejects(
      () => pushPull(backend.upload(random.bytes(6), 1, 1, 2, 3), map(1, 2, 1)),
      'ERR_DTYPE',
      'colour to be f32, got u8',
    );
  });
});
