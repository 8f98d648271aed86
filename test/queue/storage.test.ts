import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileStorage, type Storage, s3Storage } from '../../lib/queue/index.js';
import { scratch } from '../video/clips.js';

const at = scratch();
let server: S3rver;
let s3: Storage;

beforeAll(async () => {
  await mkdir(at('fetched'));
  const configureBuckets = [{ name: 'films', configs: [] }];
  server = new S3rver({ port: 0, directory: at('s3'), silent: true, configureBuckets });
  const { port } = await server.run();
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  const endpoint = `http://127.0.0.1:${port}`;
  s3 = s3Storage({
    bucket: 'films',
    client: { endpoint, credentials, region: 'any', forcePathStyle: true },
  });
});
afterAll(() => server.close());

describe.each([
  ['the file system', () => fileStorage(at('files'))],
  ['a bucket', () => s3],
])('storage: %s', (_, get) => {
  it('keeps files, also of several pieces, and removes those of a folder', async () => {
    const storage = get();
    // An upload of more than 5 MiB is made in pieces.
    const content = { large: randomBytes(11 * 2 ** 20), small: Buffer.from('a film'), other: 'x' };
    for (const [name, bytes] of Object.entries(content)) {
      await writeFile(at(name), bytes);
      await storage.save(at(name), `of/${name === 'other' ? 'others' : 'a job'}/${name}`);
    }
    const sum = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');
    const read = async (key: string) => readFile(await storage.fetch(key, at('fetched')));
    expect(sum(await read('of/a job/large'))).toBe(sum(content.large));
    expect(sum(await read('of/a job/small'))).toBe(sum(content.small));
    await writeFile(at('again'), 'another film');
    await storage.save(at('again'), 'of/a job/small');
    expect((await read('of/a job/small')).toString()).toBe('another film');
    await storage.remove('of/a job');
    for (const name of ['large', 'small'])
      await expect(read(`of/a job/${name}`)).rejects.toMatchObject({ code: 'ERR_MEDIA' });
    expect((await read('of/others/other')).toString()).toBe('x');
  });
});

it('leaves nothing beside a file', async () => {
  expect(await readdir(at('files/of'))).toEqual(['others']);
});
