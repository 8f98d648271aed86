import { it } from 'vitest';
import { normalize } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { normalize as reference } from '../reference/normalize.js';

describeBackends('normalize', (backend) => {
  const random = new Random(1);

  it.each([
    [1, 1, 1, 1],
    [1, 3, 5, 7],
    [2, 7, 1, 15],
    [1, 16, 16, 64],
    [3, 5, 4, 17],
    [1, 2, 2, 131],
    [1, 9, 1, 130],
  ])('matches the reference on [%i %i %i %i]', async (n, h, w, c) => {
    const x = random.values(n * h * w * c, -3, 3);
    const out = await backend.run(() => normalize(backend.upload(x, n, h, w, c)));
    expectClose(out, (round) => reference(x, c, round));
  });

  it('leaves unit vectors of one number as they are', async () => {
    const x = Float32Array.of(1, -1, 1, -1, -1, 1);
    expectSame(await backend.run(() => normalize(backend.upload(x, 1, 2, 3, 1))), x);
  });

  it('takes large numbers', async () => {
    const x = random.values(5 * 128, -6e4, 6e4);
    const out = await backend.run(() => normalize(backend.upload(x, 1, 1, 5, 128)));
    expectClose(out, (round) => reference(x, 128, round));
  });

  it('keeps zero vectors zero and survives tiny ones', async () => {
    const tiny = backend.precision === 'f16' ? 2 ** -24 : 1e-14;
    const x = Float32Array.of(0, 0, 0, tiny, 0, 0);
    const out = await backend.run(() => normalize(backend.upload(x, 1, 2, 1, 3)));
    expectClose(out, (round) => reference(x, 3, round));
  });

  it('rejects what it cannot take', () => {
    const flat = () => normalize(backend.upload(random.values(6), 2, 3));
    const bytes = () => normalize(backend.upload(random.bytes(4), 1, 2, 2, 1));
    const disposed = () => {
      const x = backend.upload(random.values(4), 1, 2, 2, 1);
      x.dispose();
      normalize(x);
    };
    backend.rejects(
      flat,
      'ERR_SHAPE',
      'normalize: expected x to have shape [n, h, w, c], got [2, 3]',
    );
    backend.rejects(bytes, 'ERR_DTYPE', 'normalize: expected x to be f32, got u8');
    backend.rejects(
      disposed,
      'ERR_DISPOSED',
      'normalize: expected a tensor in use, got one that was disposed of',
    );
    backend.rejects(
      () => normalize('x' as never),
      'ERR_ARGUMENT',
      "normalize: expected x to be a Tensor, got 'x'",
    );
  });
});
