import { describe, expect, it } from 'vitest';
import { InpaintError } from '../../lib/errors.js';
import { workingBounds, workingSizes } from '../../lib/video/completion.js';
import { FrameWindow, maskBounds } from '../../lib/video/window.js';
import { clip } from './scenes.js';

const mask = (width: number, height: number, ...set: [number, number][]) => {
  const data = new Uint8Array(width * height);
  for (const [x, y] of set) data[y * width + x] = 1;
  return { data, width, height, channels: 1 as const };
};

describe('maskBounds', () => {
  it('bounds the non-zero pixels', () => {
    expect(maskBounds(mask(7, 5))).toBeUndefined();
    expect(maskBounds(mask(7, 5, [2, 1]))).toEqual({ y: 1, x: 2, h: 1, w: 1 });
    expect(maskBounds(mask(7, 5, [6, 4], [0, 2]))).toEqual({ y: 2, x: 0, h: 3, w: 7 });
    expect(maskBounds(mask(1, 1, [0, 0]))).toEqual({ y: 0, x: 0, h: 1, w: 1 });
  });
});

describe('workingSizes', () => {
  it('never enlarges, and pads to multiples of 16', () => {
    expect(workingSizes(360, 640, 512, 4)).toMatchObject({
      scaled: { h: 288, w: 512 },
      plane: { h: 288, w: 512 },
      dilate: 5,
    });
    expect(workingSizes(50, 33, 512, 4)).toMatchObject({
      scaled: { h: 50, w: 33 },
      plane: { h: 64, w: 48 },
      dilate: 4,
    });
    expect(workingSizes(1, 5000, 512, 0)).toMatchObject({
      scaled: { h: 1, w: 512 },
      plane: { h: 16, w: 512 },
      dilate: 0,
    });
  });

  it('spans the padding in native pixels', () => {
    expect(workingSizes(1080, 1920, 512, 4).extent).toEqual({ h: 1080, w: 1920 });
    expect(workingSizes(50, 33, 512, 4).extent).toEqual({ h: 64, w: 48 });
  });
});

describe('workingBounds', () => {
  it('covers every working pixel that a native one lies on, and the padding at the edge', () => {
    const sizes = workingSizes(100, 1000, 512, 4);
    expect(sizes).toMatchObject({ scaled: { h: 51, w: 512 }, plane: { h: 64, w: 512 } });
    expect(workingBounds({ y: 10, x: 999, h: 1, w: 1 }, sizes)).toEqual({
      y: 5,
      x: 511,
      h: 1,
      w: 1,
    });
    expect(workingBounds({ y: 99, x: 0, h: 1, w: 3 }, sizes)).toEqual({ y: 50, x: 0, h: 14, w: 2 });
  });
});

describe('FrameWindow', () => {
  it('pulls no further than asked, copies, and reuses the memory of what was dropped', async () => {
    const frames = clip({ width: 8, height: 6, frames: 5 });
    let given = 0;
    const shared = {
      frame: { ...frames[0]!.frame, data: new Uint8Array(8 * 6 * 3) },
      mask: frames[0]!.mask,
    };
    function* source() {
      for (const { frame } of frames) {
        shared.frame.data.set(frame.data); // a source that reuses its buffer
        ++given;
        yield shared;
      }
    }
    const window = new FrameWindow(source());
    await window.pull(2);
    expect([given, window.pulled]).toEqual([2, 2]);
    expect(window.get(0)?.frame.data).toEqual(frames[0]?.frame.data);
    const memory = window.get(0)?.frame.data;
    window.drop(({ index }) => index > 0);
    await window.pull(99);
    expect([window.pulled, window.get(0), window.get(5)]).toEqual([5, undefined, undefined]);
    expect(window.get(2)?.frame.data).toBe(memory);
    expect(window.get(4)?.frame.data).toEqual(frames[4]?.frame.data);
  });

  it('starts a new shot at a cut', async () => {
    const window = new FrameWindow([
      ...clip({ width: 64, height: 48, frames: 3, scene: 0 }),
      ...clip({ width: 64, height: 48, frames: 2, scene: 3 }),
    ]);
    await window.pull(5);
    expect([0, 1, 2, 3, 4].map((i) => window.get(i)?.shot)).toEqual([0, 0, 0, 3, 3]);
    expect(window.shotEnd(window.get(1)!)).toBe(3);
    expect(window.shotEnd(window.get(3)!)).toBe(5);
  });

  it('takes RGB masks, RGBA masks by their colour, sharp and ImageData', async () => {
    const [{ frame }] = clip({ width: 2, height: 1, frames: 1 }) as [
      ReturnType<typeof clip>[number],
    ];
    const masks = [
      { data: Uint8Array.of(0, 0, 0, 0, 9, 0), width: 2, height: 1, channels: 3 as const },
      { data: Uint8ClampedArray.of(0, 0, 0, 255, 1, 0, 0, 255), width: 2, height: 1 },
      { data: Buffer.from([0, 255]), info: { width: 2, height: 1, channels: 1 } },
    ];
    const window = new FrameWindow(masks.map((mask) => ({ frame, mask })));
    await window.pull(3);
    for (let i = 0; i < 3; ++i) expect(window.get(i)?.bounds).toEqual({ y: 0, x: 1, h: 1, w: 1 });
  });

  it.each([
    ['no iterable', 7, /expected an iterable source/],
    ['no pair', [null], /expected frame 0 to be \{ frame, mask \}, got null/],
    ['no image', [{ frame: 'x', mask: 'y' }], /expected frame 0 to be an image, got x/],
    [
      'floats',
      [{ frame: { data: new Float32Array(3), width: 1, height: 1, channels: 3 } }],
      /8-bit data.*got Float32Array/,
    ],
    [
      'a width of 0',
      [{ frame: { data: new Uint8Array(0), width: 0, height: 1, channels: 3 } }],
      /width from 1 to 32768, got 0/,
    ],
    [
      'too little data',
      [{ frame: { data: new Uint8Array(5), width: 2, height: 1, channels: 3 } }],
      /expected frame 0 of 2 x 1 x 3 to have 6 bytes, got 5/,
    ],
    [
      'a grey frame',
      [{ frame: mask(2, 2), mask: mask(2, 2) }],
      /expected frame 0 to have 3 or 4 channels, got 1/,
    ],
    [
      'another mask size',
      [{ ...clip({ width: 4, height: 4, frames: 1 })[0], mask: mask(4, 3) }],
      /mask of frame 0 to be 4 x 4 like the frame, got 4 x 3/,
    ],
    [
      'a change of size',
      [...clip({ width: 4, height: 4, frames: 1 }), ...clip({ width: 5, height: 4, frames: 1 })],
      /frame 1 to be 4 x 4 x 3 like the first, got 5 x 4 x 3/,
    ],
  ])('rejects %s', async (_, source, message) => {
    await expect(async () => new FrameWindow(source as never).pull(9)).rejects.toThrow(message);
    await expect(async () => new FrameWindow(source as never).pull(9)).rejects.toBeInstanceOf(
      InpaintError,
    );
  });
});
