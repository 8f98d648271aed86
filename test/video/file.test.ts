import { link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type FileJob, openVideo } from '../../lib/video/index.js';
import { collect, makeClip, makeImage, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();
const failing = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

const run = (job: Partial<FileJob>, milliseconds = 0) =>
  inpaintFile(standIn(milliseconds), {
    input: at('in.mp4'),
    mask: '8,8,16,16',
    output: at('out.mp4'),
    ...job,
  });

afterEach(async () => {
  expect((await readdir(at(''))).filter((name) => name.includes('.part'))).toEqual([]);
});

describe('inpaintFile', () => {
  it('gives back as many frames as it takes, with the sound', async () => {
    await makeClip(at('in.mp4'), { frames: 20, audio: true });
    const seen: number[] = [];
    const result = await run({
      mask: ['8,8,16,16@5-14'],
      onProgress: ({ frame, frames }) => seen.push(frame, frames as number),
    });
    expect(result).toMatchObject({ output: at('out.mp4'), frames: 20, masked: 10, coverage: 0.5 });
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, 20]).flat());
    expect((await probe(at('out.mp4'))).tracks.map(({ codec }) => codec)).toEqual(['h264', 'aac']);
    await using video = await openVideo(at('out.mp4'));
    const frames = await collect(video);
    const green = frames.map(({ data }) => (data[(16 * 64 + 16) * 3 + 1] as number) > 240);
    expect(green).toEqual(frames.map((_, i) => i >= 5 && i <= 14));
  });

  it('works on folders, and from one to the other', async () => {
    await mkdir(at('frames'));
    await mkdir(at('masks'));
    for (let i = 0; i < 3; i++) {
      const pixels = Array.from({ length: 16 * 16 * 3 }, (_, k) => (k + i * 7) % 256);
      await makeImage(at(`frames/${i}.png`), [16, 16], 'rgb24', pixels);
      const mask = Array.from({ length: 256 }, (_, k) => Number(k === i));
      await makeImage(at(`masks/${i}.png`), [16, 16], 'gray', mask);
    }
    await run({ input: at('frames'), mask: at('masks'), output: at('done') });
    await using video = await openVideo(at('done'));
    for (const [i, { data }] of (await collect(video)).entries()) {
      const expected = Array.from({ length: 16 * 16 * 3 }, (_, k) => (k + i * 7) % 256);
      expected.splice(i * 3, 3, 0, 255, 0);
      expect([...data]).toEqual(expected);
    }
    await run({ input: at('frames'), mask: at('masks'), output: at('done.mkv'), fps: 5 });
    expect((await probe(at('done.mkv'))).tracks[0]?.packets.map(({ seconds }) => seconds)).toEqual([
      0, 0.2, 0.4,
    ]);
  });

  it('tells of streams that are left out and of masks without a hole', async () => {
    await makeClip(at('titles.mkv'), { subtitles: true });
    const empty = await makeImage(at('empty.png'), [64, 48], 'gray', Array(64 * 48).fill(0));
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    const result = await run({ input: at('titles.mkv'), mask: empty, onWarning });
    expect(result).toMatchObject({ masked: 0, coverage: 1 });
    expect(warnings).toEqual([
      expect.stringMatching(
        /out\.mp4 cannot hold subtitle stream 1 \(subrip\) of .*; it is left out/,
      ),
      expect.stringMatching(/empty\.png has no hole: nothing is removed/),
    ]);
  });

  describe('tells of a mask that looks wrong before any work', () => {
    const painted = (share: number) =>
      Array.from({ length: 64 * 48 }, (_, i) => (i < 64 * 48 * share ? 255 : 0));
    for (const [name, share, text] of [
      ['white', 1, /removes 100 % of the picture of frame 0; .*invert it \(--invert\)/],
      ['white but a corner', 0.95, /removes 95 % of the picture of frame 0/],
      ['large but likely', 0.45, undefined],
    ] as const) {
      it(name, async () => {
        await makeClip(at('in.mp4'), { frames: 10 });
        const mask = await makeImage(at('wrong.png'), [64, 48], 'gray', painted(share));
        const order: string[] = [];
        const onWarning = (message: string) => order.push(message);
        const onProgress = ({ frame }: { frame: number }) => order.push(`${frame}`);
        await run({ mask, onWarning, onProgress });
        const frames = Array.from({ length: 10 }, (_, i) => `${i + 1}`);
        expect(order).toEqual([...(text ? [expect.stringMatching(text)] : []), ...frames]);
      });
    }

    it('in a video, where it begins', async () => {
      await makeClip(at('in.mp4'), { frames: 10 });
      const mask = await makeClip(at('wrong.mp4'), {
        frames: 10,
        paint: (planes, _, index) => {
          planes.forEach((plane, p) => plane.fill(p ? 128 : index > 4 ? 235 : 16));
        },
      });
      const warnings: string[] = [];
      await run({ mask, onWarning: (message) => warnings.push(message) });
      expect(warnings).toEqual([expect.stringMatching(/100 % of the picture of frame 5/)]);
    });

    it('and inverts it', async () => {
      await makeClip(at('in.mp4'), { frames: 10 });
      const mask = await makeImage(at('wrong.png'), [64, 48], 'gray', painted(0.75));
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      await run({ mask, onWarning, invert: true });
      expect(warnings).toEqual([]);
      await using video = await openVideo(at('out.mp4'));
      for (const { data } of await collect(video)) {
        expect(data[(2 * 64 + 32) * 3 + 1]).toBeLessThan(200);
        expect(data[(44 * 64 + 32) * 3 + 1]).toBeGreaterThan(240);
      }
      await expect(run({ invert: true })).rejects.toThrow(/to invert, got boxes/);
    });
  });

  it('works on a part alone', async () => {
    await makeClip(at('in.mp4'), { frames: 20, fps: 10 });
    for (const [job, first, last] of [
      [{ from: 5, to: 9 }, 5, 9],
      [{ from: { seconds: 0.5 } }, 5, 19],
      [{ to: { seconds: 1 } }, 0, 9],
      [{ from: 19 }, 19, 19],
    ] as const) {
      const result = await run(job);
      expect(result).toMatchObject({ frames: 20, masked: last - first + 1 });
      await using video = await openVideo(at('out.mp4'));
      const green = (await collect(video)).map(
        ({ data }) => (data[(16 * 64 + 16) * 3 + 1] as number) > 240,
      );
      expect(green).toEqual(green.map((_, i) => i >= first && i <= last));
    }
    await expect(run({ from: -1 })).rejects.toThrow(/from to be an integer from 0/);
    await expect(run({ to: { seconds: Number.NaN } })).rejects.toThrow(/to.seconds to be a number/);
  });

  it('refuses options that it does not know', async () => {
    await expect(run({ Crf: 20 } as never)).rejects.toThrow(
      failing('ERR_ARGUMENT', /job named crf, got Crf$/),
    );
  });

  it('refuses to replace what it reads', async () => {
    await makeClip(at('in.mp4'));
    await link(at('in.mp4'), at('alias.mp4')).catch(() => {});
    const before = await readFile(at('in.mp4'));
    for (const output of [at('in.mp4'), at('./x/../in.mp4'), at('alias.mp4')]) {
      await expect(run({ output })).rejects.toThrow(
        failing('ERR_ARGUMENT', /other than what is read/),
      );
    }
    await expect(run({ mask: at('alias.mp4'), output: at('alias.mp4') })).rejects.toThrow(
      failing('ERR_ARGUMENT', /other than what is read/),
    );
    expect(await readFile(at('in.mp4'))).toEqual(before);
  });

  it('leaves what was there when it is stopped or fails', async () => {
    await makeClip(at('in.mp4'), { frames: 30 });
    await writeFile(at('out.mp4'), 'old');
    const abort = new AbortController();
    const onProgress = ({ frame }: { frame: number }) => frame === 5 && abort.abort();
    await expect(run({ signal: abort.signal, onProgress })).rejects.toThrow(
      failing('ERR_ABORTED', /finish/),
    );
    await expect(run({ signal: AbortSignal.abort() })).rejects.toThrow(
      failing('ERR_ABORTED', /finish/),
    );
    const mask = at('few');
    await mkdir(mask);
    for (const i of [0, 1]) {
      await makeImage(`${mask}/${i}.png`, [64, 48 - i], 'gray', Array(64 * (48 - i)).fill(1));
    }
    for (let i = 2; i < 30; i++) await writeFile(`${mask}/${i}.png`, 'text');
    await expect(run({ mask })).rejects.toThrow(failing('ERR_SHAPE', /1\.png to be 64 x 48/));
    const onProgressFails = () => {
      throw new Error('no luck');
    };
    await expect(run({ onProgress: onProgressFails })).rejects.toThrow('no luck');
    expect(await readFile(at('out.mp4'), 'utf8')).toBe('old');
  });

  it('notices frames that got lost', async () => {
    await makeClip(at('in.mp4'));
    const { inpaint } = standIn();
    const lossy: typeof inpaint = async function* (source, options) {
      for await (const frame of inpaint(source, options)) if (frame.index !== 3) yield frame;
    };
    await expect(
      inpaintFile(
        { inpaint: lossy },
        { input: at('in.mp4'), mask: '0,0,9,9', output: at('lost.mp4') },
      ),
    ).rejects.toThrow(failing('ERR_MEDIA', /as many frames out as in, got 9 for 10/));
    expect(await readdir(at(''))).not.toContain('lost.mp4');
  });
});
