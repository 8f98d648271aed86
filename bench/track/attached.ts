// Scores what is added to masks as belonging to an object: npx tsx bench/track/attached.ts DIR
//   [--device cpu] [--light 0.6] [--step 5]
//
// DIR as bench/track/run.ts takes it. No sequence's true masks hold shadows, so each is given one of
// known truth: the object's own outline, tipped over below it and slanted, with soft edges, lets
// through a share of the light. The object's true masks are given for every frame. Printed for every
// `step`th frame: the share of the shadow that is found, how much else is taken, as a share of the
// object (shadows that were filmed among it), and intersection over union with object and shadow,
// next to that of the object alone.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Device, type DeviceName } from '../../lib/device.js';
import { type Prompt, trackMask } from '../../lib/mask/index.js';
import { type Image, openVideo } from '../../lib/video/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'cpu' },
    light: { type: 'string', default: '0.6' },
    step: { type: 'string', default: '5' },
  },
});
const [root] = positionals;
if (!root) throw new Error('expected a folder of sequences');

async function read(path: string): Promise<Image[]> {
  const images: Image[] = [];
  await using video = await openVideo(path);
  for await (const { data, ...image } of video) images.push({ ...image, data: data.slice() });
  return images;
}

const bitsOf = ({ data, channels }: Image) =>
  Uint8Array.from({ length: data.length / channels }, (_, i) =>
    (data[i * channels] as number) > 127 ? 1 : 0,
  );

/** The outline tipped over: 0.4 as high as it is, slanted, its feet a little below the object's. */
function shadowOf(object: Uint8Array, w: number): Float32Array {
  const h = object.length / w;
  const foot = Math.floor(object.lastIndexOf(1) / w);
  const hard = Float32Array.from(object, (_, i) => {
    const [y, x] = [Math.floor(i / w), i % w];
    const up = (y - foot + 0.02 * h) / 0.4; // how high above its feet what throws it is
    const [v, u] = [Math.round(foot - up), Math.round(x - 0.3 * up)];
    return up > 0 && v >= 0 && u >= 0 && u < w && object[v * w + u] ? 1 : 0;
  });
  const blur = (from: Float32Array, along: number) =>
    from.map((_, i) => {
      let [sum, count] = [0, 0];
      for (let k = -2; k <= 2; k++) {
        const at = i + k * along;
        if (at < 0 || at >= from.length) continue;
        sum += from[at] as number;
        count += 1;
      }
      return sum / count;
    });
  return blur(blur(hard, 1), w);
}

/** Of a level of 255, the one that shows a share of its light. */
function dimmed(level: number, share: number): number {
  const v = level / 255;
  const linear = (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4) * share;
  const out = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * out);
}

const device = Device.create(values.device as DeviceName);
const [light, step] = [Number(values.light), Number(values.step)];
const table: number[][] = [];
let [seconds, count] = [0, 0];
console.log(`${'sequence'.padEnd(16)} shadow  else  overlap  alone`);
for (const name of (await readdir(root)).sort()) {
  const frames = await read(join(root, name, 'frames'));
  const objects = (await read(join(root, name, 'masks'))).map(bitsOf);
  const { width, height } = frames[0] as Image;
  const prompts = objects.map(
    (data, frame): Prompt => ({
      kind: 'mask',
      frame,
      image: { data, width, height, channels: 1 },
    }),
  );
  const shadows = objects.map((object) => shadowOf(object, width));
  const shaded = frames.map(({ data, channels, ...rest }, t): Image => {
    const out = data.map((level, i) => {
      const at = Math.floor(i / channels);
      const shadow = objects[t]?.[at] ? 0 : (shadows[t]?.[at] as number);
      return shadow ? dimmed(level, 1 - shadow * (1 - light)) : level;
    });
    return { ...rest, channels, data: out };
  });
  const started = performance.now();
  const rows: number[][] = [];
  for await (const { data, index } of trackMask(device, shaded, prompts, { attached: true })) {
    count += 1;
    if (index % step) continue;
    const [object, shadow] = [objects[index] as Uint8Array, shadows[index] as Float32Array];
    let [area, all, found, wrong, missed] = [0, 0, 0, 0, 0];
    for (let i = 0; i < data.length; i++) {
      if (object[i]) {
        area += 1;
        if (!data[i]) missed += 1;
      } else if ((shadow[i] as number) > 0.5) {
        all += 1;
        if (data[i]) found += 1;
      } else if (data[i]) wrong += 1;
    }
    if (!all) continue;
    const overlap = (area - missed + found) / (area + all + wrong);
    rows.push([found / all, wrong / area, overlap, area / (area + all)]);
  }
  seconds += (performance.now() - started) / 1000;
  const row = [0, 1, 2, 3].map((k) => rows.reduce((s, r) => s + (r[k] as number), 0) / rows.length);
  table.push(row);
  console.log(name.padEnd(16), row.map((v) => v.toFixed(3)).join('  '));
}
const means = [0, 1, 2, 3].map(
  (k) => table.reduce((sum, row) => sum + (row[k] as number), 0) / table.length,
);
console.log('mean'.padEnd(16), means.map((v) => v.toFixed(3)).join('  '));
console.log(
  `${(count / seconds).toFixed(1)} masks a second on ${device.name}, ${device.threads} threads`,
);
device.dispose();
