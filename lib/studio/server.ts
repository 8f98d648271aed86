import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { getCookie, setCookie } from 'hono/cookie';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { InpaintError } from '../errors.js';
import type { InpainterOptions } from '../inpainter.js';
import { fileError } from '../video/ffmpeg.js';
import type { JobRequest } from './protocol.js';
import { Busy, Session } from './session.js';

/** How the studio is started; everything may be left out. */
export interface StudioOptions
  extends Pick<InpainterOptions, 'device' | 'threads' | 'weights' | 'workSize'> {
  /** A video, or a folder of images, to open. */
  readonly video?: string | undefined;
  /** A project file of that video. */
  readonly project?: string | undefined;
  /** By default one that is free. */
  readonly port?: number | undefined;
  /** Most bytes of a video that is uploaded, by default 16 GiB. */
  readonly mostVideo?: number | undefined;
}

/** A running studio. */
export interface Studio extends AsyncDisposable {
  /** With the token: whoever knows it may use the studio. */
  readonly url: string;
}

/** Most bytes of what is said, of a painted mask, and of a project with its masks. */
const limits = { json: 2 ** 21, paint: 2 ** 25, project: 2 ** 28 } as const;

/** Milliseconds between two states that a page is told. */
const pause = 100;

const kinds: readonly JobRequest['kind'][] = ['track', 'preview', 'clip', 'mask', 'run'];

/** The built page: the same place from the sources and from the package. */
const page = fileURLToPath(new URL('../../dist/studio/page/', import.meta.url));

function isSame(a: string | undefined, b: string): boolean {
  const [x, y] = [Buffer.from(a ?? ''), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** A header that offers a file by a name in any script. */
function attachment(name: string): string {
  return `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, escape)}`;
}

/**
 * Serves the studio to one user on this machine. Every request needs the token of its address, by
 * cookie from the second on, and is refused when it is for another host or from another page. What
 * the user uploads and what is made is in a temporary folder that goes with the studio.
 *
 * @throws InpaintError (rejects) what `Inpainter.create` and `openVideo` throw, and ERR_ARGUMENT
 *   when the port is taken, or the project is of another video
 */
export async function startStudio(options: StudioOptions = {}): Promise<Studio> {
  const { video, project, port = 0, mostVideo = 2 ** 34, ...settings } = options;
  if (project !== undefined && video === undefined)
    throw new InpaintError('ERR_ARGUMENT', 'studio', 'expected a video to the project, got none');
  const folder = await mkdtemp(join(tmpdir(), 'align-and-attend-studio-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.on('exit', removeFolder);
  let session: Session | undefined;
  let server: Server | undefined;
  const close = async () => {
    server?.close();
    server?.closeAllConnections();
    await session?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    process.off('exit', removeFolder);
  };
  try {
    session = await Session.create(folder, settings);
    if (video !== undefined) await session.open(video);
    if (project !== undefined) await session.openProject(await readProject(project));
    const token = randomBytes(32).toString('base64url');
    const address = { host: '' };
    const app = makeApp({ session, folder, token, mostVideo, address });
    // A video may take long to come.
    const serverOptions = { requestTimeout: 0 };
    server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port, serverOptions }) as Server;
    await once(server, 'listening');
    address.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url: `http://${address.host}/?token=${token}`, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const message = `expected a free port, got ${port}, which is taken`;
    throw new InpaintError('ERR_ARGUMENT', 'studio', message, { cause: error });
  }
}

async function readProject(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw fileError('studio', `${path} to be a readable project`, cause);
  });
  return parse(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InpaintError('ERR_ARGUMENT', 'studio', 'expected JSON, got other text');
  }
}

interface Parts {
  readonly session: Session;
  readonly folder: string;
  readonly token: string;
  readonly mostVideo: number;
  /** Host and port, once they are known. */
  readonly address: { readonly host: string };
}

function makeApp({ session, folder, token, mostVideo, address }: Parts): Hono {
  const app = new Hono();
  const limited = (maxSize: number) =>
    bodyLimit({
      maxSize,
      onError: (c) => c.json({ error: `more than the ${maxSize} bytes that are taken` }, 413),
    });

  app.onError((error, c) => {
    if (error instanceof Busy) return c.json({ error: error.message }, 409);
    if (error instanceof InpaintError) return c.json({ error: error.message }, 400);
    return c.json({ error: error.message }, 500);
  });
  app.notFound((c) => c.json({ error: 'there is no such thing' }, 404));

  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        mediaSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: 'no-referrer',
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    // What a browser keeps of the pictures would outlive the studio.
    c.header('Cache-Control', 'no-store');
    const refusal = refuse(c);
    if (refusal) return c.json({ error: refusal }, 403);
    return next();
  });

  /** Why a request is none of the studio's page. */
  function refuse(c: Context): string | undefined {
    const { host } = address;
    // A foreign name that leads here is another page's attempt.
    if (c.req.header('host') !== host) return 'another host';
    const from = c.req.header('origin');
    const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (from === undefined ? !isRead : from !== `http://${host}`) return 'another origin';
    const cookie = `studio-${host.split(':')[1]}`;
    if (c.req.path === '/' && isSame(c.req.query('token'), token)) {
      setCookie(c, cookie, token, { httpOnly: true, sameSite: 'Strict', path: '/' });
      return undefined;
    }
    const site = c.req.header('sec-fetch-site');
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'another site';
    if (!isSame(getCookie(c, cookie), token))
      return 'no token, or a wrong one; open the link again';
    return undefined;
  }

  // The page takes the token out of the address, and so out of the history.
  app.get('/', serveStatic({ path: join(page, 'index.html') }));
  for (const name of ['main.js', 'style.css'])
    app.get(`/${name}`, serveStatic({ path: join(page, name) }));

  app.get('/api/events', (c) =>
    streamSSE(c, async (stream) => {
      let wake = () => {};
      let isNew = true;
      const stop = session.listen(() => {
        isNew = true;
        wake();
      });
      stream.onAbort(() => {
        stop();
        wake();
      });
      while (!stream.aborted) {
        if (isNew) {
          isNew = false;
          await stream.writeSSE({ data: JSON.stringify(session.state) });
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        await stream.sleep(pause);
      }
    }),
  );

  const numbered = '/:video/:index{[0-9]{1,9}}';
  app.get(`/api/frames${numbered}`, async (c) => {
    const picture = await session.frame(c.req.param('video'), Number(c.req.param('index')));
    if (!picture) return c.notFound();
    return c.body(new Uint8Array(picture), 200, { 'Content-Type': 'image/jpeg' });
  });
  app.get(`/api/masks${numbered}`, async (c) => {
    const { video, index } = c.req.param();
    const isAlone = c.req.query('alone') !== undefined;
    const picture = await session.maskPicture(video, Number(index), isAlone);
    if (!picture) return c.notFound();
    return c.body(new Uint8Array(picture), 200, { 'Content-Type': 'image/png' });
  });
  app.get('/api/files/:id', (c, next) => {
    const offer = session.offer(c.req.param('id'));
    if (!offer) return next();
    if (c.req.query('download') !== undefined)
      c.header('Content-Disposition', attachment(offer.name));
    return serveStatic({ path: offer.path })(c, next);
  });
  app.get('/api/project', async (c) => {
    const { name, project } = await session.project();
    c.header('Content-Disposition', attachment(name));
    return c.json(project);
  });

  app.post('/api/said', limited(limits.json), async (c) => {
    const { revision, said } = (await body(c)) as { revision: number; said: unknown };
    session.say(revision, said);
    return c.json(session.state);
  });
  app.post('/api/undo', limited(limits.json), async (c) => {
    session.step(((await body(c)) as { revision: number }).revision, -1);
    return c.json(session.state);
  });
  app.post('/api/redo', limited(limits.json), async (c) => {
    session.step(((await body(c)) as { revision: number }).revision, 1);
    return c.json(session.state);
  });
  app.post('/api/paints', limited(limits.paint), async (c) => {
    const png = Buffer.from(await c.req.arrayBuffer());
    return c.json({ mask: await session.addPaint(png) });
  });
  app.post('/api/project', limited(limits.project), async (c) => {
    await session.openProject(await body(c));
    return c.json(session.state);
  });
  app.post('/api/jobs', limited(limits.json), async (c) => {
    const request = (await body(c)) as JobRequest;
    if (!kinds.includes(request.kind)) {
      const message = `expected a job of ${kinds.join(', ')}, got ${request.kind}`;
      throw new InpaintError('ERR_ARGUMENT', 'studio', message);
    }
    session.ask(request);
    return c.json(session.state);
  });
  app.delete('/api/jobs', (c) => {
    session.cancel();
    return c.json(session.state);
  });

  app.post('/api/video', async (c) => {
    session.expectNoRun();
    const name = c.req.query('name') ?? 'video';
    const told = Number(c.req.header('content-length') ?? 0);
    const tooLarge = () =>
      c.json({ error: `the video has more than the ${mostVideo} bytes that are taken` }, 413);
    if (told > mostVideo) return tooLarge();
    // The name is for people; of it, the file has no more than an ending.
    const [extension = ''] = /^\.[a-z0-9]{1,5}$/.exec(extname(name).toLowerCase()) ?? [];
    const path = join(folder, `upload-${randomBytes(8).toString('hex')}${extension}`);
    let bytes = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _, done) {
        bytes += chunk.length;
        done(bytes > mostVideo ? new Error('too large') : null, chunk);
      },
    });
    try {
      const source = Readable.fromWeb((c.req.raw.body ?? new ReadableStream()) as never);
      await pipeline(source, counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
      await session.open(path, name.slice(-200), true);
    } catch (error) {
      await rm(path, { force: true });
      if (bytes > mostVideo) return tooLarge();
      throw error;
    }
    return c.json(session.state);
  });
  return app;
}

async function body(c: Context): Promise<object> {
  if (!c.req.header('content-type')?.startsWith('application/json'))
    throw new InpaintError('ERR_ARGUMENT', 'studio', 'expected JSON, got another type');
  const value = parse(await c.req.text());
  if (typeof value === 'object' && value !== null) return value;
  throw new InpaintError('ERR_ARGUMENT', 'studio', `expected an object, got ${typeof value}`);
}
