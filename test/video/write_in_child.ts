// Writes a video in a process of its own, for media.test.ts: `write`, or `exit` in the middle.

import { createWriter, openVideo } from '../../lib/video/index.js';

const [, , what, from = '', to = ''] = process.argv;
await using video = await openVideo(from);
try {
  await using writer = await createWriter(to, video);
  for await (const frame of video) {
    await writer.write(frame);
    if (what === 'exit' && writer.frames === 5) process.exit(7);
  }
  await writer.close();
} catch (error) {
  const { code, message } = error as { code: string; message: string };
  process.stdout.write(`${code} ${message}\n`);
}
