// A worker in a process that may be killed. It prints what it does.

import { createWorker, fileStorage } from '../../lib/queue/index.js';
import { fixturePath } from '../network/fixtures.js';

const [, , connection = '', root = ''] = process.argv;
const worker = await createWorker({
  connection,
  storage: fileStorage(root),
  device: 'cpu',
  threads: 1,
  takeOver: 4000,
  weights: fixturePath('narrow.safetensors'),
  logger: (message) => process.stdout.write(`${message}\n`),
});
process.stdout.write('started\n');
process.on('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
