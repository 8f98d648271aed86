import { describe, expect, it, vi } from 'vitest';
import { createWorker, s3Storage } from '../../lib/queue/index.js';

const absent = vi.hoisted(() => (name: string) => () => {
  throw new Error(`Cannot find package '${name}'`);
});
vi.mock('bullmq', absent('bullmq'));
vi.mock('@aws-sdk/client-s3', absent('@aws-sdk/client-s3'));

describe('packages that are not installed', () => {
  it('are told, with the line that installs them', async () => {
    await expect(createWorker({ connection: 'redis://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/expected the package bullmq, .*npm install bullmq ioredis'/),
    });
    await expect(s3Storage({ bucket: 'films' }).fetch('a', '/tmp')).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('npm install @aws-sdk/client-s3 @aws-sdk/lib-storage'),
    });
  });
});
