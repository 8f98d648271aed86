import { expect, it } from 'vitest';
import { maskedCorrelation } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame, halfRounding } from '../close.js';
import { Random } from '../random.js';
import { maskedCorrelation as reference } from '../reference/masked_correlation.js';

describeBackends('maskedCorrelation', (backend) => {
  const random = new Random(8);

  /** Target and references, visible with the given chance. */
  const make = (r: number, h: number, w: number, c: number, chance = 0.7) => {
    const map = () => ({ data: random.values(h * w * c), visibility: random.bits(h * w, chance) });
    return { h, w, c, target: map(), references: Array.from({ length: r }, map) };
  };
  const run = ({ h, w, c, target, references }: ReturnType<typeof make>, scale: number) =>
    backend.run(() =>
      maskedCorrelation(
        backend.upload(target.data, 1, h, w, c),
        backend.upload(target.visibility, 1, h, w, 1),
        references.map(({ data }) => backend.upload(data, 1, h, w, c)),
        references.map(({ visibility }) => backend.upload(visibility, 1, h, w, 1)),
        scale,
      ),
    );
  const check = (out: Float32Array, p: ReturnType<typeof make>, scale: number) => {
    expectClose(out, (round) =>
      p.references.flatMap(({ data, visibility }) =>
        Array.from(
          reference(p.target.data, p.target.visibility, data, visibility, p.c, scale, round),
        ),
      ),
    );
  };

  it.each([
    [1, 1, 1, 1, 20],
    [1, 1, 7, 3, 5],
    [3, 5, 3, 8, 20],
    [2, 4, 8, 17, 20],
    [5, 3, 11, 31, 1],
    [1, 16, 16, 64, 20],
    [64, 2, 3, 5, 0],
    [2, 11, 12, 100, 21],
    [1, 8, 17, 128, 21],
    [1, 3, 5, 150, 21],
    [1, 24, 24, 32, 21],
    [1, 15, 18, 40, 21],
  ])('matches the reference: %i references, %i x %i x %i, scale %i', async (r, h, w, c, scale) => {
    const p = make(r, h, w, c);
    check(await run(p, scale), p, scale);
  });

  it('reads references stacked in one tensor as it reads a list', async () => {
    const p = make(3, 4, 5, 6);
    const flat = (key: 'data' | 'visibility') =>
      Float32Array.from(p.references.flatMap((it) => Array.from(it[key])));
    const stacked = await backend.run(() =>
      maskedCorrelation(
        backend.upload(p.target.data, 1, 4, 5, 6),
        backend.upload(p.target.visibility, 1, 4, 5, 1),
        backend.upload(flat('data'), 3, 4, 5, 6),
        backend.upload(flat('visibility'), 3, 4, 5, 1),
        20,
      ),
    );
    expectSame(stacked, await run(p, 20));
  });

  it('has rows that sum to one where the target is visible', async () => {
    const p = make(1, 6, 7, 5);
    p.references[0]!.visibility[0] = 1;
    const out = await run(p, 20);
    p.target.visibility.forEach((visibility, j) => {
      const row = out.subarray(j * 42, (j + 1) * 42);
      const sum = row.reduce((a, b) => a + b, 0);
      const rounding = row.reduce((a, b) => a + halfRounding(b), 0);
      expect(Math.abs(sum - visibility)).toBeLessThan(
        1e-6 + (backend.precision === 'f16' ? rounding : 0),
      );
    });
  });

  it('gives 0 where everything is hidden', async () => {
    const p = make(2, 3, 5, 4, 1);
    p.references[1]!.visibility.fill(0);
    const out = await run(p, 20);
    expectSame(out.subarray(225), new Float32Array(225));
    check(out, p, 20);
    p.target.visibility.fill(0);
    expectSame(await run(p, 20), new Float32Array(450));
  });

  it('ignores what hidden cells hold', async () => {
    const p = make(1, 3, 3, 4, 0.5);
    const before = await run(p, 20);
    for (const { data, visibility } of [p.target, p.references[0]!]) {
      visibility.forEach((visibility, i) => {
        if (!visibility) data.fill([1e6, Number.NaN, -1e6][i % 3]!, i * 4, i * 4 + 4);
      });
    }
    expectSame(await run(p, 20), before);
  });

  it.each([1e-5, 6e4])('matches the reference on values up to %f', async (size) => {
    const p = make(1, 5, 7, 16);
    p.target.data.set(random.values(p.target.data.length, -size, size));
    for (const { data } of p.references) data.set(random.values(data.length, -size, size));
    check(await run(p, 20), p, 20);
  });

  it('stays finite for zero vectors and large scales', async () => {
    const p = make(1, 3, 4, 5, 1);
    p.target.data.fill(0, 0, 5);
    p.references[0]!.data.fill(0, 5, 15);
    check(await run(p, 1e4), p, 1e4);
  });

  it('rejects what it cannot take', () => {
    const map = (c: number, h = 2) => backend.upload(random.values(h * 3 * c), 1, h, 3, c);
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `maskedCorrelation: expected ${message}`);
    rejects(
      () => maskedCorrelation(map(4), map(1), [map(4), map(5)], [map(1), map(1)], 1),
      'ERR_SHAPE',
      'references[1] to have shape [1, h=2, w=3, c=4], got [1, 2, 3, 5]',
    );
    rejects(
      () => maskedCorrelation(map(4), map(1), [map(4)], [map(1), map(1)], 1),
      'ERR_ARGUMENT',
      'referencesVisibility to hold 1 tensors, got 2',
    );
    rejects(
      () => maskedCorrelation(map(4), map(1), [], [], 1),
      'ERR_ARGUMENT',
      'references to hold 1 to 64 tensors, got 0',
    );
    rejects(
      () => maskedCorrelation(map(4), map(1, 3), [map(4)], [map(1)], 1),
      'ERR_SHAPE',
      'targetVisibility to have shape [1, h=2, w=3, 1], got [1, 3, 3, 1]',
    );
    rejects(
      () => maskedCorrelation(map(4), map(1), [map(4)], [map(1)], Number.NaN),
      'ERR_ARGUMENT',
      'scale to be a number from 0 to 1000000, got NaN',
    );
  });
});
