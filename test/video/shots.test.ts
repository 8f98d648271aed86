import { describe, expect, it } from 'vitest';
import type { Image } from '../../lib/video/image.js';
import { isCut } from '../../lib/video/shots.js';
import { take } from '../../lib/video/window.js';
import { clip } from './scenes.js';

const frame = (scene: number, at = 0, size = { width: 160, height: 90 }): Image =>
  (clip({ ...size, frames: at + 1, scene, pan: 1 })[at] as { frame: Image }).frame;

const map = (image: Image, change: (value: number) => number): Image => ({
  ...image,
  data: image.data.map(change),
});

const thumbnail = async (frame: Image) => {
  const { width, height } = frame;
  const mask: Image = { data: new Uint8Array(width * height), width, height, channels: 1 };
  return (
    await take(frame, mask, {
      frame: new Uint8Array(frame.data),
      mask: new Uint8Array(width * height),
    })
  ).small;
};

const cut = async (a: Image, b: Image) => isCut(await thumbnail(a), await thumbnail(b));

describe('shots', () => {
  it('sees a cut between two scenes', async () => {
    expect(await cut(frame(0), frame(3))).toBe(true);
    expect(await cut(frame(3), frame(1))).toBe(true);
  });

  it('sees none within a shot, while the camera pans, or when the exposure changes', async () => {
    expect(await cut(frame(0), frame(0))).toBe(false);
    expect(await cut(frame(0, 0), frame(0, 4))).toBe(false);
    expect(
      await cut(
        frame(0),
        map(frame(0), (v) => v * 0.5 + 60),
      ),
    ).toBe(false);
  });

  it('sees none in noise on a flat picture', async () => {
    const flat = map(frame(0), () => 20);
    let seed = 1;
    const noisy = map(flat, (v) => v + ((seed = (seed * 48271) % 2147483647) % 5));
    expect(await cut(flat, noisy)).toBe(false);
  });

  it('sees a cut from black', async () => {
    expect(
      await cut(
        map(frame(0), () => 0),
        frame(0),
      ),
    ).toBe(true);
  });

  it('takes a frame of one pixel', async () => {
    const dot = frame(0, 0, { width: 1, height: 1 });
    expect(await cut(dot, dot)).toBe(false);
  });
});
