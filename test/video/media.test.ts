import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { InpaintError } from '../../lib/errors.js';
import { createWriter, openVideo, type VideoFrame } from '../../lib/video/index.js';
import { av, collect, flat, gradient, makeClip, makeImage, probe, scratch } from './clips.js';

const at = scratch();
const failing = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

async function readAll(path: string, fps?: number): Promise<VideoFrame[]> {
  await using video = await openVideo(path, { fps });
  return await collect(video);
}

const count = async (path: string) => (await readAll(path)).length;

/** Reads a file and writes its frames to another. */
async function copy(from: string, to: string, fps?: number) {
  await using video = await openVideo(from, { fps });
  await using writer = await createWriter(to, video);
  for await (const frame of video) await writer.write(frame);
  await writer.close();
  return { frames: writer.frames, dropped: writer.dropped };
}

const videoOf = async (path: string) => {
  const { tracks } = await probe(path);
  const video = tracks.find(({ type }) => type === av.AVMEDIA_TYPE_VIDEO);
  if (!video) throw new Error('no video');
  return { ...video, times: video.packets.map(({ seconds }) => seconds).sort((a, b) => a - b) };
};

/** The largest difference of two frames. */
function difference(a: VideoFrame, b: VideoFrame): number {
  let most = Math.abs(a.data.length - b.data.length) * 255;
  for (let i = 0; i < a.data.length; i++) {
    const d = Math.abs((a.data[i] as number) - (b.data[i] as number));
    if (!(d <= most)) most = d;
  }
  return most;
}

const leftovers = async () => (await readdir(at(''))).filter((name) => name.includes('.part'));
afterEach(async () => expect(await leftovers()).toEqual([]));

describe('openVideo', () => {
  it('tells what a file is and yields its frames', async () => {
    const path = await makeClip(at('plain.mp4'), { frames: 12, fps: 8, audio: true });
    await using video = await openVideo(path);
    const { width, height, channels, frames, fps, rotation, hasAudio } = video;
    expect({ width, height, channels, frames, fps, rotation, hasAudio }).toEqual({
      width: 64,
      height: 48,
      channels: 3,
      frames: 12,
      fps: 8,
      rotation: 0,
      hasAudio: true,
    });
    let count = 0;
    for await (const frame of video) {
      expect(frame.data.length).toBe(64 * 48 * 3);
      count += 1;
    }
    expect(count).toBe(12);
  });

  // Expected by the definition of the matrices, in float.
  const weights = { bt709: [0.2126, 0.0722], smpte170m: [0.299, 0.114] } as const;
  for (const [matrix, [kr, kb]] of Object.entries(weights)) {
    for (const range of ['narrow', 'full'] as const) {
      it(`converts ${range} ${matrix} as tagged`, async () => {
        const [y, u, v] = [120, 90, 170];
        const path = await makeClip(at(`${matrix}-${range}.mp4`), {
          frames: 1,
          paint: flat(y, u, v),
          space: matrix === 'bt709' ? av.AVCOL_SPC_BT709 : av.AVCOL_SPC_SMPTE170M,
          range: range === 'full' ? av.AVCOL_RANGE_JPEG : av.AVCOL_RANGE_MPEG,
        });
        const [luma, cb, cr] =
          range === 'full'
            ? [y, u - 128, v - 128]
            : [((y - 16) * 255) / 219, ((u - 128) * 255) / 224, ((v - 128) * 255) / 224];
        const r = luma + 2 * (1 - kr) * cr;
        const b = luma + 2 * (1 - kb) * cb;
        const g = (luma - kr * r - kb * b) / (1 - kr - kb);
        const [frame] = await readAll(path);
        for (const [i, expected] of [r, g, b].entries()) {
          expect(Math.abs((frame?.data[i] as number) - expected)).toBeLessThanOrEqual(1);
        }
      });
    }
  }

  it('reads a folder in the order in which people count', async () => {
    await mkdir(at('folder'));
    for (const i of [10, 9, 1, 2]) {
      await makeImage(at(`folder/f${i}.png`), [2, 1], 'rgb24', [i, 0, 0, 0, 0, i]);
    }
    await writeFile(at('folder/notes.txt'), 'not an image');
    const frames = await readAll(at('folder'));
    expect(frames.map(({ data }) => data[0])).toEqual([1, 2, 9, 10]);
  });

  it('refuses images of different sizes by name', async () => {
    await mkdir(at('sizes'));
    await makeImage(at('sizes/1.png'), [2, 1], 'rgb24', [0, 0, 0, 0, 0, 0]);
    await makeImage(at('sizes/2.png'), [1, 1], 'rgb24', [0, 0, 0]);
    await expect(readAll(at('sizes'))).rejects.toThrow(
      failing('ERR_SHAPE', /sizes\/2\.png to be 2 x 1 like the first, got 1 x 1/),
    );
  });

  it('refuses what is not there, empty, or no video', async () => {
    await writeFile(at('empty.mp4'), '');
    await writeFile(at('text.mp4'), 'not a video '.repeat(100));
    await mkdir(at('none'));
    await expect(openVideo(at('missing.mp4'))).rejects.toThrow(
      failing('ERR_MEDIA', /no such file/),
    );
    await expect(openVideo(at('empty.mp4'))).rejects.toThrow(failing('ERR_MEDIA', /an empty file/));
    await expect(openVideo(at('text.mp4'))).rejects.toThrow(failing('ERR_MEDIA', /Invalid data/));
    await expect(openVideo(at('none'))).rejects.toThrow(failing('ERR_MEDIA', /folder of images/));
  });

  for (const [name, container] of [
    ['cut.mp4', { movflags: '+faststart' }],
    ['cut.mkv', {}],
    ['cut.webm', {}],
  ] as const) {
    it(`notices that ${name} is cut off`, async () => {
      const codec = name.endsWith('webm') ? 'libvpx-vp9' : 'libx264';
      const path = await makeClip(at(name), { frames: 30, codec, container });
      expect(await count(path)).toBe(30);
      for (const share of [0.5, 0.9]) {
        const part = at(`${share}${name}`);
        await copyFile(path, part);
        await truncate(part, Math.floor((await readFile(path)).length * share));
        await expect(count(part)).rejects.toThrow(failing('ERR_MEDIA', /cut off|decode frame/));
      }
    });
  }

  it('notices an MP4 without its index, and images that end early', async () => {
    const path = await makeClip(at('tail.mp4'));
    await truncate(path, Math.floor((await readFile(path)).length / 2));
    await expect(openVideo(path)).rejects.toThrow(failing('ERR_MEDIA', /readable video/));
    const noise = Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * i * 31) % 251);
    for (const [name, format, codec] of [
      ['a.png', 'rgb24', 'png'],
      ['a.jpg', 'yuvj444p', 'mjpeg'],
      ['a.webp', 'bgra', 'libwebp'],
    ] as const) {
      const pixels = format === 'bgra' ? [...noise, ...noise.slice(1024 * 2)] : noise;
      const folder = at(`early-${codec}`);
      await mkdir(folder);
      const image = await makeImage(`${folder}/${name}`, [32, 32], format, pixels, codec);
      expect(await count(folder)).toBe(1);
      await truncate(image, Math.floor((await readFile(image)).length / 2));
      await expect(count(folder)).rejects.toThrow(failing('ERR_MEDIA', /to be a readable image/));
    }
  });

  it('notices damage in the middle', async () => {
    const path = await makeClip(at('damage.mp4'), {
      frames: 24,
      container: { movflags: '+faststart' },
    });
    const bytes = await readFile(path);
    bytes.fill(0xaa, Math.floor(bytes.length * 0.6), Math.floor(bytes.length * 0.7));
    await writeFile(path, bytes);
    await expect(count(path)).rejects.toThrow(failing('ERR_MEDIA', /to decode frame \d+ of/));
  });

  it('can be closed in the middle and is read once', async () => {
    const path = await makeClip(at('once.mp4'), { frames: 20 });
    const video = await openVideo(path);
    for await (const _ of video) break;
    expect(() => video[Symbol.asyncIterator]()).toThrow(failing('ERR_DISPOSED', /read once/));
    await video.close();
    await video.close();
    const other = await openVideo(path);
    const pending = other[Symbol.asyncIterator]().next();
    await other.close();
    await pending;
  });
});

describe('createWriter', () => {
  it('keeps frames, size, rate, pixels, tags, rotation and metadata', async () => {
    const colour = {
      range: av.AVCOL_RANGE_MPEG,
      space: av.AVCOL_SPC_BT709,
      primaries: av.AVCOL_PRI_BT709,
      transfer: av.AVCOL_TRC_IEC61966_2_1,
    };
    const from = await makeClip(at('tags.mp4'), {
      ...colour,
      frames: 15,
      rotation: 90,
      aspect: [4, 3],
      metadata: { title: 'A title' },
    });
    const to = at('tags-out.mp4');
    expect(await copy(from, to)).toEqual({ frames: 15, dropped: [] });
    const [before, after] = [await videoOf(from), await videoOf(to)];
    expect(after).toMatchObject({ codec: 'h264', format: 'yuv420p', aspect: '4/3' });
    expect(after.colour).toEqual([...Object.values(colour)]);
    expect(after.rotation).toEqual(before.rotation);
    expect(after.times).toEqual(before.times);
    expect(after.seconds).toBe(before.seconds);
    expect((await probe(to)).metadata.title).toBe('A title');
    await using video = await openVideo(to);
    expect(video).toMatchObject({ width: 64, height: 48, frames: 15, fps: 10, rotation: 90 });
    const source = await readAll(from);
    for await (const frame of video) {
      const original = source.shift() as VideoFrame;
      expect(difference(frame, original)).toBeLessThanOrEqual(16);
      const mean = (image: VideoFrame) => image.data.reduce((a, b) => a + b) / image.data.length;
      expect(Math.abs(mean(frame) - mean(original))).toBeLessThan(0.5);
    }
  });

  for (const [name, clip] of [
    ['narrow BT.601', { space: av.AVCOL_SPC_SMPTE170M, range: av.AVCOL_RANGE_MPEG }],
    ['narrow BT.709', { space: av.AVCOL_SPC_BT709, range: av.AVCOL_RANGE_MPEG }],
    ['full BT.601', { space: av.AVCOL_SPC_BT470BG, range: av.AVCOL_RANGE_JPEG }],
    ['full BT.709', { space: av.AVCOL_SPC_BT709, range: av.AVCOL_RANGE_JPEG }],
    ['BT.2020, 10 bits', { space: av.AVCOL_SPC_BT2020_NCL, format: 'yuv420p10le' }],
    ['nothing told', {}],
    ['4:2:2', { format: 'yuv422p' }],
  ] as const) {
    it(`returns the colours of a flat picture: ${name}`, async () => {
      const deep = 'format' in clip && clip.format.includes('10');
      const paint = deep ? flat(1, 2, 2) : flat(120, 100, 160); // 0x0101 and 0x0202 in 16-bit words
      const from = await makeClip(at('flat.mp4'), { frames: 3, paint, ...clip });
      await copy(from, at('flat-out.mp4'));
      const [before, after] = [await videoOf(from), await videoOf(at('flat-out.mp4'))];
      expect(after.format).toBe(before.format);
      expect(after.colour).toEqual(before.colour);
      const [a, b] = [await readAll(from), await readAll(at('flat-out.mp4'))];
      a.forEach((frame, i) => {
        expect(difference(frame, b[i] as VideoFrame)).toBeLessThanOrEqual(2);
      });
    });
  }

  for (const extension of ['mp4', 'mov', 'mkv']) {
    it(`copies the packets of the sound to .${extension}`, async () => {
      const from = await makeClip(at('sound.mp4'), { frames: 20, audio: true });
      const to = at(`sound-out.${extension}`);
      await copy(from, to);
      const sound = async (path: string) =>
        (await probe(path)).tracks.find(({ type }) => type === av.AVMEDIA_TYPE_AUDIO);
      const [before, after] = [await sound(from), await sound(to)];
      expect(before?.packets.length).toBeGreaterThan(10);
      expect(after?.packets.map(({ data }) => data)).toEqual(
        before?.packets.map(({ data }) => data),
      );
      after?.packets.forEach(({ seconds }, i) => {
        expect(Math.abs(seconds - (before?.packets[i]?.seconds ?? 0))).toBeLessThanOrEqual(0.001);
      });
    });
  }

  it('copies subtitles where the container takes them, and tells where not', async () => {
    const from = await makeClip(at('titles.mkv'), { subtitles: true, audio: true });
    expect((await copy(from, at('titles-out.mkv'))).dropped).toEqual([]);
    expect((await probe(at('titles-out.mkv'))).tracks.map(({ codec }) => codec)).toEqual([
      'h264',
      'aac',
      'subrip',
    ]);
    const { dropped } = await copy(from, at('titles-out.mp4'));
    expect(dropped).toEqual(['subtitle stream 2 (subrip)']);
    expect((await probe(at('titles-out.mp4'))).tracks).toHaveLength(2);
  });

  it('refuses a container that cannot hold the sound', async () => {
    const from = await makeClip(at('aac.mp4'), { audio: true });
    await expect(copy(from, at('aac.webm'))).rejects.toThrow(
      failing('ERR_MEDIA', /holds audio stream 1 \(aac\) .* got \.webm; \.mkv does/),
    );
  });

  it('keeps the timestamps of a varying rate', async () => {
    const pts = [0, 40, 80, 200, 240, 500, 533, 566, 600, 1000];
    const from = await makeClip(at('vfr.mp4'), { pts, fps: 25 });
    for (const extension of ['mp4', 'mkv']) {
      await copy(from, at(`vfr-out.${extension}`));
      const { times } = await videoOf(at(`vfr-out.${extension}`));
      expect(times.map((seconds) => Math.round(seconds * 1000))).toEqual(pts);
    }
  });

  for (const [from, to] of [
    ['odd.webm', 'odd-out.mp4'],
    ['odd.webm', 'odd-out.webm'],
    ['odd.mkv', 'odd-out.mkv'],
  ] as const) {
    it(`keeps odd sizes: ${from} to ${to}`, async () => {
      const path = await makeClip(at(from), {
        width: 33,
        height: 17,
        codec: from.endsWith('webm') ? 'libvpx-vp9' : 'libx264',
        format: from.endsWith('webm') ? 'yuv420p' : 'yuv444p',
        options: from.endsWith('webm') ? { crf: '4', b: '0' } : {},
        paint: (planes, strides, i) => {
          gradient(planes, strides, i);
          const [luma, stride] = [planes[0] as Buffer, strides[0] as number];
          for (let y = 0; y < 17; y++) luma[y * stride + 32] = 235;
        },
      });
      await copy(path, at(to));
      const [[before], [after]] = [await readAll(path), await readAll(at(to))];
      expect(after).toMatchObject({ width: 33, height: 17 });
      const last = (frame?: VideoFrame) =>
        Array.from({ length: 17 }, (_, y) => frame?.data[(y * 33 + 32) * 3 + 1] as number);
      last(before).forEach((value, y) => {
        expect(Math.abs(value - (last(after)[y] as number))).toBeLessThanOrEqual(16);
      });
    });
  }

  describe('alpha', () => {
    const alpha = { width: 32, height: 16, frames: 4, codec: 'prores_ks', format: 'yuva444p10le' };
    const paint = (planes: Buffer[], strides: number[]) => {
      flat(2, 2, 2, 0)(planes, strides, 0);
      const [plane, stride] = [planes[3] as Buffer, strides[3] as number];
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 32; x++) plane.writeUInt16LE(x * 32, y * stride + x * 2);
      }
    };
    for (const to of ['a.mov', 'a.mkv', 'a.webm', 'a-png']) {
      it(`is kept in ${to}`, async () => {
        const from = await makeClip(at('alpha.mov'), {
          ...alpha,
          paint,
          options: { profile: '4444' },
        });
        await copy(from, at(to));
        const [before, after] = [await readAll(from), await readAll(at(to))];
        expect(after).toHaveLength(4);
        after.forEach((frame, i) => {
          expect(frame.channels).toBe(4);
          const original = before[i] as VideoFrame;
          for (let p = 3; p < frame.data.length; p += 4) {
            const d = Math.abs((frame.data[p] as number) - (original.data[p] as number));
            expect(d).toBeLessThanOrEqual(4);
          }
        });
      });
    }

    it('is refused where it would be lost, unless it is opaque', async () => {
      const options = { profile: '4444' };
      const from = await makeClip(at('alpha2.mov'), { ...alpha, paint, options });
      await expect(copy(from, at('alpha.mp4'))).rejects.toThrow(
        failing(
          'ERR_MEDIA',
          /keeps the alpha of .*alpha2\.mov \(\.mov, \.mkv, \.webm or a folder\)/,
        ),
      );
      const opaque = await makeClip(at('opaque.mov'), {
        ...alpha,
        paint: (planes) =>
          planes.forEach((plane, p) => {
            for (let i = 0; i < plane.length; i += 2) plane.writeUInt16LE(p === 3 ? 1023 : 512, i);
          }),
        options,
      });
      expect((await copy(opaque, at('opaque.mp4'))).frames).toBe(4);
    });
  });

  it('writes PNG without loss, under the names of what was read', async () => {
    await mkdir(at('in'));
    const pixels = (i: number) =>
      Array.from({ length: 5 * 3 * 4 }, (_, k) => (k * 37 + i * 11) % 256);
    for (const i of [0, 1, 2]) await makeImage(at(`in/img_${i}.png`), [5, 3], 'rgba', pixels(i));
    await copy(at('in'), at('out'));
    expect((await readdir(at('out'))).sort()).toEqual(['img_0.png', 'img_1.png', 'img_2.png']);
    const frames = await readAll(at('out'));
    expect(frames.map(({ data }) => [...data])).toEqual([0, 1, 2].map(pixels));
  });

  it('makes a video of a folder at the rate that is asked for', async () => {
    await mkdir(at('stills'));
    for (const i of [0, 1, 2]) {
      await makeImage(at(`stills/${i}.png`), [16, 16], 'rgb24', Array(768).fill(50 * i + 20));
    }
    await copy(at('stills'), at('stills.mp4'), 12.5);
    expect((await videoOf(at('stills.mp4'))).times).toEqual([0, 0.08, 0.16]);
    const [, frame] = await readAll(at('stills.mp4'));
    expect(Math.abs((frame?.data[0] as number) - 70)).toBeLessThanOrEqual(1);
  });

  it('shows nothing under the name until it is whole', async () => {
    await using video = await openVideo(await makeClip(at('whole.mp4')));
    const frames = await collect(video);
    await writeFile(at('whole-out.mp4'), 'old');
    {
      await using writer = await createWriter(at('whole-out.mp4'), video);
      for (const frame of frames) await writer.write(frame);
      expect(await readFile(at('whole-out.mp4'), 'utf8')).toBe('old');
    }
    expect(await leftovers()).toEqual([]);
    const writer = await createWriter(at('whole-out.mp4'), video);
    await Promise.all(frames.map((frame) => writer.write(frame)));
    await writer.close();
    expect(await readAll(at('whole-out.mp4'))).toHaveLength(10);
    const frame = frames[0] as VideoFrame;
    await expect(writer.write(frame)).rejects.toThrow(failing('ERR_DISPOSED', /writer in use/));
  });

  it('refuses frames of another size, and places and kinds of file it cannot write', async () => {
    await using video = await openVideo(await makeClip(at('refuse.mp4')));
    const data = new Uint8Array(64 * 47 * 3);
    {
      await using writer = await createWriter(at('refuse-out.mp4'), video);
      await expect(writer.write({ data, width: 64, height: 47, channels: 3 })).rejects.toThrow(
        failing('ERR_SHAPE', /frame of 64 x 48 x 3 or 4, got 64 x 47 x 3/),
      );
      await expect(writer.close()).rejects.toThrow(failing('ERR_SHAPE', /64 x 47/));
    }
    await expect(createWriter(at('nowhere/x.mp4'), video)).rejects.toThrow(
      failing('ERR_MEDIA', /folder/),
    );
    await expect(createWriter(at('x.avi'), video)).rejects.toThrow(
      failing('ERR_ARGUMENT', /\.mp4/),
    );
    await mkdir(at('full'));
    await writeFile(at('full/a'), '');
    await expect(createWriter(at('full'), video)).rejects.toThrow(
      failing('ERR_MEDIA', /new or empty/),
    );
    const empty = await createWriter(at('empty-out.mp4'), video);
    await expect(empty.close()).rejects.toThrow(failing('ERR_MEDIA', /at least one frame/));
  });

  const child = (script: string, before = '') => {
    const file = fileURLToPath(new URL('./write_in_child.ts', import.meta.url));
    const command = `${before} exec "$0" --import tsx "$@"`;
    const args = [
      '-c',
      command,
      process.execPath,
      file,
      script,
      at('child.mp4'),
      at('child-out.mp4'),
    ];
    return spawnSync('sh', args, { encoding: 'utf8' });
  };

  it.skipIf(process.platform === 'win32')(
    'says that the disk is full, and leaves nothing',
    async () => {
      await makeClip(at('child.mp4'), { width: 256, height: 256, frames: 30 });
      const { stdout, stderr } = child('write', 'ulimit -f 8;'); // blocks of 512 or 1024 bytes
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^ERR_MEDIA createWriter: expected to write .*child-out\.mp4, got /);
      expect((await readdir(at(''))).includes('child-out.mp4')).toBe(false);
    },
  );

  it('leaves nothing when the process exits', async () => {
    await makeClip(at('child.mp4'), { frames: 10 });
    expect(child('exit').status).toBe(7);
    expect((await readdir(at(''))).includes('child-out.mp4')).toBe(false);
  });
});

describe('without node-av', () => {
  afterEach(() => {
    vi.doUnmock('node-av/lib');
    vi.resetModules();
  });

  it('says how to install it', async () => {
    vi.resetModules();
    vi.doMock('node-av/lib', () => {
      throw new Error("Cannot find package 'node-av'");
    });
    const { openVideo: open } = await import('../../lib/video/index.js');
    await expect(open(at('plain.mp4'))).rejects.toThrow(
      failing('ERR_MEDIA', /npm install node-av/),
    );
  });
});

it('throws errors of one class', async () => {
  await expect(openVideo(at('missing.mp4'))).rejects.toBeInstanceOf(InpaintError);
});
