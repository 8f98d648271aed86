import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Image } from '../../lib/video/image.js';
import { type FrameInpainter, openVideo } from '../../lib/video/index.js';
import { collect, gradient, makeClip, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();

async function run(input: string, output: string, onError?: 'stop' | 'keep') {
  const warnings: string[] = [];
  const progress: (readonly [number, number | undefined, boolean | undefined])[] = [];
  const result = await inpaintFile(standIn(), {
    input,
    mask: '8,8,16,16',
    output,
    onError,
    onWarning: (message) => warnings.push(message),
    onProgress: ({ frame, frames, framesGuessed }) => progress.push([frame, frames, framesGuessed]),
  });
  return { result, warnings, progress };
}

/** The end of a clip is missing. */
async function cutOff(name: string, share: number, audio = false): Promise<string> {
  const whole = await makeClip(at(`whole-${name}`), {
    frames: 40,
    audio,
    container: { movflags: '+faststart' },
  });
  const part = at(name);
  await copyFile(whole, part);
  await truncate(part, Math.floor((await readFile(whole)).length * share));
  return part;
}

describe('a file that is cut off', () => {
  for (const name of ['cut.mkv', 'cut.mp4']) {
    it(`is refused before anything is done: ${name}`, async () => {
      const input = await cutOff(name, 0.6);
      let frames = 0;
      const { inpaint } = standIn();
      const counting: typeof inpaint = async function* (source, options) {
        for await (const frame of inpaint(source, options)) {
          frames += 1;
          yield frame;
        }
      };
      const job = { input, mask: '8,8,16,16', output: at('never.mp4') };
      await expect(inpaintFile({ inpaint: counting }, job)).rejects.toThrow(
        /to be whole, got a file that is cut off after frame \d+ .*--on-error keep/,
      );
      expect(frames).toBe(0);
    });

    it(`ends there when that is asked for: ${name}`, async () => {
      const input = await cutOff(name, 0.6, true);
      const { result, warnings, progress } = await run(input, at(`kept-${name}`), 'keep');
      expect(result.frames).toBeGreaterThan(10);
      expect(result.frames).toBeLessThan(40);
      expect(warnings.join()).toMatch(`cut off; the result ends with frame ${result.frames - 1}`);
      expect(progress.at(-1)?.[0]).toBe(result.frames);
      const { tracks } = await probe(at(`kept-${name}`));
      expect(tracks[0]?.packets.length).toBe(result.frames);
      expect(tracks[1]?.packets.length).toBeGreaterThan(0);
    });
  }
});

describe('damaged packets', () => {
  const damaged = async (name: string) => {
    const path = await makeClip(at(name), {
      frames: 24,
      paint: gradient,
      options: { 'x264-params': 'bframes=0' },
    });
    const bytes = await readFile(path);
    const { tracks } = await probe(path);
    const victim = Buffer.from(tracks[0]?.packets[15]?.data ?? '', 'base64');
    const start = bytes.indexOf(victim);
    expect(start).toBeGreaterThan(0);
    bytes.fill(0x55, start + (victim.length >> 1), start + victim.length);
    await writeFile(path, bytes);
    return path;
  };

  it('end the work, and it is said what to do', async () => {
    await expect(run(await damaged('damage.mkv'), at('damage-out.mkv'))).rejects.toThrow(
      /to decode frame 15 of .*, got damaged data \(onError: 'keep', or --on-error keep/,
    );
  });

  it('end the work before it comes to them', async () => {
    const input = await damaged('early.mkv');
    const waiting: FrameInpainter = {
      async *inpaint(source, { signal }) {
        for await (const { frame } of source) {
          const { data, width, height } = frame as Image & { data: Uint8Array };
          yield { data, width, height, channels: 3, index: 0, coverage: 1, shot: 0 };
          // At the second frame for as long as nobody ends it.
          await new Promise((_, reject) => {
            const stop = () => reject(new Error('aborted'));
            if (signal?.aborted) stop();
            signal?.addEventListener('abort', stop);
          });
        }
      },
    };
    const job = { input, mask: '8,8,16,16', output: at('early-out.mkv') };
    await expect(inpaintFile(waiting, job)).rejects.toThrow(/to decode frame 15 of/);
  });

  it('are concealed when that is asked for, and told by number', async () => {
    const input = await damaged('damage2.mkv');
    const { result, warnings } = await run(input, at('damage2-out.mkv'), 'keep');
    expect(result).toMatchObject({ frames: 24, concealed: [15] });
    expect(warnings).toEqual([
      expect.stringMatching(/damage2\.mkv is damaged: a part of these frames is concealed: 15$/),
    ]);
    expect((await probe(at('damage2-out.mkv'))).tracks[0]?.packets).toHaveLength(24);
  });

  it('are refused as an option by another name', async () => {
    const path = await makeClip(at('fine.mp4'));
    await expect(openVideo(path, { onError: 'ignore' as 'keep' })).rejects.toThrow(
      /onError to be stop or keep, got ignore/,
    );
  });
});

describe('how many frames there are', () => {
  it('is counted, whatever the sound lasts', async () => {
    // A sound that is longer than the picture: the container tells how long that is.
    const path = await makeClip(at('long-sound.mkv'), {
      frames: 10,
      audio: true,
      soundSeconds: 3,
    });
    await using video = await openVideo(path);
    expect(video).toMatchObject({ frames: 10, framesGuessed: true });
    const { progress } = await run(path, at('long-sound-out.mkv'));
    expect(progress).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, 10, false]));
    const { tracks } = await probe(at('long-sound-out.mkv'));
    expect(tracks[1]?.packets.at(-1)?.seconds).toBeGreaterThan(2.5);
  });

  it('is a guess, and called so, where it cannot be counted', async () => {
    const path = await makeClip(at('vague.ts'), { frames: 20, codec: 'mpeg2video', fps: 25 });
    const { progress } = await run(path, at('vague-out.mkv'));
    expect(progress.at(0)?.[2]).toBe(true);
    await using video = await openVideo(path);
    expect(await collect(video)).toHaveLength(20);
  });
});
