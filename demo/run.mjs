// `npm run demo`: removes the person from the bundled clip by the command line, and lays input,
// mask and output side by side.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { openVideo } from '../dist/video/index.js';

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const [input, mask, output] = ['room.mp4', 'room-mask.mp4', 'output.mp4'].map(at);
const times = [20, 40, 65, 90];

const run = spawnSync(
  process.execPath,
  [at('../dist/cli/main.js'), input, '--mask', mask, '--output', output],
  { stdio: 'inherit' },
);
if (run.status !== 0) process.exit(run.status ?? 1);

/** The frames at `times`, as images. */
async function pick(frames) {
  const picked = [];
  let index = 0;
  for await (const { data, width, height, channels } of frames) {
    if (times.includes(index++)) picked.push({ data, width, height, channels });
  }
  return picked;
}

const video = await openVideo(input);
const { width, height } = video;
const columns = [];
columns.push(await pick(video));
columns.push(await pick(await openVideo(mask)));
columns.push(await pick(await openVideo(output)));

const gap = 4;
await sharp({
  create: {
    width: 3 * width + 2 * gap,
    height: times.length * (height + gap) - gap,
    channels: 3,
    background: 'white',
  },
})
  .composite(
    columns.flatMap((column, x) =>
      column.map(({ data, ...raw }, y) => ({
        input: Buffer.from(data),
        raw,
        left: x * (width + gap),
        top: y * (height + gap),
      })),
    ),
  )
  .png()
  .toFile(at('comparison.png'));
console.log(`input, mask and output, side by side: ${at('comparison.png')}`);
