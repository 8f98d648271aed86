import { describe, expect, it } from 'vitest';
import { InpaintError } from '../../lib/errors.js';
import { workingBounds, workingSizes } from '../../lib/video/completion.js';
import { type FramePair, type Image, tellStored } from '../../lib/video/image.js';
import { FrameWindow, mostInFlight, take } from '../../lib/video/window.js';
import { Random } from '../random.js';
import { clip } from './scenes.js';

const mask = (width: number, height: number, ...set: [number, number][]) => {
  const data = new Uint8Array(width * height);
  for (const [x, y] of set) data[y * width + x] = 1;
  return { data, width, height, channels: 1 as const };
};

/** What `take` gives, in plain loops. */
function slowTake(frame: Image, mask: Image) {
  const { width, height, channels } = frame;
  const hole = new Uint8Array(width * height);
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const at = y * width + x;
      for (let c = 0; c < Math.min(3, mask.channels); ++c)
        hole[at]! |= mask.data[at * mask.channels + c]!;
      if (hole[at] === 0) continue;
      [top, bottom] = [Math.min(top, y), y];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
    }
  }
  const small = new Float32Array(32 * 18);
  for (let i = 0; i < 72; ++i) {
    for (let j = 0; j < 128; ++j) {
      const [y, x] = [((i + 0.5) * height) / 72, ((j + 0.5) * width) / 128].map(Math.floor);
      const at = (y! * width + x!) * channels;
      const [red, green, blue] = frame.data.subarray(at, at + 3);
      const cell = (i >> 2) * 32 + (j >> 2);
      // Each sum is rounded to float32.
      small[cell]! += (0.299 * red! + 0.587 * green! + 0.114 * blue!) / 16;
    }
  }
  const bounds = { y: top, x: left, h: bottom - top + 1, w: right - left + 1 };
  return {
    frame: new Uint8Array(frame.data),
    hole,
    small,
    bounds: bottom < 0 ? undefined : bounds,
  };
}

async function expectTaken(frame: Image, mask: Image): Promise<void> {
  const { width, height, channels } = frame;
  const memory = {
    frame: new Uint8Array(width * height * channels).fill(77),
    mask: new Uint8Array(width * height).fill(77),
  };
  const expected = slowTake(frame, mask);
  const { small, bounds } = await take(frame, mask, memory);
  const name = `${width} x ${height} x ${channels}, mask of ${mask.channels}`;
  expect(bounds, name).toEqual(expected.bounds);
  expect(Buffer.compare(memory.frame, expected.frame), `${name}: the frame`).toBe(0);
  expect(Buffer.compare(memory.mask, expected.hole), `${name}: the mask`).toBe(0);
  const bits = (values: Float32Array) => Buffer.from(values.buffer);
  expect(Buffer.compare(bits(small), bits(expected.small)), `${name}: thumbnail`).toBe(0);
}

describe('take', () => {
  const random = new Random(5);
  const picture = (width: number, height: number, channels: 1 | 3 | 4, data?: Uint8Array) => ({
    data: data ?? random.bytes(width * height * channels),
    width,
    height,
    channels,
  });
  const sizes = [1, 3, 4].flatMap((maskChannels) =>
    [
      [1, 1],
      [1, 300],
      [7, 5],
      [8, 3],
      [9, 9],
      [63, 18],
      [256, 2],
      [257, 73],
      [519, 33],
      [32768, 1],
      [1, 32768],
    ].map(([width, height]) => [width, height, maskChannels] as [number, number, 1 | 3 | 4]),
  );

  it.each(sizes)('copies and bounds as plain loops do: %d x %d, mask of %d', async (w, h, c) => {
    const bytes = w * h * c;
    const channels = c === 1 ? 4 : 3;
    const blank = () => new Uint8Array(bytes);
    const alpha = blank().map((_, i) => (c === 4 && i % 4 === 3 ? 255 : 0));
    for (const data of [blank(), alpha, blank().fill(255), random.bytes(bytes)])
      await expectTaken(picture(w, h, channels), picture(w, h, c, data));
    for (let i = 0; i < 20; ++i) {
      const data = alpha.slice();
      for (let k = 0; k <= i % 3; ++k) data[Math.floor(random.next() * bytes)] = 1 << (i % 8);
      await expectTaken(picture(w, h, channels), picture(w, h, c, data));
    }
    for (const corner of [0, w - 1, (h - 1) * w, h * w - 1]) {
      const data = alpha.slice();
      data[corner * c + Math.min(2, c - 1)] = 1;
      await expectTaken(picture(w, h, channels), picture(w, h, c, data));
    }
  });

  it('takes a frame of 3840 x 2160', async () => {
    const data = new Uint8Array(3840 * 2160 * 4);
    data.fill(3, (1000 * 3840 + 77) * 4, (1500 * 3840 + 99) * 4);
    await expectTaken(picture(3840, 2160, 3), picture(3840, 2160, 4, data));
  });

  it('takes parts of buffers, shared memory, and buffers that may shrink', async () => {
    const [w, h] = [33, 21];
    const bytes = w * h * 3;
    const part = random.bytes(bytes + 9).subarray(5, 5 + bytes);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes));
    const options = { maxByteLength: 2 * bytes };
    const Resizable = ArrayBuffer as new (length: number, to: typeof options) => ArrayBuffer;
    const resizable = new Uint8Array(new Resizable(bytes, options));
    for (const data of [part, shared, resizable, Buffer.from(part), new Uint8ClampedArray(part)]) {
      data.set(part);
      const image = picture(w, h, 3, data as Uint8Array);
      await expectTaken(image, image);
    }
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
    expect(window.bytes(0)?.frame).toEqual(frames[0]?.frame.data);
    const memory = window.bytes(0)?.frame;
    window.drop(({ index }) => index > 0);
    await window.pull(99);
    expect([window.pulled, window.get(0), window.get(5)]).toEqual([5, undefined, undefined]);
    expect(window.bytes(2)?.frame).toBe(memory);
    expect(window.bytes(4)?.frame).toEqual(frames[4]?.frame.data);
  });

  it('reuses memory only when nothing reads it any more', async () => {
    const window = new FrameWindow(clip({ width: 8, height: 6, frames: 4 }));
    await window.pull(1);
    const memory = window.bytes(0)?.frame;
    let free = false;
    window.drop(
      () => false,
      () => free,
    );
    await window.pull(2);
    expect(window.bytes(1)?.frame).not.toBe(memory);
    free = true;
    await window.pull(3);
    expect(window.bytes(2)?.frame).toBe(memory);
  });

  it('holds of a stored frame what is stored, and brings its bytes', async () => {
    const frames = clip({ width: 9, height: 6, frames: 7, hole: (t) => [t, 1, t + 2, 5] });
    const events: string[] = [];
    frames.forEach(({ frame }, i) => {
      tellStored(frame, {
        bytes: 9,
        besides: 0,
        read: async (into) => {
          events.push(`read ${i}`);
          into.set(frame.data);
        },
        free: () => events.push(`free ${i}`),
      });
    });
    const window = new FrameWindow(frames);
    await window.pull(7);
    expect(frames.map((_, i) => window.bytes(i) !== undefined)).toEqual(
      frames.map((_, i) => i === 6),
    );
    for (const [i, { frame, mask }] of frames.entries()) {
      const bytes = await window.bring(i);
      expect(bytes.frame).toEqual(frame.data);
      expect(bytes.mask.map((value) => +(value > 0))).toEqual(
        Uint8Array.from(mask.data, (value) => +(value > 0)),
      );
      window.letGo(i);
      expect(window.bytes(i)).toBeUndefined();
    }
    expect(events).toEqual([0, 1, 2, 3, 4, 5].map((i) => `read ${i}`));
    window.drop(({ index }) => index > 1);
    expect(events.slice(6)).toEqual(['free 0', 'free 1']);
    await window.close();
    expect(events.slice(8)).toEqual([2, 3, 4, 5, 6].map((i) => `free ${i}`));
  });

  it('waits for the device instead of holding the bytes of many stored frames', async () => {
    const frames = clip({ width: 8, height: 6, frames: 12 });
    for (const { frame } of frames) {
      const read = async (into: Uint8Array) => into.set(frame.data);
      tellStored(frame, { bytes: 9, besides: 0, read, free: () => {} });
    }
    const window = new FrameWindow(frames);
    await window.pull(12);
    const used = new Set<Uint8Array>();
    for (let i = 0; i < 12; ++i) {
      used.add((await window.bring(i)).frame);
      let asked = 0;
      window.letGo(i, () => ++asked > 3); // read some time later
    }
    expect(used.size).toBeLessThanOrEqual(mostInFlight + 1);
    await window.close();
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

  const large = (): FramePair & { frame: Image } => {
    const size = { width: 1024, height: 1024 };
    return {
      frame: { data: new Uint8Array(2 ** 20 * 3), ...size, channels: 3 },
      mask: { data: new Uint8Array(2 ** 20), ...size, channels: 1 },
    };
  };
  const giveAway = ({ frame }: { frame: Image }) => {
    const buffer = frame.data.buffer as ArrayBuffer;
    return structuredClone(buffer, { transfer: [buffer] });
  };
  /** A copy under way is over in a later turn of the event loop. */
  const underWay = async () => {
    for (let i = 0; i < 20; ++i) await Promise.resolve();
  };

  it('lets timers have their turn while a source never waits', async () => {
    const pair = clip({ width: 8, height: 6, frames: 1 })[0]!;
    const window = new FrameWindow(Array<FramePair>(5000).fill(pair));
    let fired = 0;
    const timer = setInterval(() => ++fired, 1);
    await window.pull(5000);
    clearInterval(timer);
    expect(fired).toBeGreaterThan(1);
  });

  it('closes the source when a copy under way is over, and keeps nothing of it', async () => {
    const pair = large();
    let returned = 0;
    const window = new FrameWindow({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: pair }),
        return: async () => {
          giveAway(pair); // a pull that still copies it would reject
          ++returned;
          return { done: true as const, value: undefined };
        },
      }),
    });
    const pulling = window.pull(9);
    await underWay();
    const closing = window.close();
    await underWay();
    expect(returned).toBe(0);
    await Promise.all([pulling, closing]);
    expect([returned, window.pulled, window.get(0)]).toEqual([1, 0, undefined]);
  });

  it('tells a buffer that was transferred while it was copied', async () => {
    const pair = large();
    const window = new FrameWindow([pair]);
    const pulling = window.pull(1);
    await underWay();
    const elsewhere = giveAway(pair);
    await expect(pulling).rejects.toMatchObject({
      name: 'InpaintError',
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(
        /^inpaint: expected a frame.* to stay in place.*, got 0 of 3145728 bytes: a buffer was tr/,
      ),
    });
    expect(elsewhere.byteLength).toBe(3145728);
    await window.close();
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
