// A Redis of the tests' own: Debian's redis-server on a free port, with its files in a folder.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';

const server = process.env.REDIS_SERVER ?? 'redis-server';

/** Why there is no Redis for the tests; undefined where there is one. */
export const missing = ((): string | undefined => {
  try {
    execFileSync(server, ['--version']);
    return undefined;
  } catch (error) {
    return `there is no redis-server (Debian's package of that name): ${(error as Error).message}`;
  }
})();
if (missing) console.log(`queue: SKIPPED, ${missing}`);

/** A port that no one listens to. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A server that writes down all it is told before it answers. */
export class Redis implements AsyncDisposable {
  readonly url: string;
  readonly #port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.#port = port;
    this.#folder = folder;
    this.url = `redis://127.0.0.1:${port}`;
  }

  static async start(folder: string): Promise<Redis> {
    mkdirSync(folder, { recursive: true });
    const redis = new Redis(await freePort(), folder);
    await redis.start();
    return redis;
  }

  async start(): Promise<void> {
    const files = ['--dir', this.#folder, '--appendonly', 'yes', '--appendfsync', 'always'];
    const started = spawn(
      server,
      ['--port', `${this.#port}`, '--bind', '127.0.0.1', '--save', '', ...files],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#process = started;
    await new Promise<void>((resolve, reject) => {
      started.stdout.on('data', (text: Buffer) => {
        if (text.includes('Ready to accept connections')) resolve();
      });
      started.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    });
  }

  /** Ends it as a loss of power would. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (!running || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
