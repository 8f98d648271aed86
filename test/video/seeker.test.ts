import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openVideo } from '../../lib/video/media.js';
import { FrameSeeker } from '../../lib/video/seeker.js';
import { type ClipOptions, collect, makeClip, makeImage, scratch } from './clips.js';

const at = scratch();

async function expectSame(path: string, order: (frames: number) => number[]): Promise<void> {
  const all = await collect(await openVideo(path, { onError: 'keep' }));
  await using seeker = await FrameSeeker.open(path);
  expect(seeker.frames).toBe(all.length);
  for (const index of order(all.length)) {
    const { data } = await seeker.frame(index);
    expect(Buffer.compare(data, all[index]?.data as Uint8Array), `frame ${index}`).toBe(0);
  }
}

/** Back and forth, over key frames and within them, and every frame once. */
const anyhow = (frames: number) => [
  frames - 1,
  0,
  13,
  12,
  11,
  25,
  24,
  3,
  frames - 2,
  ...Array.from({ length: frames }, (_, i) => (i * 7) % frames),
];

describe('FrameSeeker', () => {
  const clips: Record<string, [string, ClipOptions]> = {
    'H.264 with B frames': ['b.mp4', { options: { bf: '3' } }],
    'H.264 with open groups': ['open.mkv', { options: { 'x264-params': 'open-gop=1:bframes=3' } }],
    'varying rate': ['vfr.mkv', { pts: Array.from({ length: 40 }, (_, i) => i * i * 3 + 20 * i) }],
    VP9: [
      'vp9.webm',
      { codec: 'libvpx-vp9', options: { 'auto-alt-ref': '1', 'lag-in-frames': '16' } },
    ],
    VP8: ['vp8.webm', { codec: 'libvpx', options: { 'auto-alt-ref': '1', 'lag-in-frames': '16' } }],
    'MPEG-2 program': ['two.mpg', { codec: 'mpeg2video', fps: 25, options: { bf: '2' } }],
    'MPEG-4 in AVI': ['four.avi', { codec: 'mpeg4', options: { bf: '2' } }],
    'H.264 in a transport': ['ts.ts', { options: { bf: '2' } }],
    'every frame a key': ['key.mkv', { codec: 'ffv1' }],
    'a late start': ['late.mkv', { pts: Array.from({ length: 40 }, (_, i) => 5000 + 40 * i) }],
  };
  for (const [name, [file, options]] of Object.entries(clips)) {
    it(`gives the frames of a reading from the start: ${name}`, async () => {
      await expectSame(await makeClip(at(file), { frames: 40, ...options }), anyhow);
    });
  }

  it('reads folders of images', async () => {
    await mkdir(at('images'));
    for (let i = 0; i < 3; i++)
      await makeImage(at(`images/${i}.png`), [8, 6], 'gray', new Uint8Array(48).fill(40 * i));
    await expectSame(at('images'), () => [2, 0, 1]);
  });

  it('says that there is no such frame', async () => {
    await using seeker = await FrameSeeker.open(await makeClip(at('few.mp4')));
    await expect(seeker.frame(10)).rejects.toThrow('a frame of');
    expect((await seeker.frame(9)).width).toBe(64);
  });

  it('shares nothing with another of the same video', async () => {
    const path = await makeClip(at('two.mp4'));
    const first = await FrameSeeker.open(path);
    await using second = await first.again();
    const [a] = await Promise.all([first.frame(5), second.frame(2)]);
    await first[Symbol.asyncDispose]();
    await expect(first.frame(1)).rejects.toThrow('to be open');
    expect(Buffer.compare((await second.frame(5)).data, a.data)).toBe(0);
  });
});
