import { it } from 'vitest';
import { composeAffine } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { composeAffine as reference } from '../reference/compose_affine.js';

describeBackends('composeAffine', (backend) => {
  const random = new Random(6);

  it.each([1, 2, 7, 16, 64])('matches the reference for %i references', async (r) => {
    const [outer, delta] = [random.values(9 * r), random.values(6 * r)];
    const { both, one } = await backend.run(() => ({
      both: composeAffine(backend.upload(outer, r, 3, 3), backend.upload(delta, r, 6)),
      one: composeAffine(undefined, backend.upload(delta, r, 6)),
    }));
    expectClose(both, (round) => reference(outer, delta, round));
    expectClose(one, (round) => reference(undefined, delta, round));
  });

  it('returns outer when nothing is added, and the identity without outer', async () => {
    const outer = random.values(18);
    const { both, one } = await backend.run(() => {
      const delta = backend.upload(new Float32Array(12), 2, 6);
      return {
        both: composeAffine(backend.upload(outer, 2, 3, 3), delta),
        one: composeAffine(undefined, delta),
      };
    });
    expectSame(both, outer);
    expectSame(one, [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });

  it('moves first by the inner transform', async () => {
    const outer = Float32Array.of(0, -1, 0, 1, 0, 0, 0.5, 0, 1); // a quarter turn, and a slant
    const delta = Float32Array.of(0, 0, 3, 0, 0, 0); // 3 to the right
    const out = await backend.run(() =>
      composeAffine(backend.upload(outer, 1, 3, 3), backend.upload(delta, 1, 6)),
    );
    expectClose(out, () => [0, -1, 0, 1, 0, 3, 0.5, 0, 2.5]);
  });

  it('rejects what it cannot take', () => {
    backend.rejects(
      () => composeAffine(0 as never, backend.upload(random.values(6), 1, 6)),
      'ERR_ARGUMENT',
      'composeAffine: expected outer to be a Tensor, got 0',
    );
    const theta = (r: number) => backend.upload(random.values(9 * r), r, 3, 3);
    backend.rejects(
      () => composeAffine(theta(2), backend.upload(random.values(18), 3, 6)),
      'ERR_SHAPE',
      'composeAffine: expected outer to have shape [r=3, 3, 3], got [2, 3, 3]',
    );
    backend.rejects(
      () => composeAffine(undefined, theta(1)),
      'ERR_SHAPE',
      'composeAffine: expected delta to have shape [r, 6], got [1, 3, 3]',
    );
  });
});
