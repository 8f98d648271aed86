// Scores masks that follow: npx tsx bench/track/run.ts DIR [--device cpu]
//
// DIR holds a folder for each sequence, with frames/ and true masks/ of all of them. Each is followed
// from the first frame's true mask, from one click at the mask's centre (the pixel of it nearest to
// its centre of mass), and from that and one correcting click: in the frame that came out worst, in
// the middle of the largest patch that is wrong. Intersection over union, over all frames but the
// first, for the last two over all that are not the click's. Next to it: bench/track/baselines.py.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Device, type DeviceName } from '../../lib/device.js';
import { type Prompt, trackMask } from '../../lib/mask/index.js';
import { parts } from '../../lib/mask/regions.js';
import { type Image, openVideo } from '../../lib/video/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { device: { type: 'string', default: 'cpu' } },
});
const [root] = positionals;
if (!root) throw new Error('expected a folder of sequences');

/** Where the colours are bright. */
function bitsOf({ data, width, height, channels }: Image): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) =>
    (data[i * channels] as number) > 127 ? 1 : 0,
  );
}

function overlap(a: Uint8Array, b: Uint8Array): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += (a[i] as number) & (b[i] as number);
    either += (a[i] as number) | (b[i] as number);
  }
  return either ? both / either : 1;
}

/** The pixel of a region nearest to its centre of mass. */
function centreOf(region: Uint8Array, width: number): { x: number; y: number } {
  const pixels = [...region.keys()].filter((i) => region[i]);
  const mean = (of: (i: number) => number) =>
    pixels.reduce((sum, i) => sum + of(i), 0) / pixels.length;
  const [cx, cy] = [mean((i) => i % width), mean((i) => Math.floor(i / width))];
  const far = (i: number) => ((i % width) - cx) ** 2 + (Math.floor(i / width) - cy) ** 2;
  const nearest = pixels.reduce((a, b) => (far(b) < far(a) ? b : a));
  return { x: nearest % width, y: Math.floor(nearest / width) };
}

/** The middle of the largest patch that is wrong, and whether it is not the object. */
function worstPatch(
  mask: Uint8Array,
  truth: Uint8Array,
  w: number,
): { x: number; y: number; not: boolean } {
  const h = mask.length / w;
  const patches = [false, true].map((not) => {
    const wrong = mask.map((v, i) => (v !== truth[i] && !!v === not ? 1 : 0));
    const { part, count } = parts(wrong, { h, w });
    const sizes = new Uint32Array(count + 1);
    for (const at of part) if (at) sizes[at] = (sizes[at] as number) + 1;
    const largest = sizes.indexOf(Math.max(...sizes));
    return {
      not,
      size: sizes[largest] as number,
      patch: part.map((at) => (at === largest && at ? 1 : 0)),
    };
  });
  const { patch, not } = patches.reduce((a, b) => (b.size > a.size ? b : a));
  // What is left when no more can be taken off all around.
  let left = Uint8Array.from(patch);
  for (;;) {
    const next = left.map((v, i) => {
      const [x, y] = [i % w, Math.floor(i / w)];
      if (!v || x === 0 || x === w - 1 || y === 0 || y === h - 1) return 0;
      return left[i - 1] && left[i + 1] && left[i - w] && left[i + w] ? 1 : 0;
    });
    if (!next.includes(1)) break;
    left = next;
  }
  return { ...centreOf(left, w), not };
}

async function read(path: string): Promise<Image[]> {
  const images: Image[] = [];
  await using video = await openVideo(path);
  for await (const image of video) images.push(image);
  return images;
}

const device = Device.create(values.device as DeviceName);
const table: number[][] = [];
let [seconds, count] = [0, 0];
const names = (await readdir(root)).sort();
console.log(`${'sequence'.padEnd(20)} mask   click  corrected`);
for (const name of names) {
  const frames = await read(join(root, name, 'frames'));
  const truth = (await read(join(root, name, 'masks'))).map(bitsOf);
  const [{ width, height }, first] = [frames[0] as Image, truth[0] as Uint8Array];
  const follow = async (prompts: readonly Prompt[]) => {
    const started = performance.now();
    const masks: Uint8Array[] = [];
    for await (const { data } of trackMask(device, frames, prompts))
      masks.push(data.map((v) => (v ? 1 : 0)));
    seconds += (performance.now() - started) / 1000;
    count += masks.length;
    return masks;
  };
  const score = (masks: Uint8Array[]) =>
    masks.map((mask, t) => overlap(mask, truth[t] as Uint8Array));
  const mean = (scores: number[]) =>
    scores.slice(1).reduce((a, b) => a + b, 0) / (scores.length - 1);
  const image: Image = { data: first, width, height, channels: 1 };
  const painted = score(await follow([{ kind: 'mask', frame: 0, image }]));
  const click: Prompt = { kind: 'point', frame: 0, ...centreOf(first, width) };
  const masks = await follow([click]);
  const clicked = score(masks);
  const frame = clicked.indexOf(Math.min(...clicked));
  const patch = worstPatch(masks[frame] as Uint8Array, truth[frame] as Uint8Array, width);
  const corrected = score(await follow([click, { kind: 'point', frame, ...patch }]));
  const row = [painted, clicked, corrected].map(mean);
  table.push(row);
  console.log(name.padEnd(20), row.map((v) => v.toFixed(3)).join('  '));
}
const means = [0, 1, 2].map(
  (k) => table.reduce((sum, row) => sum + (row[k] as number), 0) / table.length,
);
console.log('mean'.padEnd(20), means.map((v) => v.toFixed(3)).join('  '));
console.log(
  `${(count / seconds).toFixed(1)} masks a second on ${device.name}, ${device.threads} threads`,
);
device.dispose();
