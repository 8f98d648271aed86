import { it } from 'vitest';
import { unshuffle } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectSame } from '../close.js';
import { Random } from '../random.js';
import { unshuffle as reference } from '../reference/unshuffle.js';

describeBackends('unshuffle', (backend) => {
  const random = new Random(5);

  it.each([
    [1, 1, 1, [1], 1],
    [1, 4, 4, [1], 4],
    [1, 16, 24, [3, 1], 4],
    [2, 6, 10, [2, 5], 2],
    [1, 15, 21, [1, 2, 3, 4], 3],
    [3, 7, 14, [5], 7],
  ])('matches the reference: %i, %i x %i, channels %j by %i', async (n, h, w, channels, factor) => {
    const inputs = channels.map((c) => random.plane(n, h, w, c));
    const out = await backend.run(() =>
      unshuffle(
        inputs.map((input) => backend.map(input).tensor),
        factor,
      ),
    );
    expectSame(out, reference(inputs, factor));
  });

  it('puts the pixels of a cell into channels', async () => {
    const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const out = await backend.run(() => unshuffle([backend.upload(x, 1, 2, 4, 1)], 2));
    expectSame(out, [1, 2, 5, 6, 3, 4, 7, 8]);
  });

  it('rejects what it cannot take', () => {
    const x = (h: number, w: number) => backend.upload(random.values(h * w), 1, h, w, 1);
    backend.rejects(
      () => unshuffle([x(4, 6)], 4),
      'ERR_SHAPE',
      'unshuffle: expected h and w to be multiples of 4, got 4 and 6',
    );
    backend.rejects(
      () => unshuffle([x(4, 4), x(4, 8)], 4),
      'ERR_SHAPE',
      'unshuffle: expected inputs[1] to have shape [n=1, h=4, w=4, c], got [1, 4, 8, 1]',
    );
    backend.rejects(
      () => unshuffle([], 2),
      'ERR_ARGUMENT',
      'unshuffle: expected inputs to hold 1 to 4 tensors, got 0',
    );
    backend.rejects(
      () => unshuffle([x(4, 4)], 0),
      'ERR_ARGUMENT',
      'unshuffle: expected factor to be an integer from 1 to 16, got 0',
    );
  });
});
