import { it } from 'vitest';
import { linear, packLinear } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { linear as reference } from '../reference/linear.js';

describeBackends('linear', (backend) => {
  const random = new Random(3);

  it.each([
    [1, 1, 1],
    [1, 1024, 6],
    [16, 1024, 6],
    [5, 7, 13],
    [6, 320, 15],
    [7, 321, 16],
    [13, 319, 17],
    [15, 33, 33],
    [65, 5, 31],
  ])('matches the reference, %i x %i -> %i', async (n, i, o) => {
    const [x, weight, bias] = [random.values(n * i), random.values(o * i), random.values(o)];
    const out = await backend.run(() =>
      linear(backend.upload(x, n, i), packLinear(backend.device, weight, [o, i], bias)),
    );
    expectClose(out, (round) => reference(x, weight, bias, n, i, o, round));
  });

  it('reads maps as if flattened', async () => {
    const [x, weight, bias] = [random.values(2 * 24), random.values(5 * 24), random.values(5)];
    const out = await backend.run(() =>
      linear(backend.upload(x, 2, 2, 3, 4), packLinear(backend.device, weight, [5, 24], bias)),
    );
    expectClose(out, (round) => reference(x, weight, bias, 2, 24, 5, round));
  });

  it('returns its input under the identity', async () => {
    const identity = Float32Array.from({ length: 81 }, (_, i) => (i % 10 ? 0 : 1));
    const x = random.values(27);
    const out = await backend.run(() =>
      linear(
        backend.upload(x, 3, 9),
        packLinear(backend.device, identity, [9, 9], new Float32Array(9)),
      ),
    );
    expectSame(out, x);
  });

  it('rejects what it cannot take', () => {
    const packed = () =>
      packLinear(backend.device, new Float32Array(6), [2, 3], new Float32Array(2));
    backend.rejects(
      () => linear(backend.upload(random.values(8), 2, 4), packed()),
      'ERR_SHAPE',
      'linear: expected x to have shape [n, i=3], or [n, h, w, c] alike, got [2, 4]',
    );
    backend.rejects(
      () => packLinear(backend.device, new Float32Array(6), [2, 3], new Float32Array(3)),
      'ERR_SHAPE',
      'packLinear: expected bias to hold 2 values for [2], got 3',
    );
    backend.rejects(
      () => packLinear(backend.device, new Float32Array(6), [6], new Float32Array(6)),
      'ERR_SHAPE',
      'packLinear: expected shape to be [o, i], got [6]',
    );
    backend.rejects(
      () => linear(backend.upload(random.values(8), 2, 4), { ...packed(), i: 4 }),
      'ERR_ARGUMENT',
      'linear: expected packed to be what packLinear returns, got object',
    );
  });
});
