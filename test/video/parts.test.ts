import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { Inpainter } from '../../lib/index.js';
import { inpaintFile, openVideo } from '../../lib/video/index.js';
import {
  completePart,
  joinParts,
  type Part,
  type PartJob,
  planParts,
} from '../../lib/video/parts.js';
import { fixturePath } from '../network/fixtures.js';
import { makeClip, type Paint, probe, scratch } from './clips.js';
import { texture } from './scenes.js';

const at = scratch();
const settings = {
  device: 'cpu',
  threads: 1,
  workSize: 48,
  maxReferences: 4,
  referenceStride: 3,
  weights: fixturePath('narrow.safetensors'),
} as const;

/** Cuts at 7, 40 and 90, and a dissolve from 60 to 68; the camera moves. */
const film: Paint = (planes, strides, index) => {
  const scene = [7, 40, 90].filter((cut) => cut <= index).length;
  const mixed = index < 60 || index >= 90 ? 0 : Math.min(1, (index - 59) / 9);
  planes.forEach((plane, p) => {
    const stride = strides[p] ?? 1;
    const size = p ? 2 : 1;
    for (let i = 0; i < plane.length; i++) {
      const [x, y] = [(i % stride) * size + index / 4, Math.floor(i / stride) * size];
      const level = texture(scene, x, y, p) * (1 - mixed) + (mixed && texture(5, x, y, p) * mixed);
      plane[i] = p ? 128 + (level - 128) / 4 : level;
    }
  });
};

/** Of each frame a short text. */
async function framesOf(path: string): Promise<string[]> {
  const all: string[] = [];
  await using video = await openVideo(path);
  for await (const { data } of video) all.push(createHash('sha1').update(data).digest('hex'));
  return all;
}

/** Works on the parts from the last to the first, each by an inpainter of its own. */
async function inParts(job: PartJob, lengths: { shortest: number; longest: number }) {
  await using planner = await Inpainter.create(settings);
  const plan = planParts(planner, job, lengths);
  const chains: Part[][] = [];
  let step = await plan.next();
  for (; !step.done; step = await plan.next()) chains.push(step.value);
  const segments = new Map<number, string>();
  for (const chain of [...chains].reverse()) {
    let carried: string | undefined;
    for (const part of chain) {
      const sent = JSON.parse(JSON.stringify(part)) as Part;
      await using inpainter = await Inpainter.create(settings);
      const folder = at(`part-${segments.size}-${Math.random()}`);
      const done = await completePart(inpainter, job, sent, folder, { carried });
      segments.set(part.from, done.segment);
      ({ carried } = done);
    }
  }
  const paths = [...segments].sort(([a], [b]) => a - b).map(([, path]) => path);
  await joinParts(job, step.value.frames, paths, at(`join-${Math.random()}`));
  return chains;
}

describe('a file in parts', () => {
  beforeAll(async () => {
    await makeClip(at('film.mkv'), { frames: 120, fps: 25, audio: true, paint: film });
    // Groups of pictures that lean on those before them.
    const options = { 'x264-params': 'open-gop=1:keyint=15:bframes=3' };
    await makeClip(at('open.mkv'), { frames: 120, fps: 25, paint: film, options });
    await makeClip(at('mask.mkv'), {
      frames: 120,
      fps: 25,
      paint: (planes, strides, index) => {
        planes.forEach((plane, p) => plane.fill(p ? 128 : 16));
        for (let y = 10; y < 30; y++) {
          const left = y * (strides[0] ?? 0) + 8 + (index % 20);
          planes[0]?.fill(235, left, left + 20);
        }
      },
    });
  });

  it.each([
    ['film.mkv', '20,12,20,20'],
    ['open.mkv', 'mask.mkv'],
  ])('has the frames of one run: %s', async (name, mask) => {
    const job = {
      input: at(name),
      mask: mask.includes(',') ? mask : at(mask),
      codec: 'ffv1',
    } as const;
    await using inpainter = await Inpainter.create(settings);
    await inpaintFile(inpainter, { ...job, output: at('whole.mkv') });
    const chains = await inParts(
      { ...job, output: at('parts.mkv') },
      { shortest: 10, longest: 20 },
    );
    expect(
      chains.map((chain) => chain.map(({ from, reads }) => [from, reads])),
    ).toMatchInlineSnapshot(`
      [
        [
          [
            0,
            0,
          ],
          [
            20,
            7,
          ],
        ],
        [
          [
            40,
            40,
          ],
          [
            60,
            40,
          ],
          [
            80,
            68,
          ],
        ],
        [
          [
            90,
            90,
          ],
          [
            110,
            90,
          ],
        ],
      ]
    `);
    expect(await framesOf(at('parts.mkv'))).toEqual(await framesOf(at('whole.mkv')));
    const [whole, parts] = [await probe(at('whole.mkv')), await probe(at('parts.mkv'))];
    for (const [i, track] of whole.tracks.entries()) {
      const seconds = (it: typeof track) => it.packets.map((packet) => packet.seconds);
      expect(seconds(parts.tracks[i]!)).toEqual(seconds(track));
    }
  });
});
