import { expect, it } from 'vitest';
import { packFrame } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { Random } from '../random.js';
import { nativeVisibility, packFrame as reference } from '../reference/pack_frame.js';

interface Sizes {
  scaled: { h: number; w: number };
  plane: { h: number; w: number };
}
const sizes = (sh: number, sw: number, ph: number, pw: number): Sizes => ({
  scaled: { h: sh, w: sw },
  plane: { h: ph, w: pw },
});

describeBackends('packFrame', (backend) => {
  const random = new Random(7);
  const pack = (
    frame: Uint8Array,
    mask: Uint8Array,
    h: number,
    w: number,
    c: number,
    dilate: number,
    to: Sizes,
  ) =>
    backend.run(() =>
      packFrame(backend.upload(frame, 1, h, w, c), backend.upload(mask, 1, h, w, 1), {
        dilate,
        ...to,
      }),
    );

  it.each([
    [1, 1, 3, 0, sizes(1, 1, 1, 1)],
    [1, 1, 4, 3, sizes(1, 1, 16, 16)],
    [7, 5, 3, 2, sizes(7, 5, 16, 16)],
    [16, 32, 4, 0, sizes(16, 32, 16, 32)],
    [13, 17, 3, 1, sizes(6, 8, 16, 16)],
    [31, 29, 4, 5, sizes(30, 28, 32, 32)],
    [40, 9, 3, 4, sizes(13, 3, 16, 16)],
    [9, 300, 3, 7, sizes(5, 150, 16, 160)],
    [5, 257, 4, 256, sizes(5, 257, 5, 257)],
    [3, 301, 3, 300, sizes(3, 301, 3, 301)],
    [64, 48, 3, 3, sizes(1, 1, 2, 3)],
  ])('matches the reference: %i x %i x %i, dilated by %i, to %j', async (h, w, c, dilate, to) => {
    const frame = random.bytes(h * w * c);
    const mask = Uint8Array.from(random.bits(h * w, 0.02), (bit) => bit * 255);
    const out = await pack(frame, mask, h, w, c, dilate, to);
    const p = {
      h,
      w,
      c,
      dilate,
      scaledH: to.scaled.h,
      scaledW: to.scaled.w,
      planeH: to.plane.h,
      planeW: to.plane.w,
    };
    const { hole } = reference(frame, mask, p, (x) => x);
    expectClose(out.colour, (round) => reference(frame, mask, p, round).colour);
    expectSame(out.hole, hole);
    expectSame(
      out.visibility,
      hole.map((bit) => 1 - bit),
    );
    expectSame(out.nativeVisibility, nativeVisibility(mask, p));
    const input = Array.from({ length: hole.length * 4 }, (_, i) => {
      const pixel = Math.floor(i / 4);
      return i % 4 === 3 ? hole[pixel]! : out.colour[pixel * 3 + (i % 4)]! * (1 - hole[pixel]!);
    });
    expectSame(
      out.input.map((value) => value + 0), // no sign on zero
      input.map((value) => value + 0),
    );
  });

  it('takes any value that is not zero as hole', async () => {
    const to = sizes(1, 4, 1, 4);
    const mask = Uint8Array.of(0, 1, 128, 255);
    const out = await pack(random.bytes(12), mask, 1, 4, 3, 0, to);
    expectSame(out.hole, [0, 1, 1, 1]);
  });

  it('sees everything without a mask, and nothing under a full one', async () => {
    const to = sizes(5, 6, 16, 16);
    const empty = await pack(random.bytes(13 * 15 * 3), new Uint8Array(13 * 15), 13, 15, 3, 9, to);
    expect(new Set(empty.visibility)).toEqual(new Set([1]));
    const mask = new Uint8Array(13 * 15).fill(1);
    const full = await pack(random.bytes(13 * 15 * 3), mask, 13, 15, 3, 9, to);
    expect(new Set(full.visibility)).toEqual(new Set([0]));
    expect(new Set(full.nativeVisibility)).toEqual(new Set([0]));
  });

  it.each([0, 1, 31, 32, 66])('grows a pixel into a disc of radius %i', async (dilate) => {
    const [h, w] = [150, 9];
    for (const y of [0, 70, 95, 149]) {
      const mask = new Uint8Array(h * w);
      mask[y * w + 4] = 1;
      const out = await pack(random.bytes(h * w * 3), mask, h, w, 3, dilate, sizes(h, w, h, w));
      const p = { h, w, c: 3, dilate, scaledH: h, scaledW: w, planeH: h, planeW: w };
      expectSame(out.nativeVisibility, nativeVisibility(mask, p));
    }
  });

  it('grows a hole over all of the frame by the largest disc', async () => {
    const mask = Uint8Array.from(random.bytes(600), (_, i) => (i === 599 ? 1 : 0));
    const out = await pack(random.bytes(1800), mask, 2, 300, 3, 65000, sizes(2, 300, 2, 300));
    expectSame(out.nativeVisibility, new Float32Array(600));
  });

  it('maps 0 and 255 to -1 and 1', async () => {
    const out = await pack(
      Uint8Array.of(0, 255, 0, 255, 0, 255),
      new Uint8Array(2),
      1,
      2,
      3,
      0,
      sizes(1, 2, 1, 2),
    );
    expectSame(out.colour, [-1, 1, -1, 1, -1, 1]);
  });

  it('rejects what it cannot take', () => {
    const frame = (c = 3) => backend.upload(random.bytes(12 * c), 1, 3, 4, c);
    const mask = (h = 3) => backend.upload(random.bytes(4 * h), 1, h, 4, 1);
    const to = { dilate: 0, ...sizes(3, 4, 3, 4) };
    const rejects = (
      body: () => unknown,
      code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT',
      message: string,
    ) => backend.rejects(body, code, `packFrame: expected ${message}`);
    rejects(
      () => packFrame(frame(2), mask(), to),
      'ERR_SHAPE',
      'frame to have 3 or 4 channels, got 2',
    );
    rejects(
      () => packFrame(backend.upload(random.values(36), 1, 3, 4, 3), mask(), to),
      'ERR_DTYPE',
      'frame to be u8, got f32',
    );
    rejects(
      () => packFrame(frame(), mask(2), to),
      'ERR_SHAPE',
      'mask to have shape [1, h=3, w=4, 1], got [1, 2, 4, 1]',
    );
    rejects(
      () => packFrame(frame(), mask(), { ...to, scaled: { h: 4, w: 4 } }),
      'ERR_ARGUMENT',
      'scaled.h to be an integer from 1 to 3, got 4',
    );
    rejects(
      () => packFrame(frame(), mask(), { ...to, plane: { h: 3, w: 3 } }),
      'ERR_ARGUMENT',
      'plane.w to be an integer from 4 to 65536, got 3',
    );
    rejects(
      () => packFrame(frame(), mask(), { ...to, dilate: -1 }),
      'ERR_ARGUMENT',
      'dilate to be an integer from 0 to 65000, got -1',
    );
  });
});
