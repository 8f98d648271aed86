import { expect, it } from 'vitest';
import {
  type Prompt,
  type TrackedMask,
  type TrackOptions,
  trackMask,
} from '../../lib/mask/index.js';
import type { Image } from '../../lib/video/image.js';
import { describeBackends } from '../backends.js';
import { type ObjectScene, objectClip, overlap } from './scenes.js';

const moving: ObjectScene = {
  width: 160,
  height: 112,
  frames: 14,
  pan: 1,
  object: (t) => [40 + 4 * t, 56 + t, 20],
};

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describeBackends('trackMask', (backend) => {
  async function track(
    frames: readonly Image[],
    prompts: readonly Prompt[],
    options: TrackOptions = {},
  ): Promise<TrackedMask[]> {
    const masks: TrackedMask[] = [];
    for await (const mask of trackMask(backend.device, frames, prompts, options)) masks.push(mask);
    return masks;
  }
  const overlaps = (masks: readonly Image[], clip: readonly { mask: Image }[]) =>
    masks.map((mask, t) => overlap(mask, (clip[t] as { mask: Image }).mask));

  it('follows a painted mask, forwards', async () => {
    const clip = objectClip(moving);
    const [first] = clip as [(typeof clip)[number]];
    const frames = clip.map(({ frame }) => frame);
    const masks = await track(frames, [{ kind: 'mask', frame: 0, image: first.mask }]);
    expect(masks.map(({ index }) => index)).toEqual(frames.map((_, t) => t));
    expect(Math.min(...overlaps(masks, clip))).toBeGreaterThan(0.75);
    expect(masks.every(({ data }) => data.every((v) => v === 0 || v === 255))).toBe(true);
  });

  it('finds what a point is on, and follows it backwards', async () => {
    const clip = objectClip(moving);
    const frames = clip.map(({ frame }) => frame);
    const masks = await track(frames, [{ kind: 'point', frame: 13, x: 92, y: 69 }]);
    expect(mean(overlaps(masks, clip))).toBeGreaterThan(0.7);
  });

  it('takes a correction behind, and before', async () => {
    const clip = objectClip(moving);
    const frames = clip.map(({ frame }) => frame);
    const far: Prompt = { kind: 'box', frame: 0, x: 110, y: 70, width: 40, height: 36 };
    const wrong = await track(frames, [far]);
    const image = (clip[9] as (typeof clip)[number]).mask;
    const right = await track(frames, [{ kind: 'mask', frame: 9, image }, far]);
    const [before, after] = [wrong, right].map((masks) => mean(overlaps(masks, clip).slice(5)));
    expect(before).toBeLessThan(0.3);
    expect(after).toBeGreaterThan(0.7);
  });

  it('takes a correction for all that a point was a guess of', async () => {
    const whole = objectClip({ ...moving, pan: 0, object: () => [80, 56, 24] });
    // What is meant is the left half, which a point cannot tell.
    const clip = whole.map(({ frame, mask }) => ({
      frame,
      mask: { ...mask, data: mask.data.map((v, i) => (i % 160 < 80 ? v : 0)) },
    }));
    const frames = clip.map(({ frame }) => frame);
    const { mask: image } = clip[0] as (typeof clip)[number];
    const near = async (...prompts: Prompt[]) =>
      mean(overlaps(await track(frames, prompts), clip).slice(0, 4));
    const point = (x: number): Prompt => ({ kind: 'point', frame: 3, x, y: 56 });
    const half: Prompt = { kind: 'mask', frame: 11, image };
    expect(await near(point(68))).toBeLessThan(0.6);
    expect(await near(point(68), half)).toBeGreaterThan(0.75);
    // What does not hold the point is not taken for it.
    expect(await near(point(92), half)).toBeLessThan(0.6);
  });

  it('says where the object is lost, and where it is found again', async () => {
    const clip = objectClip({
      ...moving,
      pan: 0,
      frames: 24,
      bar: [75, 115],
      object: (t) => [20 + 5 * t, 56, 16],
    });
    const notes: string[] = [];
    const masks = await track(
      clip.map(({ frame }) => frame),
      [{ kind: 'mask', frame: 0, image: (clip[0] as (typeof clip)[number]).mask }],
      { onNote: (note) => notes.push(note) },
    );
    expect(notes).toEqual([
      expect.stringMatching(/^the object is lost in frame 1[45678]$/),
      expect.stringMatching(/^the object is found again in frame (19|2[012])$/),
    ]);
    for (const { lost, data } of masks) expect(lost).toBe(!data.includes(255));
    expect(masks[16]?.lost).toBe(true);
    expect(overlap(masks[23] as Image, (clip[23] as (typeof clip)[number]).mask)).toBeGreaterThan(
      0.5,
    );
  });

  it('adds the shadow that moves along, and not one that stays', async () => {
    const pan = 1;
    const middle = (t: number): [number, number] => [24 + 4 * t, 46];
    const edge = (d: number) => Math.min(1, Math.max(0, 0.5 - d / 3));
    // A lying ellipse at the disc's foot, and a stripe of the ground, which the other one crosses.
    const moved = (x: number, y: number, t: number) => {
      const [cx, cy] = middle(t);
      return edge(9 * (Math.hypot((x - cx - 12) / 26, (y - cy - 19) / 9) - 1));
    };
    const stays = (x: number, t: number) => edge(Math.abs(x + pan * t - 110) - 9);
    const clip = objectClip({
      width: 176,
      height: 112,
      frames: 30,
      pan,
      object: (t) => [...middle(t), 18],
      light: (x, y, t) => (1 - 0.5 * moved(x, y, t)) * (1 - 0.5 * stays(x, t)),
    });
    const truth = clip.map(({ mask }, t): Image => {
      const { width } = mask;
      const data = mask.data.map((v, i) =>
        v || moved(i % width, Math.floor(i / width), t) > 0.5 ? 255 : 0,
      );
      return { ...mask, data };
    });
    const prompts = clip.map(({ mask }, frame): Prompt => ({ kind: 'mask', frame, image: mask }));
    const frames = clip.map(({ frame }) => frame);
    const masks = await track(frames, prompts, { attached: true });
    expect(masks.map(({ index }) => index)).toEqual(frames.map((_, t) => t));
    const grown = masks.map((mask, t) => overlap(mask, truth[t] as Image));
    const alone = clip.map(({ mask }, t) => overlap(mask, truth[t] as Image));
    expect(mean(alone)).toBeLessThan(0.65);
    expect(mean(grown)).toBeGreaterThan(0.75);
    // Nothing of the stripe above and below the disc and its shadow.
    let [taken, all] = [0, 0];
    masks.forEach(({ data }, t) => {
      for (let y = 0; y < 112; y++) {
        if (y > 18 && y < 84) continue;
        for (let x = 0; x < 176; x++) {
          if (stays(x, t) < 0.5) continue;
          all += 1;
          if (data[y * 176 + x]) taken += 1;
        }
      }
    });
    expect(taken / all).toBeLessThan(0.01);
  });
});
