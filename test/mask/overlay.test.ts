import { describe, expect, it } from 'vitest';
import { overlayMask, type TrackedMask } from '../../lib/mask/index.js';
import type { Image } from '../../lib/video/image.js';
import { texture } from '../video/scenes.js';

const [width, height] = [120, 60];
const box = { x: 10, y: 30, width: 100, height: 24 };
/** Upright strokes, two pixels wide, seven apart. */
const isStroke = (x: number, y: number) => y >= 34 && y < 48 && x >= 20 && x < 100 && x % 7 < 2;

function clip(
  frames: number,
  pan: number,
  text: (x: number, y: number, t: number) => boolean,
): Image[] {
  return Array.from({ length: frames }, (_, t) => {
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++)
          data[(y * width + x) * 3 + c] = text(x, y, t)
            ? 250
            : 0.6 * texture(2, x + pan * t, y, c, 30);
    return { data, width, height, channels: 3 };
  });
}

async function run(frames: readonly Image[], options: Parameters<typeof overlayMask>[2] = {}) {
  const masks: TrackedMask[] = [];
  for await (const mask of overlayMask(frames, [box], options)) masks.push(mask);
  return masks;
}
const inBox = ({ data }: Image) => {
  let count = 0;
  for (let y = 30; y < 54; y++) for (let x = 10; x < 110; x++) if (data[y * width + x]) count += 1;
  return count / (100 * 24);
};

describe('overlayMask', () => {
  it.each([
    ['while the picture moves', 5],
    ['while it stands still', 0],
  ])('takes strokes and not the box, %s', async (_, pan) => {
    // Wide gaps, so that strokes that are grown leave something.
    const text = (x: number, y: number) => isStroke(x, y) && x < 50;
    const notes: string[] = [];
    const masks = await run(clip(14, pan, text), { onNote: (note) => notes.push(note) });
    expect(masks.map(({ index }) => index)).toEqual([...Array(14).keys()]);
    expect(notes).toEqual([]);
    for (const mask of masks) {
      for (let i = 0; i < width * height; i++)
        if (text(i % width, Math.floor(i / width))) expect(mask.data[i]).toBe(255);
      expect(inBox(mask)).toBeLessThan(0.45);
      expect(mask.data.subarray(0, 30 * width).includes(255)).toBe(false);
    }
  });

  it('takes digits that change with those that do not', async () => {
    const text = (x: number, y: number, t: number) =>
      isStroke(x, y) && (x < 40 || (x < 60 && (x + t) % 3 < 2));
    const masks = await run(clip(16, 5, text));
    const mask = masks[8] as Image;
    let missed = 0;
    for (let i = 0; i < width * height; i++)
      if (text(i % width, Math.floor(i / width), 8) && !mask.data[i]) missed += 1;
    expect(missed).toBe(0);
  });

  it('takes the box where there is nothing, and says so once', async () => {
    const notes: string[] = [];
    const smooth = clip(12, 0, () => false).map((frame) => ({
      ...frame,
      data: frame.data.slice().fill(80),
    }));
    const masks = await run(smooth, { onNote: (note) => notes.push(note) });
    expect(notes).toEqual(['no overlay is found in 10,30,100,24 of frame 0; the box is taken']);
    for (const mask of masks) expect(inBox(mask)).toBe(1);
  });

  it('keeps to the frames of a box', async () => {
    const masks: TrackedMask[] = [];
    const part = { ...box, from: 2, to: 3 };
    for await (const mask of overlayMask(clip(6, 5, isStroke), [part])) masks.push(mask);
    expect(masks.map(({ lost }) => lost)).toEqual([true, true, false, false, true, true]);
  });

  it('refuses what it cannot take', async () => {
    expect(() => overlayMask([], [])).toThrow('expected an array of boxes, got none');
    expect(() => overlayMask([], [{ ...box, width: 0 }])).toThrow('expected the width of box 0');
    const sizes = [
      ...clip(1, 0, isStroke),
      { data: new Uint8Array(12), width: 2, height: 2, channels: 3 as const },
    ];
    await expect(run(sizes)).rejects.toThrow(
      'expected frame 1 to be 120 x 60 x 3 or 4 like the first',
    );
  });
});
