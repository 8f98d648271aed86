import { describe, expect, it } from 'vitest';
import type { Image } from '../../lib/video/image.js';
import { isCut, type ShotChange, Shots } from '../../lib/video/shots.js';
import { FrameWindow, take } from '../../lib/video/window.js';
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

/** A mixture of two images. */
const mix = (a: Image, b: Image, share: number): Image => ({
  ...a,
  data: a.data.map((v, i) => v * (1 - share) + (b.data[i] as number) * share),
});

/** 12 frames of a scene, `length` that turn it into another, and 12 of that. */
function dissolve(length: number, [from, to]: readonly [number, number | 'black'], pan = 0) {
  const frames = 24 + length;
  const [a, b] = [from, to].map((scene) =>
    clip({ width: 160, height: 90, frames, pan, scene: scene === 'black' ? 0 : scene }).map(
      ({ frame }) => (scene === 'black' ? map(frame, () => 0) : frame),
    ),
  ) as [Image[], Image[]];
  return a.map((image, t) =>
    mix(image, b[t] as Image, Math.min(1, Math.max(0, (t - 11) / (length + 1)))),
  );
}

async function changes(frames: readonly Image[]): Promise<ShotChange[]> {
  const shots = new Shots();
  const found: ShotChange[] = [];
  for (const each of frames) {
    const change = shots.next(await thumbnail(each));
    if (change) found.push(change);
  }
  return found;
}

describe('dissolves', () => {
  for (const [length, pan] of [
    [6, 0.5],
    [10, 0.5],
    [20, 0.5],
    [40, 0],
  ] as const) {
    for (const scenes of [
      [3, 1],
      [2, 0],
    ] as const) {
      it(`over ${length} frames, from scene ${scenes[0]} to ${scenes[1]}`, async () => {
        const [change, ...more] = await changes(dissolve(length, scenes, pan));
        expect(more).toEqual([]);
        expect(Math.abs((change?.start ?? Number.NaN) - (12 + length))).toBeLessThanOrEqual(2);
        // The pan before it may be taken for its beginning.
        expect(change?.mixed).toBeGreaterThanOrEqual(7);
        expect(change?.mixed).toBeLessThanOrEqual(13 + length / 20);
      });
    }

    it(`to and from black, over ${length} frames`, async () => {
      const out = await changes(dissolve(length, [1, 'black'], pan));
      const back = await changes(dissolve(length, [1, 'black'], pan).reverse());
      for (const found of [out, back]) {
        expect(found).toHaveLength(1);
        expect(found[0]?.start).toBeGreaterThanOrEqual(12);
        expect(found[0]?.start).toBeLessThanOrEqual(13 + length);
      }
    });
  }

  it('are not seen in a cut, a pan, a change of exposure or a still', async () => {
    expect(await changes(dissolve(0, [3, 1]))).toEqual([{ start: 12, mixed: undefined }]);
    const pan = clip({ width: 160, height: 90, frames: 60, scene: 2, pan: 3 });
    expect(await changes(pan.map((pair) => pair.frame))).toEqual([]);
    const still = frame(0);
    const exposure = Array.from({ length: 40 }, (_, t) => map(still, (v) => v * (1 - t / 60)));
    expect(await changes(exposure)).toEqual([]);
    expect(await changes(Array(60).fill(still))).toEqual([]);
  });

  it('are no flash, which is a shot of its own', async () => {
    const frames = clip({ width: 160, height: 90, frames: 30, scene: 1, pan: 0.5 }).map(
      ({ frame }, t) => (t === 14 || t === 15 ? map(frame, () => 255) : frame),
    );
    expect(await changes(frames)).toEqual([
      { start: 14, mixed: undefined },
      { start: 16, mixed: undefined },
    ]);
  });

  it('are a shot of their own in the window, and no shot goes across', async () => {
    const frames = dissolve(10, [2, 0]);
    const empty: Image = { data: new Uint8Array(160 * 90), width: 160, height: 90, channels: 1 };
    const window = new FrameWindow(frames.map((image) => ({ frame: image, mask: empty })));
    await window.pull(frames.length);
    const shots = frames.map((_, i) => window.get(i)?.shot as number);
    expect(new Set(shots).size).toBe(3);
    expect(shots.slice(0, 11)).toEqual(Array(11).fill(0));
    expect(shots.slice(14, 20)).toEqual(Array(6).fill(shots[14]));
    expect(shots.slice(-10)).toEqual(Array(10).fill(shots.at(-1)));
    const first = window.get(0);
    expect(first && window.shotEnd(first)).toBe(shots.indexOf(shots[14] as number));
    await window.close();
  });
});
