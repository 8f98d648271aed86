// Scores overlays found in a box: npx tsx bench/track/overlay.ts VIDEO... [--seconds 2]
//
// Text of known truth is laid over the beginning of each video, which is encoded (H.264 at the
// package's quality) and read again: a subtitle with and without an outline, with a soft shadow, and
// a timecode. The box around it has a margin of a third of the letters' height. Printed, as means over
// frames: the share of the box that the text covers, outline and shadow included; the share that is
// taken; recall, the share of the text that is taken; precision. Text is what changes a pixel by 5
// levels of 255 or more.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { overlayMask } from '../../lib/mask/index.js';
import { createWriter, type Image, openVideo } from '../../lib/video/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '2' } },
});
if (!positionals.length) throw new Error('expected videos');

const subtitle = 'What did you say to her?';
const kinds: Record<string, { look: (size: number) => string; text: (t: number) => string }> = {
  plain: { look: () => 'fill="white"', text: () => subtitle },
  outlined: {
    look: (size) => `fill="white" stroke="black" stroke-width="${size / 8}" paint-order="stroke"`,
    text: () => subtitle,
  },
  shadow: {
    look: () => 'fill="#ffe060" style="filter:url(#soft)"',
    text: () => subtitle,
  },
  timecode: {
    look: () => 'fill="white" font-weight="bold"',
    text: (t) => `00:12:${String(10 + Math.floor(t / 25))}:${String(t % 25).padStart(2, '0')}`,
  },
};

/** Text as bytes of red, green, blue and alpha. */
async function render(text: string, look: string, size: number, width: number, height: number) {
  const d = size / 14;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <filter id="soft"><feDropShadow dx="${d}" dy="${d}" stdDeviation="${d / 2}"/></filter>
    <text x="${width / 2}" y="${Math.round(height * 0.92)}" text-anchor="middle"
      font-family="DejaVu Sans" font-size="${size}" ${look}>${text}</text></svg>`;
  return sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer();
}

const folder = await mkdtemp(join(tmpdir(), 'overlay-'));
const sums = new Map<string, number[]>();
console.log(`${'video'.padEnd(28)} ${'kind'.padEnd(9)}  text  taken recall precision`);
try {
  for (const path of positionals) {
    for (const [kind, { look, text }] of Object.entries(kinds)) {
      const truths: Uint8Array[] = [];
      const file = join(folder, 'in.mp4');
      let [size, width, height] = [0, 0, 0];
      let [left, top, right, bottom] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0];
      {
        await using video = await openVideo(path);
        await using writer = await createWriter(file, video);
        ({ width, height } = video);
        size = Math.max(12, Math.round(height / 18));
        const count = Number(values.seconds) * video.fps;
        let drawn: { text: string; rgba: Buffer } | undefined;
        for await (const frame of video) {
          const now = text(truths.length);
          if (drawn?.text !== now)
            drawn = { text: now, rgba: await render(now, look(size), size, width, height) };
          const truth = new Uint8Array(width * height);
          const data = Uint8Array.from(frame.data);
          for (let i = 0; i < truth.length; i++) {
            const alpha = (drawn.rgba[4 * i + 3] as number) / 255;
            for (let k = 0; k < 3; k++) {
              const at = frame.channels * i + k;
              const mixed = alpha * (drawn.rgba[4 * i + k] as number);
              const level = Math.round(mixed + (1 - alpha) * (data[at] as number));
              if (Math.abs(level - (data[at] as number)) >= 5) truth[i] = 1;
              data[at] = level;
            }
            if (alpha < 0.02) continue;
            const [x, y] = [i % width, Math.floor(i / width)];
            [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
            [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
          }
          truths.push(truth);
          await writer.write({ ...frame, data });
          if (truths.length >= count) break;
        }
        await writer.close();
      }
      const margin = Math.round(size / 3);
      const box = {
        x: left - margin,
        y: top - margin,
        width: right - left + 2 * margin,
        height: bottom - top + 2 * margin,
      };
      await using again = await openVideo(file);
      const rows: number[][] = [];
      for await (const { data, index } of overlayMask(again as AsyncIterable<Image>, [box])) {
        if (index % 5) continue;
        const truth = truths[index] as Uint8Array;
        let [all, taken, found, area] = [0, 0, 0, 0];
        for (let y = Math.max(0, box.y); y < Math.min(height, box.y + box.height); y++) {
          for (let x = Math.max(0, box.x); x < Math.min(width, box.x + box.width); x++) {
            const i = y * width + x;
            area += 1;
            if (truth[i]) all += 1;
            if (data[i]) taken += 1;
            if (truth[i] && data[i]) found += 1;
          }
        }
        rows.push([all / area, taken / area, all ? found / all : 1, taken ? found / taken : 1]);
      }
      const row = [0, 1, 2, 3].map(
        (k) => rows.reduce((sum, r) => sum + (r[k] as number), 0) / rows.length,
      );
      console.log(
        basename(path).slice(0, 28).padEnd(28),
        kind.padEnd(9),
        row.map((v) => v.toFixed(3)).join('  '),
      );
      for (const name of [kind, 'all']) {
        const sum = sums.get(name) ?? [0, 0, 0, 0, 0];
        sums.set(name, [...row.map((v, k) => v + (sum[k] as number)), (sum[4] as number) + 1]);
      }
    }
  }
} finally {
  await rm(folder, { recursive: true });
}
for (const [name, sum] of sums) {
  const means = sum.slice(0, 4).map((v) => (v / (sum[4] as number)).toFixed(3));
  console.log('mean'.padEnd(28), name.padEnd(9), means.join('  '));
}
