export {
  addJob,
  getJob,
  type JobOptions,
  type JobProgress,
  type JobResult,
  QueuedJob,
  type QueueJob,
  queueName,
} from './job.js';
export { fileStorage, type S3Options, type Storage, s3Storage } from './storage.js';
export { createWorker, QueueWorker, type WorkerOptions } from './worker.js';
