// Whole shots through the weights of the repository, against the reference in PyTorch.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Network } from '../../lib/network/network.js';
import type { Region } from '../../lib/ops/window.js';
import { scope } from '../../lib/scope.js';
import type { Tensor } from '../../lib/tensor.js';
import { type Backend, describeBackends } from '../backends.js';
import { halfRounding } from '../close.js';
import {
  boundsOf,
  encodeShot,
  estimateHomographies,
  Fixture,
  fixturePath,
  type Known,
  readShot,
} from './fixtures.js';

const weights = fixturePath('../../weights/align-and-attend.safetensors');
const fixture = await Fixture.open('whole.safetensors');

test('the recorded shots are of these weights; if not, run test/fixtures/make.py', async () => {
  const digest = createHash('sha256')
    .update(await readFile(weights))
    .digest('hex');
  expect(fixture.metadata('weights')).toBe(digest);
});

/** All outputs of a shot at its own size. */
async function inpaint(backend: Backend, name: string): Promise<Float32Array[]> {
  using network = await Network.load(backend.device, weights);
  const shot = readShot(fixture, name);
  const chosen = fixture.values(`${name}.references`);
  const outputs = await backend.run(() => {
    const encoded = encodeShot(network, backend.device, shot);
    const made: Tensor[] = [];
    for (const [t, target] of encoded.entries()) {
      const window = boundsOf(shot.masks[t] as Uint8Array, shot.w);
      const [y1, y2 = y1] = [made.at(-1), made.at(-2)];
      const previous = y1 && y2 && { y1, y2 };
      const places = encoded.flatMap((_, i) => (i !== t && chosen.includes(i) ? [i] : []));
      const references = places.map((at) => encoded[at] as Known);
      const output = scope(() => {
        if (!window) return target.colour;
        const theta = estimateHomographies(network, encoded, t, places, window);
        const completion = network.complete({ target, references, theta, previous, window });
        return network.finish(completion, { target, previous, window }).frame;
      });
      made.push(output);
    }
    return Object.fromEntries(made.entries());
  });
  return Object.values(outputs);
}

describeBackends('the whole network', (backend) => {
  test.each([
    { name: 'ordinary', what: '6 frames 96 x 64, 3 references' },
    { name: 'empty_and_full', what: 'one frame without a hole, one that is all hole' },
    { name: 'unseen', what: 'references that show nothing' },
  ])('fills holes as the reference does and leaves the rest, $name: $what', async ({ name }) => {
    const outputs = await inpaint(backend, name);
    const { frames, masks } = readShot(fixture, name);
    const expected = fixture.values(`${name}.output`);
    let [at, largest, touched] = [0, 0, 0];
    for (const [t, output] of outputs.entries()) {
      for (let i = 0; i < output.length; i++) {
        const value = output[i] as number;
        const given = ((frames[t] as Uint8Array)[i] as number) / 127.5 - 1;
        if (masks[t]?.[Math.floor(i / 3)]) {
          largest = Math.max(largest, Math.abs(value - (expected[at++] as number)));
        } else {
          const kept = 1e-6 + (backend.precision === 'f16' ? halfRounding(given) : 0);
          if (!(Math.abs(value - given) <= kept)) touched++;
        }
      }
    }
    expect(at).toBe(expected.length);
    expect(touched).toBe(0);
    expect(largest).toBeLessThan(2e-3);
  });

  test('a frame that is alone is its own reference and keeps what it shows', async () => {
    using network = await Network.load(backend.device, weights);
    const { frames, masks, ...size } = readShot(fixture, 'ordinary');
    const shot = { ...size, frames: frames.slice(0, 1), masks };
    const mask = masks[0] as Uint8Array;
    const window = boundsOf(mask, size.w) as Region;
    const { known, covered, output } = await backend.run(() => {
      const [target] = encodeShot(network, backend.device, shot) as [Known];
      const theta = estimateHomographies(network, [target], 0, [], window);
      const completion = network.complete({ target, references: [], theta, window });
      const output = network.finish(completion, { target, window }).frame;
      return { known: completion.known, covered: completion.covered, output };
    });
    expect(known.every((value, i) => value === 1 - (mask[i] as number))).toBe(true);
    expect(covered.every((value) => value === 0)).toBe(true);
    expect(output.every((value) => value >= -1 && value <= 1)).toBe(true);
  });
});
