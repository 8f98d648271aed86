import { expect, it } from 'vitest';
import { trackMask } from '../../lib/mask/index.js';
import { describeBackends } from '../backends.js';
import { objectClip, overlap } from './scenes.js';

// Small enough for the emulated GPU.
describeBackends('trackMask, small', (backend) => {
  it('follows a painted mask', async () => {
    const clip = objectClip({
      width: 64,
      height: 48,
      frames: 3,
      object: (t) => [24 + 3 * t, 24, 12],
    });
    const image = (clip[0] as (typeof clip)[number]).mask;
    const frames = clip.map(({ frame }) => frame);
    const masks = [];
    for await (const mask of trackMask(backend.device, frames, [{ kind: 'mask', frame: 0, image }]))
      masks.push(mask);
    expect(masks).toHaveLength(3);
    masks.forEach((mask, t) => {
      expect(overlap(mask, (clip[t] as (typeof clip)[number]).mask)).toBeGreaterThan(0.7);
    });
  });
});
