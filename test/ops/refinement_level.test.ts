import { expect, it } from 'vitest';
import { refinementLevel } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSteps } from '../close.js';
import { Random } from '../random.js';
import { refinementLevel as reference } from '../reference/refinement_level.js';

describeBackends('refinementLevel', (backend) => {
  const random = new Random(23);
  type Data = readonly [colour: Float32Array, hole: Float32Array];
  const run = async (
    [colour, hole]: Data,
    h: number,
    w: number,
    factor: number,
    sigma?: number,
  ) => {
    const { level, near } = await backend.run(() => {
      const made = refinementLevel(
        backend.upload(colour, 1, h, w, 3),
        backend.upload(hole, 1, h, w, 1),
        factor,
        sigma,
      );
      expect('near' in made).toBe(sigma !== undefined);
      return { near: made.level, ...made };
    });
    const small = level.filter((_, i) => i % 4 < 3);
    const visibility = level.filter((_, i) => i % 4 === 3);
    return {
      small,
      visibility,
      near: sigma === undefined ? new Float32Array(visibility.length) : near,
    };
  };
  const make = (h: number, w: number, chance = 0.3): Data => [
    random.values(h * w * 3),
    random.bits(h * w, chance),
  ];
  const check = async (data: Data, h: number, w: number, factor: number, sigma?: number) => {
    const made = await run(data, h, w, factor, sigma);
    const wanted = (round: (x: number) => number) => reference(...data, h, w, factor, sigma, round);
    expectClose(made.small, (round) => wanted(round).colour);
    expectSteps(
      made.visibility,
      (round) => wanted(round).share,
      (share) => (share > 0.6 ? 1 : 0),
    );
    expectClose(made.near, (round) => wanted(round).near);
    return made;
  };

  it.each([
    [2, 2, 2, 60],
    [3, 3, 3, 1],
    [4, 2, 2, 9],
    [26, 38, 2, 7],
    [24, 68, 4, 60],
    [35, 25, 5, 12],
    [48, 32, 16, 100],
    [14, 258, 2, 5],
    [6, 21, 3, 0.1],
    [66, 34, 2, 25],
    [24, 40, 1, 6],
    [17, 131, 1, undefined],
    [1, 1, 1, undefined],
    [36, 52, 2, undefined],
  ])('matches the reference: %i x %i, cells of %i, sigma %d', async (h, w, factor, sigma) => {
    await check(make(h, w), h, w, factor, sigma);
  });

  it('takes 60 % as hidden', async () => {
    // Of 25 pixels of a cell, 15 and 16 seen.
    const hole = Float32Array.from({ length: 50 }, (_, i) =>
      Math.floor(i / 10) * 5 + (i % 5) < (i % 10 < 5 ? 10 : 9) ? 1 : 0,
    );
    const { visibility } = await run([random.values(150), hole], 5, 10, 5, 20);
    expect([...visibility]).toEqual([0, 1]);
  });

  it('keeps a colour that is everywhere the same, whatever is hidden', async () => {
    const [h, w] = [24, 40];
    const hole = random.bits(h * w, 0.5);
    const colour = Float32Array.from({ length: h * w * 3 }, (_, i) => [0.5, -0.25, 1][i % 3]!);
    const { small } = await run([colour, hole], h, w, 2, 8);
    expectClose(small, () => Float64Array.from(small, (_, i) => [0.5, -0.25, 1][i % 3]!));
  });

  it('reads nothing in the hole', async () => {
    const [h, w] = [12, 20];
    const [colour, hole] = make(h, w, 0.4);
    const made = await run([colour, hole], h, w, 4, 10);
    const poisoned = colour.map((v, i) => (hole[Math.floor(i / 3)] ? Number.NaN : v));
    expect(await run([poisoned, hole], h, w, 4, 10)).toEqual(made);
  });

  it('weighs cells by how near the hole is', async () => {
    const [h, w] = [8, 64];
    const hole = Float32Array.from({ length: h * w }, (_, i) => (i % w < 8 ? 1 : 0));
    const { near } = await check([random.values(h * w * 3), hole], h, w, 4, 8);
    const row = [...near.subarray(0, w / 4)];
    expect(row).toEqual(row.toSorted((a, b) => b - a));
    expect(row[0]).toBeGreaterThan(0.5);
    expect(row.at(-1)).toBeLessThan(0.011);
  });

  it('takes what is hidden altogether, and what is seen altogether', async () => {
    const [h, w] = [10, 14];
    const colour = random.values(h * w * 3);
    const all = await run([colour, new Float32Array(h * w).fill(1)], h, w, 2, 6);
    expect([...all.small, ...all.visibility]).toEqual(Array(35 * 4).fill(0));
    expectClose(all.near, () => new Float64Array(35).fill(1.01));
    const none = await check([colour, new Float32Array(h * w)], h, w, 2, 6);
    expect([...none.visibility]).toEqual(Array(35).fill(1));
    expectClose(none.near, () => new Float64Array(35).fill(0.01));
  });

  it('rejects what it cannot take', () => {
    const map = (c: number, h = 4) => backend.upload(random.values(h * 6 * c), 1, h, 6, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `refinementLevel: expected ${message}`);
    rejects(
      () => refinementLevel(map(1), map(1), 2, 60),
      'ERR_SHAPE',
      'colour to have shape [1, h, w, 3], got [1, 4, 6, 1]',
    );
    rejects(
      () => refinementLevel(map(3), map(1, 2), 2, 60),
      'ERR_SHAPE',
      'hole to have shape [1, h=4, w=6, 1], got [1, 2, 6, 1]',
    );
    rejects(
      () => refinementLevel(map(3), map(1), 4, 60),
      'ERR_ARGUMENT',
      'factor to divide the height 4 and the width 6, got 4',
    );
    rejects(
      () => refinementLevel(map(3), map(1), 0, 60),
      'ERR_ARGUMENT',
      'factor to be an integer from 1 to 16, got 0',
    );
    rejects(
      () => refinementLevel(map(3), map(1), 2, 0),
      'ERR_ARGUMENT',
      'sigma to be a number from 0.1 to 1024, got 0',
    );
  });
});
