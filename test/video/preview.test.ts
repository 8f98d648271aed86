import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Inpainter } from '../../lib/index.js';
import { openVideo, previewFile } from '../../lib/video/index.js';
import { collect, flat, makeClip, makeImage, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();
const mask = '16,8,16,16@2-';

/** The pixels of a PNG. */
async function pixels(path: string) {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

describe('previewFile', () => {
  it('writes the frame that the whole run begins a hole with', async () => {
    await makeClip(at('in.mp4'));
    const inpainter = await Inpainter.create({ device: 'cpu', workSize: 64 });
    try {
      const job = { input: at('in.mp4'), mask };
      const result = await previewFile(inpainter, { ...job, frame: 2, output: at('two.png') });
      expect(result).toMatchObject({ output: at('two.png'), frame: 2 });
      await inpaintFile(inpainter, { ...job, output: at('whole') });
      expect(await pixels(at('two.png'))).toEqual(await pixels(at('whole/000002.png')));
    } finally {
      await inpainter.dispose();
    }
  });

  it('leaves the rest as it was read, and tells of a frame without a hole', async () => {
    await makeClip(at('in.mp4'));
    const [, one] = await collect(await openVideo(at('in.mp4')));
    const told: string[] = [];
    const job = { input: at('in.mp4'), mask, output: at('one.png'), frame: 1 };
    await previewFile(standIn(), { ...job, onWarning: (text) => told.push(text) });
    expect((await pixels(at('one.png'))).data).toEqual(one?.data);
    expect(told).toEqual(['the mask has no hole in frame 1; it is unchanged']);
  });

  it('turns the picture as a player does', async () => {
    await makeClip(at('turned.mp4'), { rotation: 90, paint: flat(60, 128, 128) });
    const job = { input: at('turned.mp4'), mask: '0,0,8,8', output: at('turned.png'), frame: 3 };
    await previewFile(standIn(), job);
    const { data, width, height } = await pixels(at('turned.png'));
    expect({ width, height }).toEqual({ width: 48, height: 64 });
    expect([...data.subarray(0, 3)]).toEqual([0, 255, 0]);
    expect([...data.subarray(-3)]).not.toEqual([0, 255, 0]);
  });

  it('has both fields of an interlaced frame', async () => {
    await makeClip(at('fields.mkv'), { interlaced: 'bottom first' });
    const job = { input: at('fields.mkv'), mask: '0,0,8,8' };
    await previewFile(standIn(), { ...job, frame: 4, output: at('fields.png') });
    await inpaintFile(standIn(), { ...job, output: at('fields') });
    expect(await pixels(at('fields.png'))).toEqual(await pixels(at('fields/000004.png')));
  });

  it('keeps alpha', async () => {
    const rgba = Array.from({ length: 64 * 48 * 4 }, (_, i) => (i * 7) % 256);
    await makeImage(at('frame.png'), [64, 48], 'rgba', rgba);
    const { mkdir, rename } = await import('node:fs/promises');
    await mkdir(at('alpha'));
    await rename(at('frame.png'), at('alpha/0.png'));
    const job = { input: at('alpha'), mask, frame: 0, output: at('alpha.png') };
    await previewFile(standIn(), job);
    const { data, channels } = await pixels(at('alpha.png'));
    expect(channels).toBe(4);
    expect([...data]).toEqual(rgba);
  });

  it('judges its job', async () => {
    await makeClip(at('in.mp4'));
    const job = { input: at('in.mp4'), mask, frame: 0, output: at('bad.png') };
    const preview = (change: object) => previewFile(standIn(), { ...job, ...change });
    await expect(preview({ frame: 10 })).rejects.toThrow(
      /a frame of .*in\.mp4 from 0 to 9, got 10/,
    );
    await expect(preview({ frame: -1 })).rejects.toThrow(/frame to be .*got -1/);
    await expect(preview({ output: at('bad.mp4') })).rejects.toThrow(/ends in \.png, got/);
    await expect(preview({ output: at('none/bad.png') })).rejects.toThrow(
      /to write .*no such file/,
    );
    await expect(preview({ crf: 3 })).rejects.toThrow(/expected job named/);
    const png = await makeImage(at('mask.png'), [64, 48], 'gray', Array(64 * 48).fill(1));
    const before = await readFile(png);
    await expect(preview({ mask: png, output: png })).rejects.toThrow(/other than what is read/);
    expect(await readFile(png)).toEqual(before);
  });
});
