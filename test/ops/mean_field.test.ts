import { expect, it } from 'vitest';
import { meanField } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose } from '../close.js';
import { Random } from '../random.js';
import { meanField as reference } from '../reference/mean_field.js';

describeBackends('meanField', (backend) => {
  const random = new Random(19);
  const make = (h: number, w: number, radius: number) => ({
    h,
    w,
    radius,
    weight: 3,
    range: 4,
    spread: 0.05,
    unary: random.values(h * w),
    state: random.values(h * w).map((v) => 8 * v),
    colour: random.values(h * w * 3),
  });
  type Case = ReturnType<typeof make>;
  const run = ({ h, w, unary, state, colour, ...options }: Case) =>
    backend.run(() =>
      meanField(
        backend.upload(unary, 1, h, w, 1),
        backend.upload(state, 1, h, w, 1),
        backend.upload(colour, 1, h, w, 3),
        options,
      ),
    );

  it.each([
    [1, 1, 1],
    [2, 3, 4],
    [5, 33, 2],
    [9, 31, 5],
    [3, 67, 16],
    [40, 7, 5],
  ])('matches the reference: %i x %i, radius %i', async (h, w, radius) => {
    const p = make(h, w, radius);
    expectClose(await run(p), (round) => reference(p, round));
  });

  it('draws a pixel to those of its colour, and to no others', async () => {
    const p = { ...make(8, 16, 4), range: 100 };
    for (let i = 0; i < 8 * 16; i++) {
      const right = i % 16 >= 8;
      p.colour.fill(right ? 0.5 : -0.5, 3 * i, 3 * i + 3);
      p.unary[i] = 0;
      p.state[i] = right ? 8 : -8;
    }
    const output = await run(p);
    expect(output[4 * 16 + 7]).toBeLessThan(-2.9);
    expect(output[4 * 16 + 8]).toBeGreaterThan(2.9);
  });

  it('leaves a pixel that looks like none of its neighbours', async () => {
    const p = { ...make(5, 5, 2), range: 1e4 };
    p.colour.fill(-1);
    p.colour.fill(1, 3 * 12, 3 * 13);
    const output = await run(p);
    expectClose([output[12] as number], () => [p.unary[12] as number]);
  });

  it('rejects what it cannot take', () => {
    const map = (c: number) => backend.upload(random.values(8 * 12 * c), 1, 8, 12, c);
    const options = { radius: 2, weight: 1, range: 1, spread: 0 };
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `meanField: expected ${message}`);
    rejects(
      () => meanField(map(1), map(1), map(4), options),
      'ERR_SHAPE',
      'colour to have shape [1, h=8, w=12, 3], got [1, 8, 12, 4]',
    );
    rejects(
      () => meanField(map(1), map(2), map(3), options),
      'ERR_SHAPE',
      'state to have shape [1, h=8, w=12, 1], got [1, 8, 12, 2]',
    );
    rejects(
      () => meanField(map(1), map(1), map(3), { ...options, radius: 0 }),
      'ERR_ARGUMENT',
      'radius to be an integer from 1 to 16, got 0',
    );
    rejects(
      () => meanField(map(1), map(1), map(3), { ...options, weight: Number.NaN }),
      'ERR_ARGUMENT',
      'weight to be a number from 0 to 100, got NaN',
    );
    rejects(
      () => meanField(map(1), map(1), map(3), undefined as never),
      'ERR_ARGUMENT',
      'options to be an object, got undefined',
    );
  });
});
