#!/usr/bin/env node
import { run } from './run.js';

// Whoever reads along may leave early (`| head`); that does not end the work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await run(process.argv.slice(2));
