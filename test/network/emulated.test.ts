// The whole inpainter on the emulated GPU, against the CPU.
import { describe, expect, it } from 'vitest';
import { Inpainter } from '../../lib/index.js';
import * as emulator from '../emulator/probe.js';
import { clip } from '../video/scenes.js';
import { fixturePath } from './fixtures.js';

const narrow = fixturePath('narrow.safetensors');

/** A camera that pans over a picture, a hole that stands still. */
const source = (frames: number) =>
  clip({ width: 64, height: 48, frames, pan: 3, hole: () => [22, 14, 40, 36] });

async function complete(
  device: 'cpu' | 'cuda',
  precision: 'f16' | 'f32',
  frames: number,
  weights?: string,
): Promise<Uint8Array[]> {
  await using inpainter = await Inpainter.create({
    device,
    precision,
    maxReferences: 4,
    referenceStride: 2,
    dilate: 1,
    ...(weights && { weights }),
  });
  const outputs: Uint8Array[] = [];
  for await (const { data } of inpainter.inpaint(source(frames))) outputs.push(data);
  return outputs;
}

/** Levels of 255 between the bytes of the holes, in order of size. */
function differences(a: readonly Uint8Array[], b: readonly Uint8Array[]): number[] {
  return source(a.length)
    .flatMap(({ mask }, t) =>
      [...(a[t] ?? [])].flatMap((value, i) =>
        mask.data[Math.floor(i / 3)] ? [Math.abs(value - (b[t]?.[i] ?? Number.NaN))] : [],
      ),
    )
    .sort((x, y) => x - y);
}

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe.skipIf(!emulator.available)('the inpainter on the emulated GPU', () => {
  it.each([
    ['f32', 8, narrow],
    ['f16', 8, narrow],
    ['f16', 2, undefined],
  ] as const)(
    'completes as on the CPU: %s, %i frames, weights %s',
    async (precision, frames, weights) => {
      const wanted = await complete('cpu', 'f32', frames, weights);
      emulator.reset();
      const got = await complete('cuda', precision, frames, weights);
      // What comes again is played as graphs.
      if (frames === 8) expect(emulator.graphs().launched).toBeGreaterThan(0);
      const sorted = differences(got, wanted);
      console.log(
        precision,
        frames,
        mean(sorted),
        at(sorted, 0.5),
        at(sorted, 0.99),
        sorted.at(-1),
      );
      expect(mean(sorted)).toBeLessThan(1);
    },
  );
});
