// Works on a video, or a folder, as --resume does, in a process that may be killed.

import { Inpainter } from '../../lib/index.js';
import { inpaintFile } from '../../lib/video/index.js';
import { fixturePath } from '../network/fixtures.js';

const [, , input = '', output = '', workSize = '32'] = process.argv;
await using inpainter = await Inpainter.create({
  device: 'cpu',
  threads: 1,
  workSize: Number(workSize),
  maxReferences: 4,
  referenceStride: 3,
  weights: fixturePath('narrow.safetensors'),
});
process.stdout.write('started\n');
try {
  const mask = [{ x: 20, y: 12, width: 20, height: 20 }];
  const result = await inpaintFile(inpainter, {
    input,
    output,
    mask,
    resume: true,
    onWarning: (message) => process.stdout.write(`${message}\n`),
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  const { code, message } = error as { code: string; message: string };
  process.stdout.write(`${code} ${message}\n`);
  process.exitCode = 1;
}
