import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/device.js';
import { type Prompt, parseObjectBox, parsePoint, trackMask } from '../../lib/mask/index.js';
import type { Image } from '../../lib/video/image.js';

const device = Device.create('cpu', { threads: 1 });
afterAll(() => device.dispose());

const frame = (width = 48, height = 32): Image => ({
  data: new Uint8Array(width * height * 3).fill(90),
  width,
  height,
  channels: 3,
});
const point: Prompt = { kind: 'point', frame: 0, x: 5, y: 5 };

describe('prompts', () => {
  it('are read from text', () => {
    expect(parsePoint('310,120@40')).toEqual({
      kind: 'point',
      frame: 40,
      x: 310,
      y: 120,
      not: false,
    });
    expect(parsePoint(' 3.5 , 4 ', true)).toEqual({
      kind: 'point',
      frame: 0,
      x: 3.5,
      y: 4,
      not: true,
    });
    expect(parseObjectBox('-2,3,40,50@7')).toEqual({
      kind: 'box',
      frame: 7,
      x: -2,
      y: 3,
      width: 40,
      height: 50,
    });
    for (const text of ['', '3', '3,4,5', '3,4@', '-3,4', '3,4@x'])
      expect(() => parsePoint(text)).toThrow(`expected a point as x,y or x,y@frame, got '${text}'`);
    expect(() => parseObjectBox('1,2,3')).toThrow('expected a box as x,y,width,height or x,y');
  });

  it.each<[string, unknown, string]>([
    ['none', [], 'expected an array of prompts, got none'],
    ['no array', 'x', 'expected an array of prompts, got string'],
    ['no kind', [{ frame: 0 }], 'expected the kind of prompt 0 to be point, box or mask'],
    [
      'no frame',
      [{ kind: 'point', x: 1, y: 1 }],
      'expected the frame of prompt 0 to be an integer',
    ],
    ['no place', [{ kind: 'point', frame: 0, x: 1 }], 'expected y of prompt 0 to be a number'],
    ['no size', [{ ...point, kind: 'box', width: 0 }], 'expected the width of prompt 0'],
    ['no image', [{ kind: 'mask', frame: 0 }], 'expected the mask of prompt 0 to be an image'],
    [
      'only what it is not',
      [{ ...point, not: true }],
      'expected a point, box or mask of the object',
    ],
  ])('are refused at the call: %s', (_, prompts, message) => {
    expect(() => trackMask(device, [frame()], prompts as Prompt[])).toThrow(message);
  });

  it.each<[string, Prompt, string]>([
    ['point', { ...point, x: 48 }, 'expected a point of frame 0 inside 48 x 32, got one at 48, 5'],
    [
      'box',
      { kind: 'box', frame: 0, x: -9, y: 0, width: 9, height: 9 },
      'expected a box of frame 0 inside 48 x 32, got one at -9, 0',
    ],
    [
      'mask',
      {
        kind: 'mask',
        frame: 0,
        image: { data: new Uint8Array(4), width: 2, height: 2, channels: 1 },
      },
      'expected a mask of frame 0 to be 48 x 32 like the frame, got 2 x 2',
    ],
    [
      'frame',
      { ...point, frame: 3 },
      "expected a prompt's frame to be less than the 2 frames there are, got 3",
    ],
  ])('are refused when they do not fit: %s', async (_, prompt, message) => {
    await expect(trackMask(device, [frame(), frame()], [prompt]).next()).rejects.toThrow(message);
  });
});

describe('trackMask', () => {
  it('refuses what it cannot take', async () => {
    expect(() => trackMask(device, 3 as never, [point])).toThrow('expected an iterable source');
    expect(() => trackMask(device, [frame()], [point], { workSize: 5 })).toThrow(
      'expected workSize',
    );
    const attached = { attached: 'yes' as never };
    expect(() => trackMask(device, [frame()], [point], attached)).toThrow(
      'expected attached to be a boolean, got string',
    );
    const sizes = trackMask(device, [frame(), frame(64)], [point]);
    await expect(sizes.next()).rejects.toThrow(
      'expected frame 1 to be 48 x 32 like the first, got 64 x 32',
    );
    const weights = trackMask(device, [frame()], [point], { weights: '/nowhere' });
    await expect(weights.next()).rejects.toMatchObject({ code: 'ERR_WEIGHTS' });
  });

  it('gives nothing of nothing', async () => {
    expect(await trackMask(device, [], [point]).next()).toEqual({ done: true, value: undefined });
  });

  it('ends when it is told to, and closes its source', async () => {
    const abort = new AbortController();
    let closed = 0;
    async function* source() {
      try {
        for (;;) yield frame();
      } finally {
        closed += 1;
      }
    }
    const aborted = trackMask(device, source(), [point], { signal: abort.signal });
    await aborted.next();
    abort.abort();
    await expect(aborted.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(closed).toBe(1);
    const left = trackMask(device, source(), [point]);
    for await (const mask of left) if (mask.index === 2) break;
    expect(closed).toBe(2);
  });

  it('holds no more memory the longer the video is', async () => {
    function* source(count: number) {
      for (let t = 0; t < count; t++) yield frame(64, 64);
    }
    const peak = async (count: number) => {
      using own = Device.create('cpu', { threads: 1 });
      let most = 0;
      for await (const mask of trackMask(own, source(count), [point])) {
        if (mask.index >= 5) most = Math.max(most, own.memory().used);
      }
      return most;
    };
    expect(await peak(150)).toBe(await peak(75));
  });
});
