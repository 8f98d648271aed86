import { describe, expect, it } from 'vitest';
import { openMask, openVideo } from '../../lib/video/index.js';
import { av, collect, makeClip, type Paint, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();

/** A white bar on grey that moves by 4 pixels from field to field. */
const moving =
  (isTopFirst: boolean): Paint =>
  (planes, strides, index) => {
    planes.forEach((plane, p) => {
      const stride = strides[p] as number;
      plane.fill(p ? 128 : 60);
      if (p) return;
      for (let y = 0; y < plane.length / stride; y++) {
        const field = y % 2 === (isTopFirst ? 0 : 1) ? 0 : 1;
        const left = 4 + 4 * (2 * index + field);
        plane.fill(200, y * stride + left, y * stride + left + 4);
      }
    });
  };

const clip = (order: 'top first' | 'bottom first', name: string, more = {}) =>
  makeClip(at(name), {
    width: 96,
    height: 48,
    frames: 8,
    interlaced: order,
    paint: moving(order === 'top first'),
    ...more,
  });

const box = '80,8,8,8';
const videoOf = async (path: string) =>
  (await probe(path)).tracks.find(({ type }) => type === av.AVMEDIA_TYPE_VIDEO);

describe('interlaced video', () => {
  for (const [order, told] of [
    ['top first', av.AV_FIELD_TT],
    ['bottom first', av.AV_FIELD_BB],
  ] as const) {
    for (const format of ['yuv420p', 'yuv422p']) {
      it(`stays so, ${format}, ${order}, and is told`, async () => {
        const from = await clip(order, 'fields.mp4', { format });
        const to = at('fields-out.mp4');
        const warnings: string[] = [];
        const onWarning = (message: string) => warnings.push(message);
        await inpaintFile(standIn(), { input: from, mask: box, output: to, onWarning });
        expect(warnings).toEqual([
          expect.stringMatching(
            `fields.mp4 is interlaced, ${order}, 10 frames a second; it stays so`,
          ),
        ]);
        expect(await videoOf(to)).toMatchObject({ fields: told, format, rate: '10/1' });
        await using video = await openVideo(to);
        expect(video).toMatchObject({ fieldOrder: order, frames: 8 });
        for await (const frame of video.decoded('test')) {
          expect(frame.hasFlags(av.AV_FRAME_FLAG_INTERLACED)).toBe(true);
          expect(frame.hasFlags(av.AV_FRAME_FLAG_TOP_FIELD_FIRST)).toBe(order === 'top first');
        }
      });
    }

    it(`becomes whole frames of the first field where it is asked for, ${order}`, async () => {
      const from = await clip(order, 'whole.mp4');
      const to = at('whole-out.mp4');
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      const job = { input: from, mask: box, output: to, deinterlace: true, onWarning };
      await inpaintFile(standIn(), job);
      expect(warnings).toEqual([expect.stringMatching(`${order}.*become a whole frame`)]);
      const [before, after] = [await videoOf(from), await videoOf(to)];
      expect(after?.fields).toBe(av.AV_FIELD_PROGRESSIVE);
      const times = (track: typeof after) => track?.packets.map(({ seconds }) => seconds).sort();
      expect(times(after)).toEqual(times(before));
      await using video = await openVideo(to);
      for (const [i, { data }] of (await collect(video)).entries()) {
        const bar = (y: number, field: number) => data[(y * 96 + 4 + 4 * (2 * i + field) + 2) * 3];
        for (const y of [20, 21, 22, 23]) {
          expect(bar(y, 0)).toBeGreaterThan(180);
          expect(bar(y, 1)).toBeLessThan(110);
        }
      }
    });
  }

  for (const [codec, extension] of [
    ['ffv1', 'mkv'],
    ['prores', 'mov'],
  ] as const) {
    it(`stays so as ${codec}`, async () => {
      const input = await clip('bottom first', 'to-other.mp4');
      const output = at(`other.${extension}`);
      await inpaintFile(standIn(), { input, mask: box, output, codec });
      expect(await videoOf(output)).toMatchObject({ codec, fields: av.AV_FIELD_BB });
    });
  }

  it('is refused where the codec holds no fields', async () => {
    const from = await clip('top first', 'to.mp4');
    const job = { input: from, mask: box, output: at('to.webm') };
    await expect(inpaintFile(standIn(), job)).rejects.toThrow(/--deinterlace.*vp9.*interlaced/);
    await inpaintFile(standIn(), { ...job, deinterlace: true });
    expect((await videoOf(at('to.webm')))?.codec).toBe('vp9');
  });

  it('has sizes that halved chroma of a field does not', async () => {
    const from = await clip('top first', 'rows.mp4', { height: 50, format: 'yuv422p' });
    const to = at('rows-out.mp4');
    await inpaintFile(standIn(), { input: from, mask: box, output: to });
    expect(await videoOf(to)).toMatchObject({ fields: av.AV_FIELD_TT, format: 'yuv422p' });
  });

  it('is a mask, line by line, or whole where the video is', async () => {
    const mask = await clip('top first', 'mask.mp4', {
      paint: (planes: Buffer[], strides: number[], index: number) => {
        moving(true)(planes, strides, index);
        planes[0]?.forEach((value, i) => {
          if (planes[0]) planes[0][i] = value > 100 ? 235 : 16;
        });
      },
    });
    const rows = async (path: string, deinterlace: boolean) => {
      await using video = await openVideo(path, { deinterlace });
      await using masks = await openMask(mask, video);
      const [first] = await collect(
        (async function* () {
          for await (const each of masks) {
            yield each;
            return;
          }
        })(),
      );
      const holes = (y: number) =>
        Array.from({ length: 96 }, (_, x) => x).filter((x) => first?.data[y * 96 + x]);
      return [holes(20), holes(21)];
    };
    const fields = await clip('top first', 'filmed.mp4');
    expect(await rows(fields, false)).toEqual([
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ]);
    const [even = [], odd = []] = await rows(fields, true);
    for (const row of [even, odd]) expect(row).toEqual(expect.arrayContaining([4, 5, 6, 7]));
    expect(even).not.toContain(9);
  });
});
