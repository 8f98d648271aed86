import { spawn, spawnSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openVideo } from '../../lib/video/index.js';
import { collect, makeClip, makeImage, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();
const child = fileURLToPath(new URL('../cli/run_in_child.ts', import.meta.url));

/** Runs the command line in a process of its own, from one file to another. */
async function pipe(from: string, to: string, ...args: string[]) {
  const job = spawn(process.execPath, ['--import', 'tsx', child, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, STAND_IN_MILLISECONDS: '0' },
  });
  let stderr = '';
  job.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const code = new Promise((resolve) => job.on('close', resolve));
  await Promise.all([
    pipeline(createReadStream(from), job.stdin).catch(() => {}),
    pipeline(job.stdout, createWriteStream(to)),
  ]);
  return { code: await code, stderr };
}

const green = async (path: string) => {
  await using video = await openVideo(path);
  return (await collect(video)).map(({ data, width }) => {
    const [r, g, b] = data.subarray((12 * width + 12) * 3);
    return (r as number) < 90 && (g as number) > 180 && (b as number) < 90;
  });
};

describe('the standard input and output', () => {
  it('take Matroska with sound and give it', async () => {
    const from = await makeClip(at('in.mkv'), { frames: 20, audio: true });
    const to = at('out.mkv');
    const args = ['-', '--box', '8,8,16,16', '-o', '-', '--json'];
    const { code, stderr } = await pipe(from, to, ...args);
    expect(code, stderr).toBe(0);
    // Frames alone go to the standard output.
    expect(JSON.parse(stderr.trim().split('\n').at(-1) as string)).toMatchObject({ frames: 20 });
    const [before, after] = [await probe(from), await probe(to)];
    expect(after.tracks.map(({ codec }) => codec)).toEqual(['h264', 'aac']);
    const sound = ({ tracks }: typeof before) => tracks[1]?.packets.map(({ data }) => data);
    expect(sound(after)).toEqual(sound(before));
    expect(await green(to)).toEqual(Array(20).fill(true));
  });

  for (const [format, source] of [
    ['yuv4mpegpipe', { codec: 'rawvideo', name: 'in.y4m' }],
    ['nut', { codec: 'ffv1', name: 'in.nut' }],
  ] as const) {
    it(`take and give ${format}`, async () => {
      const from = await makeClip(at(source.name), { frames: 12, codec: source.codec });
      const to = at(`out-${source.name}`);
      const args = ['-', '--box', '8,8,16,16', '-o', '-', '--format', format, '--quiet'];
      expect(await pipe(from, to, ...args)).toEqual({ code: 0, stderr: '' });
      expect((await probe(to)).tracks[0]?.codec).toBe(source.codec);
      expect(await green(to)).toEqual(Array(12).fill(true));
      // Uncompressed or lossless: outside of the hole nothing changed.
      await using a = await openVideo(from);
      await using b = await openVideo(to);
      const [[first], [second]] = [await collect(a), await collect(b)];
      const corner = (data?: Uint8Array) => [...(data ?? []).slice(0, 15)];
      expect(corner(second?.data)).toEqual(corner(first?.data));
    });
  }

  it('give a mask', async () => {
    const video = await makeClip(at('video.mp4'), { frames: 5 });
    const mask = await makeClip(at('mask.mkv'), {
      frames: 5,
      paint: (planes) => planes[0]?.fill(235),
    });
    const to = at('masked.mkv');
    const { code, stderr } = await pipe(mask, to, video, '--mask', '-', '-o', '-');
    expect(code, stderr).toBe(0);
    expect(await green(to)).toEqual(Array(5).fill(true));
  });

  it('give a mask that is an image', async () => {
    const video = await makeClip(at('still.mp4'), { frames: 5 });
    const white = Array.from({ length: 64 * 48 }, (_, i) => (i % 64 < 24 ? 255 : 0));
    const mask = await makeImage(at('still.png'), [64, 48], 'gray', white);
    const to = at('still.mkv');
    const { code, stderr } = await pipe(mask, to, video, '--mask', '-', '-o', '-');
    expect(code, stderr).toBe(0);
    expect(await green(to)).toEqual(Array(5).fill(true));
  });

  it('are not both, and say what is no video', async () => {
    const from = await makeClip(at('any.mkv'));
    const both = await pipe(from, at('both.mkv'), '-', '--mask', '-', '-o', '-');
    expect(both).toMatchObject({ code: 2, stderr: expect.stringMatching(/got both/) });
    const text = await pipe(child, at('text.mkv'), '-', '--box', '1,1,4,4', '-o', '-');
    expect(text).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/expected - to be a read/),
    });
  });
});

it('reads a URL', async () => {
  const path = await makeClip(at('served.mp4'), { frames: 15, audio: true });
  const bytes = await readFile(path);
  const server = createServer(({ headers: { range } }, response) => {
    const [, from = '0'] = /bytes=(\d+)-/.exec(range ?? '') ?? [];
    const headers = {
      'accept-ranges': 'bytes',
      'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    };
    response.writeHead(206, headers).end(bytes.subarray(Number(from)));
  }).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/served.mp4`;
    const job = { input: url, mask: '8,8,16,16', output: at('from-url.mp4') };
    expect(await inpaintFile(standIn(), job)).toMatchObject({ frames: 15 });
    expect((await probe(at('from-url.mp4'))).tracks.map(({ codec }) => codec)).toEqual([
      'h264',
      'aac',
    ]);
    expect(await green(at('from-url.mp4'))).toEqual(Array(15).fill(true));
    await expect(openVideo(url.replace('http', 'nonsense'))).rejects.toThrow(/Protocol not found/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

describe.skipIf(process.platform === 'win32')('what is no file', () => {
  it('is written to as it is: a device', async () => {
    const input = await makeClip(at('device.mp4'), { audio: true });
    const before = await stat('/dev/null');
    const result = await inpaintFile(standIn(), { input, mask: '8,8,16,16', output: '/dev/null' });
    expect(result).toMatchObject({ frames: 10, encoding: expect.stringMatching(/^h264/) });
    expect((await stat('/dev/null')).ino).toBe(before.ino);
  });

  it('is written to as it is: a named pipe', async () => {
    const input = await makeClip(at('named.mp4'), { frames: 10, audio: true });
    const output = at('fifo.mkv');
    expect(spawnSync('mkfifo', [output]).status).toBe(0);
    const [result] = await Promise.all([
      inpaintFile(standIn(), { input, mask: '8,8,16,16', output }),
      pipeline(createReadStream(output), createWriteStream(at('fifo-out.mkv'))),
    ]);
    expect(result.frames).toBe(10);
    expect((await probe(at('fifo-out.mkv'))).tracks[0]?.packets).toHaveLength(10);
    expect((await readdir(at(''))).filter((name) => name.includes('.part'))).toEqual([]);
  });
});
