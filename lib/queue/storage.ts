import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { expectOptions } from '../expect.js';
import { fileError, mediaError } from '../video/ffmpeg.js';
import { s3 } from './peers.js';

/** Where all workers of a queue find inputs and masks, keep parts, and put outputs. */
export interface Storage {
  /**
   * Has what is kept under a key at a local path, which stays until `folder` is removed.
   *
   * @param folder where it may be copied to, under a name of its own
   */
  fetch(key: string, folder: string): Promise<string>;
  /** Keeps a local file under a key, whole or not at all. The file may be moved. */
  save(path: string, key: string): Promise<void>;
  /** Removes everything whose key begins with `folder` and a slash. */
  remove(folder: string): Promise<void>;
}

/**
 * The file system: keys are paths. Workers on several machines need a folder that they share.
 *
 * @param root what relative paths start at, by default the working directory
 */
export function fileStorage(root: string = process.cwd()): Storage {
  return {
    async fetch(key) {
      const path = resolve(root, key);
      await stat(path).catch((cause) => {
        throw fileError('fileStorage', `${path} to be readable`, cause);
      });
      return path;
    },
    async save(path, key) {
      const final = resolve(root, key);
      const beside = join(dirname(final), `.${basename(final)}.${randomBytes(6).toString('hex')}`);
      try {
        await mkdir(dirname(final), { recursive: true });
        // Only within one file system a file can be moved at once.
        await rename(path, beside).catch(() => copyFile(path, beside));
        await rename(beside, final);
      } catch (cause) {
        await rm(beside, { force: true });
        throw fileError('fileStorage', `to write ${final}`, cause);
      }
    },
    async remove(folder) {
      await rm(resolve(root, folder), { recursive: true, force: true });
    },
  };
}

/** Where an {@link s3Storage} is. */
export interface S3Options {
  readonly bucket: string;
  /** Of the client of `@aws-sdk/client-s3`: region, endpoint, credentials; by default as AWS's tools find them. */
  readonly client?: S3ClientConfig | undefined;
}

/** A bucket of S3, or of what speaks its protocol: keys are those of its objects. */
export function s3Storage(options: S3Options): Storage {
  const op = 's3Storage';
  expectOptions(op, 'options', options, ['bucket', 'client'] satisfies (keyof S3Options)[]);
  const { bucket: Bucket, client: config } = options;
  const open = async () => {
    const library = await s3(op);
    return { ...library, client: new library.S3Client(config ?? {}) };
  };
  let opened: ReturnType<typeof open> | undefined;
  const get = () => {
    opened ??= open();
    return opened;
  };
  const failed = (what: string, cause: unknown) => {
    const { name, message } = cause as Error;
    return mediaError(op, `${what} in bucket ${Bucket}`, `'${name}: ${message}'`, cause);
  };
  return {
    async fetch(key, folder) {
      const { client, GetObjectCommand } = await get();
      const path = join(folder, `${randomBytes(6).toString('hex')}-${basename(key)}`);
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key }));
        await pipeline(Body as Readable, createWriteStream(path));
      } catch (cause) {
        throw failed(`${key} to be readable`, cause);
      }
      return path;
    },
    async save(path, key) {
      const { client, Upload } = await get();
      const params = { Bucket, Key: key, Body: createReadStream(path) };
      try {
        await new Upload({ client, params }).done();
      } catch (cause) {
        throw failed(`to write ${key}`, cause);
      }
    },
    async remove(folder) {
      const { client, DeleteObjectCommand, ListObjectsV2Command } = await get();
      try {
        for (;;) {
          const page = new ListObjectsV2Command({ Bucket, Prefix: `${folder}/` });
          const { Contents = [] } = await client.send(page);
          if (!Contents.length) return;
          for (const { Key } of Contents) {
            await client.send(new DeleteObjectCommand({ Bucket, Key }));
          }
        }
      } catch (cause) {
        throw failed(`to remove ${folder}`, cause);
      }
    },
  };
}
