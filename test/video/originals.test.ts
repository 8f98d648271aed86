import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { depthOf, layoutOf, type Plane } from '../../lib/video/encoding.js';
import { openVideo } from '../../lib/video/index.js';
import { av, makeClip, makeImage, type Paint, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();
const [width, height] = [50, 44];
const hole = { x: 11, y: 7, width: 17, height: 22 };

/** Noise of so many bits. */
const noise =
  (bits: number): Paint =>
  (planes, _strides, index) => {
    let seed = index + 1;
    for (const plane of planes) {
      const samples =
        bits > 8 ? new Uint16Array(plane.buffer, plane.byteOffset, plane.length >> 1) : plane;
      for (let i = 0; i < samples.length; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        samples[i] = (seed >>> 8) & ((1 << bits) - 1);
      }
    }
  };

/** The rows of each plane of each frame, without what pads them; and the format. */
async function samplesOf(path: string): Promise<{ format: string; frames: Buffer[][][] }> {
  await using video = await openVideo(path);
  const frames: Buffer[][][] = [];
  let format = '';
  for await (const frame of video.decoded('test')) {
    format = av.avGetPixFmtName(frame.format as never) ?? '';
    const planes = frame.data ?? [];
    frames.push(
      (layoutOf(format) as Plane[]).map(({ bytes, across, down }, p) => {
        const [w, h] = [(frame.width + across) >> across, (frame.height + down) >> down];
        const stride = frame.linesize[p] as number;
        return Array.from({ length: h }, (_, y) =>
          Buffer.from(planes[p]?.subarray(y * stride, y * stride + w * bytes) ?? []),
        );
      }),
    );
  }
  return { format, frames };
}

/** Counts samples that differ where no pixel of the hole touches them, and in the hole. */
async function compare(from: string, to: string, format: string, isInterlaced = false, box = hole) {
  const [before, after] = [await samplesOf(from), await samplesOf(to)];
  expect(after.format).toBe(format);
  expect(after.frames.length).toBe(before.frames.length);
  const counts = { outside: 0, inside: 0, ofInside: 0 };
  for (const [i, planes] of before.frames.entries()) {
    for (const [p, { bytes, across, down }] of (layoutOf(format) as Plane[]).entries()) {
      const touched = new Set<number>();
      for (let y = box.y; y < box.y + box.height; y++) {
        const row = !down ? y : isInterlaced ? ((y >> 2) << 1) | (y & 1) : y >> 1;
        for (let x = box.x; x < box.x + box.width; x++) touched.add(row * width + (x >> across));
      }
      for (const [y, row] of (planes[p] as Buffer[]).entries()) {
        const other = after.frames[i]?.[p]?.[y] as Buffer;
        expect(other.length).toBe(row.length);
        for (let x = 0; x < row.length / bytes; x++) {
          const differs = row.compare(
            other,
            x * bytes,
            (x + 1) * bytes,
            x * bytes,
            (x + 1) * bytes,
          );
          const isInside = touched.has(y * width + x);
          if (isInside) counts.ofInside += 1;
          if (differs) counts[isInside ? 'inside' : 'outside'] += 1;
        }
      }
    }
  }
  return counts;
}

const box = [hole];

describe('samples outside of the hole are the source’s own', () => {
  for (const format of [
    ...['420', '422', '444'].flatMap((chroma) =>
      ['', '10le', '12le', '16le'].map((depth) => `yuv${chroma}p${depth}`),
    ),
    'yuva420p',
    'yuva420p10le',
    'yuva444p16le',
    'gbrp12le',
  ]) {
    it(format, async () => {
      const from = await makeClip(at(`${format}.mkv`), {
        width,
        height,
        frames: 3,
        codec: 'ffv1',
        format,
        paint: noise(depthOf(format)),
      });
      const to = at(`${format}-out.mkv`);
      const { encoding } = await inpaintFile(standIn(), { input: from, mask: box, output: to });
      expect(encoding).toBe(`ffv1 (${format})`);
      const { outside, inside, ofInside } = await compare(from, to, format);
      expect(outside).toBe(0);
      expect(inside / ofInside).toBeGreaterThan(0.6); // alpha stays, and noise may hit green
    });
  }

  for (const format of ['yuv420p', 'yuv422p']) {
    it(`${format}, interlaced`, async () => {
      const from = await makeClip(at(`${format}-fields.mp4`), {
        width,
        height,
        frames: 3,
        format,
        paint: noise(8),
        interlaced: 'top first',
      });
      const to = at(`${format}-fields-out.mp4`);
      // A single row: its chroma is in another row than that of whole frames.
      const row = { ...hole, y: 9, height: 1 };
      await inpaintFile(standIn(), { input: from, mask: row, output: to, crf: 0 });
      const { outside, inside } = await compare(from, to, format, true, row);
      expect(outside).toBe(0);
      expect(inside).toBeGreaterThan(0);
    });
  }

  it('frames too large to be kept until they are written', async () => {
    const clip = { width: 1024, height: 600, frames: 4, codec: 'ffv1', paint: noise(8) };
    const from = await makeClip(at('large.mkv'), clip);
    const to = at('large-out.mkv');
    const large = [{ x: 200, y: 100, width: 300, height: 400, from: 1, to: 2 }];
    await inpaintFile(standIn(), { input: from, mask: large, output: to });
    const [before, after] = [await samplesOf(from), await samplesOf(to)];
    for (const [i, planes] of before.frames.entries()) {
      const hasHole = i === 1 || i === 2;
      for (const [p, rows] of planes.entries()) {
        const [top, bottom, left] = p ? [50, 250, 100] : [100, 500, 200];
        for (const [y, row] of rows.entries()) {
          const other = after.frames[i]?.[p]?.[y] as Buffer;
          const isInside = hasHole && y >= top && y < bottom;
          expect(row.equals(other)).toBe(!isInside);
          expect(row.subarray(0, left).equals(other.subarray(0, left))).toBe(true);
          const filled = [...other.subarray(left + 2, left + 100)];
          // Some of the noise is as green already.
          const green = filled.filter((v) => Math.abs(v - 173) < 3);
          if (isInside && !p) expect(green.length).toBeGreaterThan(80);
        }
      }
    }
  });

  for (const format of ['rgb24', 'rgb48be', 'rgba64be']) {
    it(`a folder of PNG, ${format}`, async () => {
      const folder = at(`png-${format}`);
      await mkdir(folder);
      const [{ bytes }] = layoutOf(format) as [Plane];
      const pixels = Buffer.alloc(width * height * bytes);
      noise(8)([pixels], [0], 1);
      await makeImage(`${folder}/0.png`, [width, height], format, pixels);
      await inpaintFile(standIn(), { input: folder, mask: box, output: `${folder}-out` });
      const { outside, inside } = await compare(folder, `${folder}-out`, format);
      expect(outside).toBe(0);
      expect(inside).toBeGreaterThan(0);
    });
  }

  it('a folder of PNG as FFV1, and back', async () => {
    const folder = at('png-ffv1');
    await mkdir(folder);
    const pixels = Buffer.alloc(width * height * 3);
    noise(8)([pixels], [0], 1);
    await makeImage(`${folder}/0.png`, [width, height], 'rgb24', pixels);
    const video = at('png.mkv');
    const there = { input: folder, mask: box, output: video, codec: 'ffv1' } as const;
    expect((await inpaintFile(standIn(), there)).encoding).toBe('ffv1 (bgr0)');
    await inpaintFile(standIn(), { input: video, mask: box, output: `${folder}-back` });
    const { outside, inside } = await compare(folder, `${folder}-back`, 'rgb24');
    expect(outside).toBe(0);
    expect(inside).toBeGreaterThan(0);
  });

  // In another order of bytes, or with three channels for one.
  for (const [extension, codec, format, bytes, order] of [
    ['tif', 'tiff', 'rgb48le', 6, [1, 0, 3, 2, 5, 4]],
    ['png', 'png', 'gray16be', 2, [0, 1, 0, 1, 0, 1]],
  ] as const) {
    it(`a folder of ${codec}, ${format}`, async () => {
      const folder = at(`${codec}-${format}`);
      await mkdir(folder);
      const pixels = Buffer.alloc(width * height * bytes);
      noise(8)([pixels], [0], 1);
      await makeImage(`${folder}/0.${extension}`, [width, height], format, pixels, codec);
      await inpaintFile(standIn(), { input: folder, mask: box, output: `${folder}-out` });
      const after = await samplesOf(`${folder}-out`);
      expect(after.format).toBe('rgb48be');
      for (const [y, row] of (after.frames[0]?.[0] ?? []).slice(0, hole.y).entries()) {
        const own = pixels.subarray(y * width * bytes, (y + 1) * width * bytes);
        const expected = Array.from(
          { length: width * 6 },
          (_, i) => own[Math.floor(i / 6) * bytes + (order[i % 6] as number)],
        );
        expect([...row]).toEqual(expected);
      }
    });
  }
});

it('fills with the depth of the source: more values than 8 bits have', async () => {
  const from = await makeClip(at('ramp.mkv'), {
    width,
    height,
    frames: 1,
    codec: 'ffv1',
    format: 'yuv444p10le',
    paint: (planes) => {
      for (const plane of planes) new Uint16Array(plane.buffer, plane.byteOffset).fill(512);
    },
  });
  const to = at('ramp-out.mkv');
  await inpaintFile(
    {
      async *inpaint(source) {
        for await (const { frame } of source) {
          const { data } = frame as { data: Uint8Array };
          const grey = data.map((_, i) => 100 + Math.floor((i / 3) % width) / 10);
          yield { data: grey, width, height, channels: 3, index: 0, coverage: 1, shot: 0 };
        }
      },
    },
    { input: from, mask: box, output: to },
  );
  const { frames } = await samplesOf(to);
  const luma = new Set<number>();
  for (const row of frames[0]?.[0] ?? []) {
    for (let x = 0; x < width; x++) luma.add(row.readUInt16LE(2 * x) & 3);
  }
  expect(luma.size).toBe(4);
});
