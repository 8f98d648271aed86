import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InpaintError } from '../../lib/errors.js';
import { type FileJob, Report } from '../../lib/video/index.js';
import { decodingTimes } from '../../lib/video/work.js';
import { makeClip, probe, scratch } from './clips.js';
import { contentOf, film, killed, work } from './kills.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();

describe('work that is killed', () => {
  let whole: Buffer[];
  let milliseconds: number;
  beforeAll(async () => {
    await makeClip(at('film.mp4'), film);
    const run = await work(at('film.mp4'), at('whole.mp4'));
    expect(run.code).toBe(0);
    milliseconds = run.milliseconds;
    whole = await contentOf(at('whole.mp4'));
  });

  it.each([[[0.15]], [[0.62]], [[0.97]], [[0.4, 0.4, 0.1]]])(
    'goes on to the same file: killed at %j of the time',
    async (moments) => {
      const times = moments.map((moment) => moment * milliseconds);
      const run = await killed(at('film.mp4'), at('killed.mp4'), times);
      expect(run.text).toContain('"frames":330');
      expect(run.code).toBe(0);
      expect((await contentOf(at('killed.mp4')))[0]?.equals(whole[0]!)).toBe(true);
      expect((await readdir(at(''))).filter((name) => name.startsWith('.'))).toEqual([]);
    },
  );
});

describe('decodingTimes', () => {
  it('decodes each packet in its turn, before it is shown', () => {
    // Two segments with frames shown out of their order; the second one is slower.
    const shown = [0, 4, 2, 1, 3, 5, 25, 15, 35].map(BigInt);
    const times = decodingTimes(shown);
    expect(times).toEqual([-2, -1, 0, 1, 2, 3, 4, 5, 15].map(BigInt));
    shown.forEach((time, i) => expect(times[i]! <= time).toBe(true));
  });

  it('shows packets when they are decoded where none is out of its order', () => {
    expect(decodingTimes([3n, 4n, 9n])).toEqual([3n, 4n, 9n]);
    expect(decodingTimes([])).toEqual([]);
  });
});

describe('inpaintFile with resume', () => {
  const frames = 520;
  const then = new Date('2020-02-02T02:02:02Z');
  const job = (changes: Partial<FileJob> = {}): FileJob => ({
    input: at('long.mp4'),
    mask: '20,12,20,20',
    output: at('out.mp4'),
    resume: true,
    onWarning: (message) => told.push(message),
    ...changes,
  });
  let told: string[];
  const folder = () => at('.out.mp4.work');
  const hidden = async () => (await readdir(at(''))).filter((name) => name.startsWith('.'));
  /** Stops at a frame. */
  const stop = async (frame: number, changes: Partial<FileJob> = {}) => {
    const abort = new AbortController();
    const onProgress = (progress: { frame: number }) => {
      if (progress.frame === frame) abort.abort();
    };
    const stopped = inpaintFile(standIn(), job({ ...changes, signal: abort.signal, onProgress }));
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  };
  const run = (changes: Partial<FileJob> = {}) => inpaintFile(standIn(), job(changes));

  beforeAll(async () => {
    await makeClip(at('long.mp4'), { frames, fps: 25, audio: true });
    await utimes(at('long.mp4'), then, then);
    await inpaintFile(standIn(), job({ output: at('undivided.mp4'), resume: false }));
    await inpaintFile(standIn(), job({ output: at('unstopped.mp4') }));
  });
  beforeEach(async () => {
    told = [];
    await rm(folder(), { recursive: true, force: true });
    await rm(at('out.mp4'), { force: true });
  });

  it('writes what a run without segments writes: sound, times, all but the encoding', async () => {
    const [undivided, unstopped] = await Promise.all(
      ['undivided.mp4', 'unstopped.mp4'].map((name) => probe(at(name))),
    );
    expect(unstopped!.metadata).toEqual(undivided!.metadata);
    const [video, sound] = undivided!.tracks;
    const { packets, ...told } = unstopped!.tracks[0]!;
    expect(unstopped!.tracks[1]).toEqual(sound);
    const { packets: before, ...same } = video!;
    expect(told).toEqual(same);
    const times = (all: typeof packets) => all.map(({ seconds }) => seconds).sort((a, b) => a - b);
    expect(times(packets)).toEqual(times(before));
  });

  it('goes on where it was stopped, and is told so', async () => {
    await stop(300);
    expect(await hidden()).toEqual(['.out.mp4.work']);
    expect(await readdir(folder())).not.toContain('lock');
    await expect(readFile(at('out.mp4'))).rejects.toThrow('ENOENT');
    await stop(500);
    const result = await run();
    expect(result).toMatchObject({ frames, resumed: 480, masked: frames, coverage: 0.5 });
    expect(told).toEqual([
      'frames to 239 were finished by an earlier run',
      'frames to 479 were finished by an earlier run',
    ]);
    expect(await contentOf(at('out.mp4'))).toEqual(await contentOf(at('unstopped.mp4')));
    expect(await hidden()).toEqual([]);
  });

  it('judges what is whole', { timeout: 180_000 }, async () => {
    const unstopped = await contentOf(at('unstopped.mp4'));
    const damages: [number, (name: (at: number) => string) => Promise<void>][] = [
      // A part is missing at the end, or a bit is wrong; what is carried on is not there.
      [240, async (name) => writeFile(name(240), (await readFile(name(240))).subarray(0, -1))],
      [
        0,
        async (name) => {
          const content = await readFile(name(0));
          content[9000] = (content[9000] as number) ^ 1;
          await writeFile(name(0), content);
        },
      ],
      [0, () => rm(`${folder()}/480.carried`)],
      [480, () => writeFile(`${folder()}/000000480.segment.part`, 'half')],
    ];
    for (const [resumed, damage] of damages) {
      await stop(500);
      await damage((from) => `${folder()}/${String(from).padStart(9, '0')}.segment`);
      // What the second segment carries on is not kept for the third.
      expect((await run()).resumed).toBe(resumed === 240 ? 0 : resumed);
      expect(await contentOf(at('out.mp4'))).toEqual(unstopped);
    }
  });

  it('refuses other settings, and another source', async () => {
    await stop(300);
    const refused = (changes: Partial<FileJob>, message: RegExp) =>
      expect(run(changes)).rejects.toThrow(message);
    await refused({ crf: 20 }, /encoding as in the work begun, "h264 \(crf 16.*got "h264 \(crf 20/);
    await refused({ mask: '20,12,20,21' }, /masks as in the work begun.*delete .*\.out\.mp4\.work/);
    await refused({ to: 400 }, /to as in the work begun, none, got 400/);
    const settings = async () => ({ workSize: 96 });
    await expect(inpaintFile({ ...standIn(), settings }, job())).rejects.toThrow(
      /workSize as in the work begun, none, got 96/,
    );
    const later = new Date(then.getTime() + 5000);
    await utimes(at('long.mp4'), later, later);
    await refused({}, /expected the same input, got another; delete/);
    await utimes(at('long.mp4'), then, then);
    expect((await run()).resumed).toBe(240);
  });

  it('refuses a damaged manifest, and begins anew where nothing is lost', async () => {
    await stop(300);
    const manifest = `${folder()}/manifest.json`;
    const content = await readFile(manifest, 'utf8');
    for (const damaged of [content.slice(0, 20), 'null', '']) {
      await writeFile(manifest, damaged);
      await expect(run()).rejects.toThrow(
        /manifest\.json to be readable, got a damaged one; delete/,
      );
    }
    await rm(manifest);
    await expect(run()).rejects.toThrow(/damaged one/);
    for (const name of await readdir(folder()))
      if (name.endsWith('.segment')) await rm(`${folder()}/${name}`);
    expect((await run()).resumed).toBe(0);
  });

  it('keeps two runs apart', async () => {
    const both = await Promise.allSettled([run(), run()]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [{ reason }] = both.filter((it) => it.status === 'rejected') as [PromiseRejectedResult];
    expect(reason.message).toMatch(
      new RegExp(`\\.work to be at no one else's work, got process ${process.pid} at it`),
    );
    // Of another machine nothing is known.
    await mkdir(folder());
    await writeFile(`${folder()}/lock`, JSON.stringify({ pid: 1, host: 'elsewhere', started: '' }));
    await expect(run()).rejects.toThrow(/process 1 on elsewhere \(if that is gone, delete .*lock/);
  });

  it('takes over the lock of a process that is gone, or of one that has its number now', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'close');
    const { pid } = child;
    for (const lock of [
      JSON.stringify({ pid, host: hostname(), started: '' }),
      JSON.stringify({ pid: process.pid, host: hostname(), started: 'before the last boot' }),
      '',
    ]) {
      await mkdir(folder());
      await writeFile(`${folder()}/lock`, lock);
      told = [];
      await run();
      expect(told).toEqual([expect.stringMatching(/ended early; its lock on .* is taken over/)]);
    }
  });

  it('keeps the frames of a folder that are whole', { timeout: 180_000 }, async () => {
    const output = at('frames');
    const work = at('.frames.work');
    await stop(300, { output });
    expect((await readdir(`${work}/output`)).length).toBeGreaterThan(290);
    const before = await stat(`${work}/output/000100.png`);
    expect(await run({ output })).toMatchObject({ frames, resumed: 240 });
    expect((await stat(`${output}/000100.png`)).mtimeMs).toBe(before.mtimeMs);
    expect(await readdir(output)).toHaveLength(frames);
    const whole = await contentOf(output);
    await rm(output, { recursive: true });
    await stop(300, { output });
    await writeFile(`${work}/output/000100.png`, (whole[100] as Buffer).subarray(0, 100));
    expect(await run({ output })).toMatchObject({ frames, resumed: 0 });
    expect(await contentOf(output)).toEqual(whole);
    await rm(output, { recursive: true });
  });

  it('refuses what cannot be read or written twice, and reports', async () => {
    const wrong = { code: 'ERR_ARGUMENT' };
    await expect(run({ output: '-' })).rejects.toMatchObject(wrong);
    await expect(run({ input: '-' })).rejects.toThrow(/files or folders, .* got -/);
    await expect(run({ mask: 'http://host/mask.mp4' })).rejects.toThrow(/got http/);
    const report = await Report.create(at('report.html'));
    await expect(run({ report })).rejects.toBeInstanceOf(InpaintError);
    await expect(run({ output: at('out.txt') })).rejects.toThrow(/ends in/);
    expect(await hidden()).toEqual([]);
  });

  it('tells and clears what a process left that is gone, and leaves that of others', async () => {
    await inpaintFile(standIn(), job({ resume: false })); // one of its own, to see the name
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'close');
    let name = '';
    const onProgress = async () => {
      name ||= (await hidden())[0] ?? '';
    };
    await inpaintFile(standIn(), job({ resume: false, onProgress }));
    const of = (pid: number | undefined) => name.replace(`-${process.pid}-`, `-${pid}-`);
    await writeFile(at(of(child.pid)), 'half');
    await writeFile(at(of(process.ppid)), 'half');
    told = [];
    await run({ resume: false });
    expect(told).toEqual([`${of(child.pid)} was left by a run that ended early; it is removed`]);
    expect(await hidden()).toEqual([of(process.ppid)]);
    await rename(at(of(process.ppid)), at('gone'));
  });
});
