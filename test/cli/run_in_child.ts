// The command line with a slow stand-in for the inpainter, for run.test.ts.

import { run } from '../../lib/cli/run.js';
import { standIn } from '../video/stand_in.js';

process.exitCode = await run(process.argv.slice(2), async () => ({
  ...standIn(Number(process.env.STAND_IN_MILLISECONDS ?? 100)),
  device: { name: 'cpu' },
  async [Symbol.asyncDispose]() {},
}));
