// Optional packages, loaded when they are first needed. Internal to lib/queue.

import type * as Client from '@aws-sdk/client-s3';
import type * as Uploads from '@aws-sdk/lib-storage';
import type * as BullMQ from 'bullmq';
import { InpaintError } from '../errors.js';

/** @throws InpaintError (rejects) ERR_ARGUMENT, with the line that installs them, when a package is absent */
async function load<T>(op: string, loading: Promise<T>, packages: string): Promise<T> {
  try {
    return await loading;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    const got = `none that loads; 'npm install ${packages}' installs what is needed (${reason})`;
    const message = `expected the package ${packages.split(' ')[0]}, got ${got}`;
    throw new InpaintError('ERR_ARGUMENT', op, message, { cause });
  }
}

/** The queue of BullMQ, with its client of Redis. */
export async function bullmq(op: string): Promise<typeof BullMQ> {
  const packages = 'bullmq ioredis';
  await load(op, import('ioredis'), packages);
  return load(op, import('bullmq'), packages);
}

/** The client of S3, and its uploads in several pieces. */
export async function s3(op: string): Promise<typeof Client & Pick<typeof Uploads, 'Upload'>> {
  const packages = '@aws-sdk/client-s3 @aws-sdk/lib-storage';
  const client = await load(op, import('@aws-sdk/client-s3'), packages);
  const { Upload } = await load(op, import('@aws-sdk/lib-storage'), packages);
  return { ...client, Upload };
}
