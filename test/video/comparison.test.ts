import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Comparison } from '../../lib/video/comparison.js';
import { openVideo } from '../../lib/video/media.js';
import { collect, flat, makeClip, probe, scratch } from './clips.js';

const at = scratch();

/** The colour in the middle of a part of a picture. */
function middle(data: Uint8Array, width: number, top: number, height: number): number[] {
  const i = 3 * ((top + Math.floor(height / 2)) * width + Math.floor(width / 2));
  return [...data.subarray(i, i + 3)];
}

describe('Comparison', () => {
  it('shows before above after, turned, with even sides, as H.264 that browsers play', async () => {
    const path = await makeClip(at('in.mp4'), { width: 66, height: 50, frames: 5, rotation: 90 });
    await using like = await openVideo(path);
    const comparison = await Comparison.create(at('pair.mp4'), like);
    expect([comparison.width, comparison.height]).toEqual([50, 66]);
    const image = (...colour: number[]) => ({
      data: Uint8Array.from({ length: 66 * 50 * 3 }, (_, i) => colour[i % 3] as number),
      width: 66,
      height: 50,
      channels: 3 as const,
    });
    for (let i = 0; i < 5; i++) await comparison.write(image(200, 20, 20), image(20, 20, 200));
    await comparison.close();
    const [track] = (await probe(at('pair.mp4'))).tracks;
    expect(track).toMatchObject({ codec: 'h264', format: 'yuv420p' });
    expect(track?.packets.map(({ seconds }) => seconds).sort()).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
    const frames = await collect(await openVideo(at('pair.mp4')));
    for (const { data, width, height } of frames) {
      expect([width, height]).toEqual([50, 132]);
      // Chroma is rounded on the way.
      for (const [top, colour] of [
        [0, [200, 20, 20]],
        [66, [20, 20, 200]],
      ] as const)
        for (const [k, value] of middle(data, width, top, 66).entries())
          expect(Math.abs(value - (colour[k] as number))).toBeLessThan(6);
    }
  });

  it('scales large frames, and leaves nothing when it is given up', async () => {
    const path = await makeClip(at('large.mp4'), {
      width: 2560,
      height: 64,
      frames: 1,
      paint: flat(128, 128, 128),
    });
    await using like = await openVideo(path);
    {
      await using comparison = await Comparison.create(at('none.mp4'), like);
      expect([comparison.width, comparison.height]).toEqual([1280, 32]);
      expect(existsSync(at('none.mp4'))).toBe(true);
    }
    expect(existsSync(at('none.mp4'))).toBe(false);
  });
});
