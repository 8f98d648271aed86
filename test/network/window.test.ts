// The decoder runs on the hole's window only; inside it has to give what it gives on the whole
// plane.
import { describe, expect, test } from 'vitest';
import { Network } from '../../lib/network/network.js';
import { grow, halve } from '../../lib/network/region.js';
import type { Region } from '../../lib/ops/window.js';
import { type Backend, describeBackends } from '../backends.js';
import {
  encodeShot,
  estimateHomographies,
  fixturePath,
  type Known,
  relativeDifference,
  type Shot,
} from './fixtures.js';

// On a window the tiles of a convolution fall differently, and round differently: each of the
// twelve layers of residual pathway and decoder by a few last places (four, as in test/close.ts).
const rounding = 12 * 4 * 2 ** -23;

const plane = { h: 160, w: 192 }; // large enough that what windows need does not reach all of it
const whole = { y: 0, x: 0, ...plane };
const mask = Uint8Array.from({ length: plane.h * plane.w }, (_, i) => ((i >> 3) % 7 ? 0 : 1));

/** Numbers that only look random. */
function noise(count: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Completes a frame of noise: the decoder's values and Y, each of its window. */
async function complete(backend: Backend, window: Region, recurrent: boolean) {
  using network = await Network.load(backend.device, fixturePath('narrow.safetensors'));
  const frames = [1, 2, 3, 4].map((seed) => noise(plane.h * plane.w * 3, seed));
  const shot: Shot = { ...plane, frames, masks: frames.map(() => mask) };
  return await backend.run(() => {
    const encoded = encodeShot(network, backend.device, shot);
    const [target, reference, y1, y2] = encoded as [Known, Known, Known, Known];
    const references = [reference];
    const previous = recurrent ? { y1: y1.colour, y2: y2.colour } : undefined;
    const theta = estimateHomographies(network, encoded.slice(0, 2), 0, [1], window);
    const completion = network.complete({ target, references, theta, previous, window });
    const { y } = network.finish(completion, { target, previous, window });
    expect(completion.decoded).toMatchObject({
      y: grow(window, 2, plane).y,
      x: grow(window, 2, plane).x,
    });
    return { decoded: completion.decoded.tensor, y: y.tensor };
  });
}

/** A region of a map of the whole plane. */
function crop(values: ArrayLike<number>, { y, x, h, w }: Region): number[] {
  const c = values.length / (plane.h * plane.w);
  return Array.from({ length: h * w * c }, (_, i) => {
    const pixel = Math.floor(i / c);
    const [row, column] = [y + Math.floor(pixel / w), x + (pixel % w)];
    return values[(row * plane.w + column) * c + (i % c)] as number;
  });
}

describeBackends('the decoder on a window', (backend) => {
  describe.each([
    { name: 'first frame', recurrent: false },
    { name: 'later frame', recurrent: true },
  ])('$name', ({ recurrent }) => {
    test.each([
      { y: 0, x: 0, h: 1, w: 1 },
      { y: plane.h - 1, x: plane.w - 1, h: 1, w: 1 },
      { y: 81, x: 97, h: 1, w: 1 },
      { y: 71, x: 3, h: 5, w: 41 },
      { y: 0, x: 95, h: plane.h, w: 2 },
      { y: 33, x: 50, h: 64, w: 64 },
    ])('%o', async (window) => {
      const part = await complete(backend, window, recurrent);
      const all = await complete(backend, whole, recurrent);
      const decoded = crop(all.decoded, grow(window, 2, plane));
      expect(relativeDifference(part.decoded, decoded)).toBeLessThanOrEqual(rounding);
      expect(relativeDifference(part.y, crop(all.y, window))).toBeLessThanOrEqual(rounding);
    });
  });
});

test('regions grow to the edge of their plane, and halve to what covers them', () => {
  expect(grow({ y: 3, x: 9, h: 2, w: 1 }, 2, { h: 6, w: 10 })).toEqual({ y: 1, x: 7, h: 5, w: 3 });
  expect(halve({ y: 3, x: 4, h: 2, w: 4 })).toEqual({ y: 1, x: 2, h: 2, w: 2 });
});
