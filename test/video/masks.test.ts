import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Image } from '../../lib/video/image.js';
import {
  type MaskSpec,
  openMask,
  openVideo,
  pairFrames,
  parseBox,
  parseMoment,
} from '../../lib/video/index.js';
import { av, collect, flat, makeClip, makeImage, scratch } from './clips.js';

const at = scratch();
const failing = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/** The first masks of a source, for a video. */
async function masksOf(spec: MaskSpec | MaskSpec[], clip: string, count = 1): Promise<Image[]> {
  await using video = await openVideo(clip);
  await using masks = await openMask(spec, video);
  const found: Image[] = [];
  for await (const mask of masks) {
    found.push(mask);
    if (found.length === count) break;
  }
  return found;
}

/** Rows of `.` and `#`. */
const drawn = ({ data, width, height }: Image) =>
  Array.from({ length: height }, (_, y) =>
    [...data.subarray(y * width, (y + 1) * width)].map((v) => (v ? '#' : '.')).join(''),
  );

const first = async (spec: MaskSpec | MaskSpec[], clip: string) =>
  drawn((await masksOf(spec, clip))[0] as Image);

/** A video of 4 x 2 frames. */
const tiny = () => makeClip(at('tiny.mp4'), { width: 4, height: 2, frames: 6 });

describe('boxes', () => {
  it('are read from text', () => {
    const box = { x: 1, y: 2, width: 3, height: 4 };
    expect(parseBox('1,2,3,4')).toEqual(box);
    expect(parseBox(' 1, 2, 3, 4 @ 5 - 9 ')).toEqual({ ...box, from: 5, to: 9 });
    expect(parseBox('1,2,3,4@5-')).toEqual({ ...box, from: 5 });
    expect(parseBox('1,2,3,4@-9')).toEqual({ ...box, to: 9 });
    expect(parseBox('1,2,3,4@7')).toEqual({ ...box, from: 7, to: 7 });
    expect(parseBox('-1,-2,3,4')).toEqual({ ...box, x: -1, y: -2 });
  });

  for (const text of [
    '',
    '1,2,3',
    '1,2,3,4,5',
    '1,2,0,4',
    '1,2,-3,4',
    '1.5,2,3,4',
    '1,2,3,4@',
    'a',
  ]) {
    it(`are not read from '${text}'`, () => {
      expect(() => parseBox(text)).toThrow(failing('ERR_ARGUMENT', /expected/));
    });
  }

  it('end after they begin', () => {
    expect(() => parseBox('1,2,3,4@9-5')).toThrow(failing('ERR_ARGUMENT', /last frame of a box/));
  });

  it('are cut to the frame, add up, and come and go', async () => {
    const masks = await masksOf(
      ['-1,0,2,1', { x: 2, y: 1, width: 9, height: 9, from: 1, to: 2 }],
      await tiny(),
      4,
    );
    expect(masks.map(drawn)).toEqual([
      ['#...', '....'],
      ['#...', '..##'],
      ['#...', '..##'],
      ['#...', '....'],
    ]);
  });

  it('are refused outside of the frame', async () => {
    await expect(first('4,0,2,2', await tiny())).rejects.toThrow(
      failing('ERR_ARGUMENT', /inside of 4 x 2, got 4,0,2,2/),
    );
  });

  it('are where the frame is displayed', async () => {
    const corner: MaskSpec = '0,0,1,1';
    for (const [rotation, expected] of [
      [90, ['....', '#...']],
      [180, ['....', '...#']],
      [270, ['...#', '....']],
    ] as const) {
      const clip = await makeClip(at(`r${rotation}.mp4`), { width: 4, height: 2, rotation });
      expect(await first(corner, clip)).toEqual(expected);
    }
  });
});

describe('images', () => {
  for (const [name, format, pixels, expected] of [
    ['grey, 1 of 255', 'gray', [0, 1, 2, 255], '.###'],
    ['grey, 1 of 65535', 'gray16be', [0, 0, 0, 1, 1, 0, 255, 255], '.###'],
    ['one bit', 'monob', [0b0101_0000], '.#.#'],
    ['any colour', 'rgb24', [0, 0, 0, 0, 0, 1, 1, 0, 0, 9, 9, 9], '.###'],
    ['opaque alpha', 'rgba', [0, 0, 0, 255, 9, 0, 0, 255, 0, 0, 0, 255, 0, 0, 1, 255], '.#.#'],
    ['alpha', 'rgba', [255, 255, 255, 0, 0, 0, 0, 1, 0, 0, 0, 255, 9, 9, 9, 0], '.##.'],
    ['grey with alpha', 'ya8', [255, 0, 0, 255, 0, 9, 9, 0], '.##.'],
  ] as const) {
    it(`are hole where they are not black: ${name}`, async () => {
      const clip = await makeClip(at('row.mp4'), { width: 4, height: 2 });
      const image = await makeImage(at('row.png'), [4, 2], format, [...pixels, ...pixels]);
      expect(await first(image, clip)).toEqual([expected, expected]);
    });
  }

  it('serve for all frames', async () => {
    const image = await makeImage(at('all.png'), [4, 2], 'gray', [0, 9, 0, 0, 0, 0, 0, 9]);
    const masks = await masksOf(image, await tiny(), 6);
    expect(new Set(masks.map((mask) => drawn(mask).join('/')))).toEqual(new Set(['.#../...#']));
    expect(masks[0]).toMatchObject({ width: 4, height: 2, channels: 1 });
    expect([...(masks[0]?.data ?? [])]).toEqual([0, 255, 0, 0, 0, 0, 0, 255]);
  });

  it('take 32 of 255 in a JPEG', async () => {
    const clip = await makeClip(at('jpeg.mp4'), { width: 16, height: 8 });
    for (const [value, expected] of [
      [24, '.'],
      [48, '#'],
    ] as const) {
      const planes = [...Array(128).fill(value), ...Array(256).fill(128)];
      const image = await makeImage(at('m.jpg'), [16, 8], 'yuvj444p', planes, 'mjpeg');
      expect(await first(image, clip)).toEqual(Array(8).fill(expected.repeat(16)));
    }
  });

  it('are told by their content, not their name', async () => {
    const image = await makeImage(at('really-png.jpg'), [4, 2], 'gray', [0, 99, 0, 0, 0, 0, 0, 99]);
    expect(await first(image, await tiny())).toEqual(['.#..', '...#']);
  });

  it('are not taken for a box by the name of their folder', async () => {
    await using video = await openVideo(await tiny());
    for (const path of ['0001', '2024-01-01']) {
      await expect(openMask(path, video)).rejects.toThrow(failing('ERR_MEDIA', /no such file/));
    }
  });

  it('come one a frame from a folder, with boxes on top', async () => {
    await mkdir(at('masks'));
    for (let i = 0; i < 7; i++) {
      const pixels = Array.from({ length: 8 }, (_, k) => Number(k === i));
      await makeImage(at(`masks/${i}.png`), [4, 2], 'gray', pixels);
    }
    const masks = await masksOf([at('masks'), '3,1,1,1@2-2'], await tiny(), 3);
    expect(masks.map(drawn)).toEqual([
      ['#...', '....'],
      ['.#..', '....'],
      ['..#.', '...#'],
    ]);
  });
});

describe('videos', () => {
  const half: Parameters<typeof makeClip>[1] = {
    width: 32,
    height: 16,
    paint: (planes, strides) => {
      flat(16, 128, 128)(planes, strides, 0);
      const [luma, stride] = [planes[0] as Buffer, strides[0] as number];
      for (let y = 0; y < 16; y++) luma.fill(235, y * stride, y * stride + 12);
    },
  };
  const rows = Array(16).fill(`${'#'.repeat(12)}${'.'.repeat(20)}`);

  for (const [name, more] of [
    ['without loss', {}],
    ['with loss', { options: { qp: '36' } }],
    ['grey', { format: 'gray' }],
    ['VP9', { codec: 'libvpx-vp9', options: { crf: '40', b: '0' } }],
  ] as const) {
    it(`are hole where they are bright: ${name}`, async () => {
      const clip = await makeClip(at('half.mp4'), { width: 32, height: 16 });
      const mask = await makeClip(at('half.mkv'), { ...half, ...more });
      expect(await first(mask, clip)).toEqual(rows);
    });
  }

  it('have black at 16, and in the full range at 0', async () => {
    const clip = await makeClip(at('black.mp4'), { width: 16, height: 16 });
    for (const [value, range, expected] of [
      [16, av.AVCOL_RANGE_MPEG, '.'],
      [40, av.AVCOL_RANGE_MPEG, '.'],
      [48, av.AVCOL_RANGE_MPEG, '#'],
      [28, av.AVCOL_RANGE_JPEG, '.'],
      [36, av.AVCOL_RANGE_JPEG, '#'],
    ] as const) {
      const paint = flat(value, 128, 128);
      const mask = await makeClip(at('black.mkv'), { width: 16, height: 16, range, paint });
      expect(await first(mask, clip)).toEqual(Array(16).fill(expected.repeat(16)));
    }
  });

  it('are turned to how the frames are stored', async () => {
    // Stored 4 x 2, displayed 2 x 4; the mask marks the top left as displayed.
    const clip = await makeClip(at('turned.mp4'), { width: 4, height: 2, rotation: 90 });
    const displayed = await makeImage(at('d.png'), [2, 4], 'gray', [1, 0, 0, 0, 0, 0, 0, 0]);
    expect(await first(displayed, clip)).toEqual(['....', '#...']);
    // One of the stored size is as stored.
    const stored = await makeImage(at('s.png'), [4, 2], 'gray', [1, 0, 0, 0, 0, 0, 0, 0]);
    expect(await first(stored, clip)).toEqual(['#...', '....']);
    // A video that is turned likewise needs nothing.
    const upright = await makeClip(at('upright.mp4'), { width: 32, height: 16, rotation: 180 });
    const same = await makeClip(at('same.mp4'), { ...half, rotation: 180 });
    expect(await first(same, upright)).toEqual(rows);
    const other = await makeClip(at('other.mp4'), half);
    expect(await first(other, upright)).toEqual(rows.map((row) => [...row].reverse().join('')));
  });
});

describe('rejections', () => {
  it('another size', async () => {
    const image = await makeImage(at('size.png'), [2, 2], 'gray', [0, 0, 0, 1]);
    await expect(first(image, await tiny())).rejects.toThrow(
      failing('ERR_SHAPE', /size\.png to be 4 x 2 like .*tiny\.mp4, got 2 x 2/),
    );
  });

  it('too few masks, at once', async () => {
    await using video = await openVideo(await tiny());
    const short = await makeClip(at('short.mp4'), { width: 4, height: 2, frames: 5 });
    const message = /short\.mp4 to have the 6 frames of .*tiny\.mp4, got 5/;
    await expect(openMask(short, video)).rejects.toThrow(failing('ERR_MEDIA', message));
    await mkdir(at('few'));
    await makeImage(at('few/1.png'), [4, 2], 'gray', Array(8).fill(0));
    await expect(openMask(at('few'), video)).rejects.toThrow(
      failing('ERR_MEDIA', /got 1 \(--to 0 works/),
    );
  });

  it('too few masks, noticed while reading', async () => {
    const long = await makeClip(at('long.mkv'), { width: 4, height: 2, frames: 6 });
    await using video = await openVideo(long);
    const short = await makeClip(at('short.mp4'), { width: 4, height: 2, frames: 5 });
    const other = await openVideo(short);
    await using masks = await openMask(short, other);
    await other.close();
    await expect(collect(pairFrames(video, masks))).rejects.toThrow(
      failing('ERR_MEDIA', /the 6 or more frames of .*long\.mkv, got 5/),
    );
  });

  it('more masks than frames are left', async () => {
    await using video = await openVideo(await tiny());
    const long = await makeClip(at('more.mp4'), { width: 4, height: 2, frames: 9 });
    await using masks = await openMask(long, video);
    expect(await collect(pairFrames(video, masks))).toHaveLength(6);
  });

  it('what cannot be read', async () => {
    await writeFile(at('text.png'), 'text');
    await writeFile(at('nothing.png'), '');
    const clip = await tiny();
    for (const [path, message] of [
      [at('missing.png'), /no such file/],
      [at('text.png'), /text\.png to be a readable image, got an unknown kind/],
      [at('nothing.png'), /an empty file/],
    ] as const) {
      await expect(first(path, clip)).rejects.toThrow(failing('ERR_MEDIA', message));
    }
    await expect(first([], clip)).rejects.toThrow(failing('ERR_ARGUMENT', /at most one path/));
    await expect(first([at('a.png'), at('b.png')], clip)).rejects.toThrow(
      failing('ERR_ARGUMENT', /at most one path/),
    );
  });
});

describe('moments', () => {
  it('are read from text', () => {
    expect(parseMoment('90')).toBe(90);
    expect(parseMoment('12.5s')).toEqual({ seconds: 12.5 });
    expect(parseMoment('3s')).toEqual({ seconds: 3 });
    expect(parseMoment('.5')).toEqual({ seconds: 0.5 });
    expect(parseMoment('1:02')).toEqual({ seconds: 62 });
    expect(parseMoment('1:00:02.5')).toEqual({ seconds: 3602.5 });
    for (const text of ['', 'x', '-1', '1:', '1:2:3:4', '5f']) {
      expect(() => parseMoment(text)).toThrow(failing('ERR_ARGUMENT', /a frame as 90, or a time/));
    }
  });
});

describe('masks of another rate or length', () => {
  /** A clip whose frame i is white in column i alone. */
  const columns = (name: string, frames: number, fps: number) =>
    makeClip(at(name), {
      width: 64,
      height: 16,
      frames,
      fps,
      paint: (planes, strides, index) => {
        const [luma] = planes as [Buffer];
        planes.forEach((plane, p) => plane.fill(p ? 128 : 16));
        for (let y = 0; y < 16; y++) luma[y * (strides[0] as number) + index] = 235;
      },
    });
  const video = (frames: number, fps: number) =>
    makeClip(at(`video-${frames}-${fps}.mkv`), { width: 64, height: 16, frames, fps });

  /** The columns of each mask, as frames are read. */
  async function paired(mask: string, clip: string, options = {}) {
    await using frames = await openVideo(clip);
    await using masks = await openMask(mask, frames, options);
    const found: number[][] = [];
    for await (const pair of pairFrames(frames, masks)) {
      found.push([...pair.mask.data.subarray(0, 64)].flatMap((v, x) => (v ? [x] : [])));
    }
    return { found, remarks: masks.remarks };
  }
  const from = <T>(length: number, value: (i: number) => T) =>
    Array.from({ length }, (_, i) => value(i));

  it('go by time: twice as many', async () => {
    const { found, remarks } = await paired(await columns('fast.mkv', 40, 50), await video(20, 25));
    expect(found).toEqual(from(20, (i) => [2 * i]));
    expect(remarks).toEqual([
      expect.stringMatching(/fast\.mkv has 50 masks a second, .* 25 frames; .* matched by time/),
    ]);
  });

  it('go by time: half as many, those of both sides between', async () => {
    const { found } = await paired(await columns('slow.mkv', 10, 10), await video(20, 20));
    expect(found).toEqual(
      from(20, (i) => (i % 2 && i < 19 ? [(i - 1) / 2, (i + 1) / 2] : [Math.floor(i / 2)])),
    );
  });

  it('go by number where there are as many, whatever the rates', async () => {
    const { found, remarks } = await paired(await columns('same.mkv', 20, 50), await video(20, 25));
    expect(found).toEqual(from(20, (i) => [i]));
    expect(remarks).toEqual([]);
  });

  it('are told when some are left', async () => {
    const { found, remarks } = await paired(await columns('more.mkv', 24, 25), await video(20, 25));
    expect(found).toEqual(from(20, (i) => [i]));
    expect(remarks).toEqual([expect.stringMatching(/24 masks for 20 frames; the last 4 are not/)]);
  });

  it('are refused one frame short, and it is said what to type', async () => {
    const short = await columns('short.mkv', 19, 25);
    const clip = await video(20, 25);
    await expect(paired(short, clip)).rejects.toThrow(
      failing('ERR_MEDIA', /the 20 frames of .*, got 19 \(--to 18 works on those alone\)/),
    );
    const { found } = await paired(short, clip, { to: 18 });
    expect(found).toEqual(from(20, (i) => (i < 19 ? [i] : [])));
  });

  it('are refused when they end too early, and it is said what to type', async () => {
    const short = await columns('early.mkv', 30, 50);
    const clip = await video(20, 25);
    await expect(paired(short, clip)).rejects.toThrow(
      failing('ERR_MEDIA', /last as long as .*, 0\.80 s, got 0\.60 s \(--to 0\.60s works/),
    );
    const { found } = await paired(short, clip, { to: { seconds: 0.6 } });
    expect(found).toEqual(from(20, (i) => (i < 15 ? [2 * i] : [])));
  });
});
