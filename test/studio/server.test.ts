import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Project, State } from '../../lib/studio/protocol.js';
import { type Studio, startStudio } from '../../lib/studio/server.js';
import { makeClip, makeImage, probe, scratch } from '../video/clips.js';
import { Client, nothing } from './client.js';

const at = scratch();
const mostVideo = 100_000;
let studio: Studio;
let client: Client;

/** Folders of studios; the tests have a place for them of their own. */
const folders = async () => (await readdir(at('temporary'))).filter((it) => it.includes('studio'));
const contents = async () => readdir(at(`temporary/${(await folders())[0]}`));

const box = { kind: 'whole', x: 20, y: 10, width: 16, height: 12, from: 0, to: 9 } as const;
const isIdle = ({ job }: State) => job === undefined;

beforeAll(async () => {
  await mkdir(at('temporary'));
  process.env.TMPDIR = at('temporary');
  await makeClip(at('in.mp4'), { frames: 10, audio: true });
  await makeClip(at('long.mp4'), { frames: 60 });
  studio = await startStudio({ device: 'cpu', workSize: 64, mostVideo });
  client = new Client(studio);
});

afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  expect(await folders()).toEqual([]);
});

async function upload(path: string, name = 'in.mp4') {
  const url = `/api/video?name=${encodeURIComponent(name)}`;
  const { status, data } = await client.ask('POST', url, await readFile(path));
  expect({ status, error: status === 200 ? '' : data.toString() }).toEqual({
    status: 200,
    error: '',
  });
}

describe('who may ask', () => {
  it('lets the link in, and gives it a cookie that other sites do not get', async () => {
    const { pathname, search } = client.url;
    const { status, headers, data } = await client.ask('GET', pathname + search, undefined, {
      cookie: '',
    });
    expect(status).toBe(200);
    expect(data.toString()).toContain('main.js');
    expect(headers['set-cookie']?.[0]).toBe(`${client.cookie}; Path=/; HttpOnly; SameSite=Strict`);
  });

  it('serves the page with a policy that allows no scripts but its own', async () => {
    for (const path of ['/', '/main.js', '/style.css']) {
      const { status, headers } = await client.ask('GET', path);
      expect(status).toBe(200);
      expect(headers['content-security-policy']).toMatch(/default-src 'none'; script-src 'self';/);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
    }
    const page = (await client.ask('GET', '/')).data.toString();
    expect(page).not.toMatch(/<script(?![^>]*src="main\.js")|https?:|\son\w+=/);
  });

  const wrong: Record<string, [method: string, path: string, headers: Record<string, string>]> = {
    'no token': ['GET', '/', { cookie: '' }],
    'a wrong token': ['GET', `/?token=${'x'.repeat(43)}`, { cookie: '' }],
    'a shorter token': ['GET', '/?token=x', { cookie: '' }],
    'the token elsewhere than in the link': ['GET', '/main.js?token=TOKEN', { cookie: '' }],
    'a wrong cookie': ['GET', '/api/project', { cookie: 'studio-PORT=x' }],
    'a foreign origin': ['POST', '/api/undo', { origin: 'http://example.org' }],
    'a foreign port': ['POST', '/api/undo', { origin: 'http://127.0.0.1:1' }],
    'an origin that is not told': ['POST', '/api/undo', { origin: '' }],
    'an opaque origin': ['POST', '/api/undo', { origin: 'null' }],
    'a foreign origin that reads': ['GET', '/api/events', { origin: 'http://example.org' }],
    'a page of another port': ['GET', '/api/events', { 'sec-fetch-site': 'same-site' }],
    'a page of another site': ['GET', '/main.js', { 'sec-fetch-site': 'cross-site' }],
    'a foreign name that leads here': ['GET', '/?token=TOKEN', { host: 'evil.example:PORT' }],
    'a name of this machine': ['GET', '/', { host: 'localhost:PORT' }],
    'a host without its port': ['GET', '/', { host: '127.0.0.1' }],
  };
  for (const [name, [method, path, headers]] of Object.entries(wrong)) {
    it(`refuses ${name}`, async () => {
      const filled = (text: string) =>
        text.replace('TOKEN', client.token).replace('PORT', client.url.port);
      const given = Object.entries(headers).map(([key, value]) => [key, filled(value)]);
      const answer = await client.ask(method, filled(path), undefined, Object.fromEntries(given));
      expect(answer.status).toBe(403);
      expect(answer.headers['set-cookie']).toBeUndefined();
    });
  }

  it('listens to this machine alone', async ({ skip }) => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((it) => it && !it.internal && it.family === 'IPv4')?.address;
    if (!outside) return skip('this machine has no other address');
    const socket = connect(Number(client.url.port), outside);
    await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('gives no file by a path', async () => {
    await upload(at('in.mp4'));
    const id = (await client.state()).video?.id;
    for (const path of [
      '/../package.json',
      '/..%2fpackage.json',
      '/%2e%2e/package.json',
      '/.%2e/.%2e/package.json',
      '//etc/passwd',
      '/api/files/..%2f..%2f..%2f..%2fetc%2fpasswd',
      '/api/files/%2fetc%2fpasswd',
      '/api/files/in.mp4',
      `/api/frames/..%2f${id}/0`,
      `/api/frames/${id}/..%2f0`,
      `/api/masks/${id}/0%00`,
      `/api/frames/${id}/-1`,
      `/api/frames/${id}/10`,
    ]) {
      expect((await client.ask('GET', path)).status, path).toBe(404);
    }
  });
});

describe('a video', () => {
  it('is taken, and gone with the next one', async () => {
    await upload(at('in.mp4'), '../../strange "ñame.mp4');
    const [file] = await contents();
    expect(await contents()).toEqual([expect.stringMatching(/^upload-[0-9a-f]{16}\.mp4$/)]);
    const { video } = await client.state();
    expect(video).toMatchObject({ width: 64, height: 48, frames: 10, fps: 10 });
    await upload(at('in.mp4'), 'no ending');
    expect(await contents()).toEqual([expect.stringMatching(/^upload-[0-9a-f]{16}$/)]);
    expect(await contents()).not.toContain(file);
    expect((await client.ask('GET', `/api/frames/${video?.id}/0`)).status).toBe(404);
  });

  it('is refused when it is too large, whether it tells so or not; the one before stays', async () => {
    await upload(at('in.mp4'));
    const before = [(await client.state()).video?.id, await contents()];
    const large = Buffer.alloc(mostVideo + 1);
    expect((await client.ask('POST', '/api/video', large)).status).toBe(413);
    let poured = 0;
    const pieces = (function* () {
      for (; poured < 1000; poured++) yield Buffer.alloc(mostVideo);
    })();
    expect(await client.pour('/api/video', pieces)).toBe(413);
    expect(poured).toBeLessThan(1000);
    expect([(await client.state()).video?.id, await contents()]).toEqual(before);
  });

  it('is refused when it is none', async () => {
    await upload(at('in.mp4'));
    const before = [(await client.state()).video?.id, await contents()];
    for (const bytes of [Buffer.from('no video'), Buffer.alloc(0)]) {
      const { status, json } = await client.ask('POST', '/api/video?name=x.mp4', bytes);
      expect(status).toBe(400);
      expect(json()).toEqual({ error: expect.stringMatching(/^openVideo: expected /) });
    }
    expect([(await client.state()).video?.id, await contents()]).toEqual(before);
  });

  it('has pictures of its frames', async () => {
    await upload(at('in.mp4'));
    const id = (await client.state()).video?.id;
    const { status, headers, data } = await client.ask('GET', `/api/frames/${id}/7`);
    expect([status, headers['content-type']]).toEqual([200, 'image/jpeg']);
    expect(data.subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
  });
});

describe('what is said', () => {
  beforeEach(async () => {
    await upload(at('in.mp4'));
  });

  it('is judged', async () => {
    const { revision } = await client.state();
    const point = { frame: 0, x: 1, y: 1, not: false };
    for (const [said, message] of [
      [undefined, 'an object'],
      [{ ...nothing, paints: undefined }, 'a list of paints'],
      [{ ...nothing, attached: 'yes' }, 'attached'],
      [{ ...nothing, more: 1 }, 'got more'],
      [{ ...nothing, points: [{ ...point, frame: 10 }] }, 'frame of point 0'],
      [{ ...nothing, points: [{ ...point, x: 64 }] }, 'x of point 0'],
      [{ ...nothing, points: [{ ...point, y: 'a' }] }, 'y of point 0'],
      [{ ...nothing, points: [{ ...point, not: 1 }] }, 'not of point 0'],
      [{ ...nothing, points: Array(10_001).fill(point) }, 'at most 10000 points'],
      [{ ...nothing, paints: [{ frame: 0, mask: '../x' }] }, 'a mask there is'],
      [{ ...nothing, zones: [{ ...box, kind: 'other' }] }, 'object, whole or text'],
      [{ ...nothing, zones: [{ ...box, width: 45 }] }, 'the width of box 0'],
      [{ ...nothing, zones: [{ ...box, to: 10 }] }, 'the last frame of box 0'],
    ] as const) {
      const { status, json } = await client.ask('POST', '/api/said', { revision, said });
      expect(status).toBe(400);
      expect(json()).toEqual({ error: expect.stringContaining(message) });
    }
    expect((await client.state()).revision).toBe(revision);
  });

  it('has to be JSON of a size', async () => {
    const text = Buffer.from('{"revision":');
    const json = { 'content-type': 'application/json' };
    expect((await client.ask('POST', '/api/said', text, json)).status).toBe(400);
    expect((await client.ask('POST', '/api/said', Buffer.from('[]'))).status).toBe(400);
    expect((await client.ask('POST', '/api/said', Buffer.alloc(2 ** 22), json)).status).toBe(413);
  });

  it('is the same in two tabs; one that is behind is told', async () => {
    const other = new Client(studio);
    const heard = other.until(({ said }) => said.zones.length === 1);
    const { revision } = await client.state();
    expect((await client.say({ zones: [box] })).status).toBe(200);
    expect((await heard).said.zones).toEqual([box]);
    const late = await other.ask('POST', '/api/said', { revision, said: nothing });
    expect(late.status).toBe(409);
    expect(late.json()).toEqual({ error: expect.stringContaining('another tab') });
    expect((await client.state()).said.zones).toEqual([box]);
  });

  it('is undone and redone', async () => {
    await client.say({ zones: [box] });
    await client.say({ zones: [box, { ...box, x: 0 }] });
    const step = async (path: string) => {
      const { revision } = await client.state();
      const { status, json } = await client.ask('POST', path, { revision });
      return status === 200 ? (json() as State).said.zones.length : status;
    };
    expect(await step('/api/undo')).toBe(1);
    expect(await step('/api/undo')).toBe(0);
    expect(await step('/api/undo')).toBe(409);
    expect(await step('/api/redo')).toBe(1);
    expect(await client.state()).toMatchObject({ canUndo: true, canRedo: true });
    await client.say({ zones: [] });
    expect(await step('/api/redo')).toBe(409);
  });

  it('may be painted, by a PNG of the size of the video', async () => {
    const pixels = new Uint8Array(64 * 48).fill(255, 0, 640);
    await makeImage(at('paint.png'), [64, 48], 'gray', pixels);
    await makeImage(at('small.png'), [8, 8], 'gray', new Uint8Array(64));
    const send = async (path: string) =>
      client.ask('POST', '/api/paints', await readFile(at(path)));
    expect((await send('small.png')).status).toBe(400);
    expect((await client.ask('POST', '/api/paints', Buffer.from('none'))).status).toBe(400);
    const { mask } = (await send('paint.png')).json() as { mask: string };
    await client.say({ paints: [{ frame: 4, mask }] });
    const { holes } = await client.until((state) => isIdle(state) && state.ready === 10);
    expect(holes[4]).toBeCloseTo(640 / pixels.length, 3);
    const id = (await client.state()).video?.id;
    const whole = await client.ask('GET', `/api/masks/${id}/4`);
    expect([whole.status, whole.headers['content-type']]).toEqual([200, 'image/png']);
  });
});

describe('a video that players turn', () => {
  it('is spoken of as it is shown', async () => {
    await makeClip(at('turned.mp4'), { width: 64, height: 48, rotation: 90 });
    await upload(at('turned.mp4'));
    const { video } = await client.state();
    expect(video).toMatchObject({ width: 48, height: 64 });
    const picture = await client.ask('GET', `/api/frames/${video?.id}/0`);
    expect(await sharp(picture.data).metadata()).toMatchObject({ width: 48, height: 64 });
    const hole = async () => {
      const { data } = await client.ask('GET', `/api/masks/${video?.id}/3`);
      const { data: pixels, info } = await sharp(data).raw().toBuffer({ resolveWithObject: true });
      expect(info).toMatchObject({ width: 48, height: 64, channels: 4 });
      return Array.from({ length: 48 * 64 }, (_, i) => (pixels[4 * i + 3] ? 1 : 0));
    };
    const box = (x: number, y: number, w: number, h: number) =>
      Array.from({ length: 48 * 64 }, (_, i) => {
        const [column, row] = [i % 48, Math.floor(i / 48)];
        return column >= x && column < x + w && row >= y && row < y + h ? 1 : 0;
      });
    const zone = { kind: 'whole', x: 5, y: 9, width: 20, height: 7, from: 0, to: 9 } as const;
    await client.say({ zones: [zone] });
    expect(await hole()).toEqual(box(5, 9, 20, 7));
    const pixels = box(30, 40, 6, 11).map((value) => 255 * value);
    await makeImage(at('turned.png'), [48, 64], 'gray', pixels);
    const sent = await client.ask('POST', '/api/paints', await readFile(at('turned.png')));
    await client.say({ paints: [{ frame: 3, mask: (sent.json() as { mask: string }).mask }] });
    expect(await hole()).toEqual(box(30, 40, 6, 11));
    await client.until(isIdle);
  });
});

describe('text in a box', () => {
  it('is looked for in the frames of the box; where there is none, that is told', async () => {
    await upload(at('in.mp4'));
    await client.say({ zones: [{ ...box, kind: 'text', from: 2, to: 4 }] });
    const { notes, holes } = await client.until((state) => isIdle(state) && state.ready === 10);
    expect(holes.map((share) => share > 0)).toEqual(holes.map((_, i) => i >= 2 && i <= 4));
    expect(notes).toEqual([expect.stringMatching(/no overlay is found in 20,10,16,12 of frame 2/)]);
  });
});

describe('a project', () => {
  const save = async () => (await client.ask('GET', '/api/project')).json() as Project;

  it('opens again, with what was painted', async () => {
    await upload(at('in.mp4'), 'clip.mp4');
    await makeImage(at('again.png'), [64, 48], 'gray', new Uint8Array(64 * 48).fill(255, 100, 900));
    const sent = await client.ask('POST', '/api/paints', await readFile(at('again.png')));
    const { mask } = sent.json() as { mask: string };
    await client.say({ zones: [box], paints: [{ frame: 2, mask }] });
    const { headers } = await client.ask('GET', '/api/project');
    expect(headers['content-disposition']).toBe("attachment; filename*=UTF-8''clip.studio.json");
    const project = await save();
    await upload(at('in.mp4'), 'clip.mp4');
    expect((await client.state()).said).toEqual(nothing);
    expect((await client.ask('POST', '/api/project', project)).status).toBe(200);
    expect(await save()).toEqual(project);
  });

  it('is refused when it is malformed, or of another video', async () => {
    await upload(at('in.mp4'));
    const good = await save();
    const { revision } = await client.state();
    for (const [project, message] of [
      [[], 'a project of the studio'],
      [{}, 'a project of the studio'],
      [{ ...good, version: 2 }, 'version 1'],
      [{ ...good, video: undefined }, 'the video of a project'],
      [{ ...good, video: { ...good.video, frames: 11 } }, '64 x 48 with 10 frames'],
      [{ ...good, masks: undefined }, 'the masks of a project'],
      [{ ...good, masks: { a: 1 } }, 'base64'],
      [{ ...good, masks: { a: 'AAAA' } }, 'readable image'],
      [{ ...good, said: undefined }, 'what is said'],
      [{ ...good, said: { ...nothing, paints: [{ frame: 0, mask: 'a' }] } }, 'a mask there is'],
    ] as const) {
      const { status, json } = await client.ask('POST', '/api/project', project);
      expect(status).toBe(400);
      expect(json()).toEqual({ error: expect.stringContaining(message) });
    }
    expect((await client.state()).revision).toBe(revision);
  });
});

describe('work', () => {
  beforeEach(async () => {
    await upload(at('in.mp4'));
    await client.say({ zones: [box] });
  });
  const ask = (kind: string, frame = 5) => client.ask('POST', '/api/jobs', { kind, frame });

  it('is refused when it is none, or of no frame', async () => {
    expect((await ask('other')).status).toBe(400);
    expect((await ask('preview', 10)).status).toBe(400);
    expect((await ask('preview', -1)).status).toBe(400);
  });

  it('previews a frame and a clip, and tells what is made up', async () => {
    await ask('preview');
    const { preview } = await client.until((state) => state.preview !== undefined);
    expect(preview?.frame).toBe(5);
    const { coverage, isEstimate } = await client.until(isIdle);
    expect(coverage[5]).toBeCloseTo(preview?.coverage ?? -1, 2);
    // Of the others it is estimated.
    expect(isEstimate).toBe(true);
    expect(coverage.every((value) => value >= 0)).toBe(true);
    const still = await client.ask('GET', `/api/files/${preview?.id}`);
    expect(still.headers['content-type']).toBe('image/jpeg');
    await ask('clip', 2);
    const { clip } = await client.until((state) => state.clip !== undefined);
    expect(clip).toMatchObject({ from: 0, to: 9, width: 64, height: 48 });
    const range = { range: 'bytes=0-99' };
    const part = await client.ask('GET', `/api/files/${clip?.id}`, undefined, range);
    expect([part.status, part.data.length, part.headers['content-type']]).toEqual([
      206,
      100,
      'video/mp4',
    ]);
  });

  it('removes: every frame, with its sound, under a name of the video', async () => {
    await ask('run');
    const told = await client.until((state) => state.result !== undefined);
    const { result, mask, coverage, isEstimate } = told;
    expect(isEstimate).toBe(false);
    expect(result?.name).toBe('in-clean.mp4');
    expect(coverage.every((value) => value >= 0)).toBe(true);
    const { headers, data } = await client.ask('GET', `/api/files/${result?.id}?download`);
    expect(headers['content-disposition']).toBe("attachment; filename*=UTF-8''in-clean.mp4");
    await writeFile(at('result.mp4'), data);
    const { tracks } = await probe(at('result.mp4'));
    const sound = (await probe(at('in.mp4'))).tracks[1]?.packets.map((it) => it.data);
    expect(tracks[0]?.packets).toHaveLength(10);
    expect(tracks[1]?.packets.map((it) => it.data)).toEqual(sound);
    expect((await client.ask('GET', `/api/files/${mask}`)).status).toBe(200);
    await client.say({ zones: [] });
    const { result: old } = await client.state();
    expect(old).toMatchObject({ id: result?.id, isOld: true });
  });

  it('ends when it is cancelled, and keeps what is said as it is until then', async () => {
    await upload(at('long.mp4'));
    await client.say({ zones: [{ ...box, to: 59 }] });
    await ask('run');
    await client.until(({ job }) => job?.kind === 'run');
    const refused = await client.say({ zones: [] });
    expect([refused.status, refused.json()]).toEqual([
      409,
      { error: 'a run is in progress; cancel it first' },
    ]);
    expect((await ask('preview')).status).toBe(409);
    const other = await client.ask('POST', '/api/video?name=x.mp4', await readFile(at('in.mp4')));
    expect(other.status).toBe(409);
    expect((await client.ask('DELETE', '/api/jobs')).status).toBe(200);
    const { result, error } = await client.until(isIdle);
    expect({ result, error }).toEqual({ result: undefined, error: undefined });
    const left = (await contents()).filter((name) => !name.startsWith('upload'));
    // The masks' file may have been whole.
    expect(left.length).toBeLessThanOrEqual(1);
    expect((await client.say({ zones: [] })).status).toBe(200);
  });

  it('on masks ends when something else is said', async () => {
    await upload(at('long.mp4'));
    const point = { frame: 0, x: 30, y: 20, not: false };
    await client.say({ points: [point] });
    await client.until(({ job }) => job?.kind === 'track');
    await client.say({ points: [point, { ...point, x: 10 }] });
    const { ready, error, said } = await client.until(isIdle);
    expect({ ready, error, points: said.points.length }).toEqual({
      ready: 60,
      error: undefined,
      points: 2,
    });
    // With what belongs to it, the masks are others.
    const answer = await client.say({ points: [point], attached: true });
    expect((answer.json() as State).ready).toBe(0);
    await client.until((state) => isIdle(state) && state.ready === 60);
  });
});

describe.skipIf(process.platform === 'win32')('the end', () => {
  const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`by ${signal} leaves nothing, work or not`, async () => {
      const before = await folders();
      const args = ['--import', 'tsx', main, 'studio', at('long.mp4'), '-d', 'cpu'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const [text] = (await once(child.stdout, 'data')) as [Buffer];
      const own = new Client({ url: text.toString().split('\n')[0] as string });
      await own.say({ zones: [{ ...box, to: 59 }] });
      await own.ask('POST', '/api/jobs', { kind: 'run', frame: 0 });
      await own.until(({ job }) => job?.kind === 'run');
      expect(await folders()).toHaveLength(before.length + 1);
      child.kill(signal);
      expect(await once(child, 'exit')).toEqual([code, null]);
      expect(await folders()).toEqual(before);
      expect(existsSync(at('long.mp4'))).toBe(true);
    });
  }

  it('comes at once when the port is taken or there is no such video', async () => {
    const before = await folders();
    await expect(startStudio({ device: 'cpu', port: Number(client.url.port) })).rejects.toThrow(
      'a free port',
    );
    await expect(startStudio({ device: 'cpu', video: at('none.mp4') })).rejects.toThrow(
      'no such file',
    );
    expect(await folders()).toEqual(before);
  });
});
