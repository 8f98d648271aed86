// What a page would do, without a browser; headers are as the test wants them.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Said, State } from '../../lib/studio/protocol.js';
import type { Studio } from '../../lib/studio/server.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly data: Buffer;
  readonly json: () => unknown;
}

export const nothing: Said = { points: [], paints: [], zones: [], attached: false };

/** A client of a studio. */
export class Client {
  readonly url: URL;
  readonly token: string;

  constructor({ url }: Pick<Studio, 'url'>) {
    this.url = new URL(url);
    this.token = this.url.searchParams.get('token') ?? '';
  }

  get cookie(): string {
    return `studio-${this.url.port}=${this.token}`;
  }

  #open(method: string, path: string, headers: Record<string, string>) {
    const { hostname, port, origin } = this.url;
    const own = { cookie: this.cookie, ...(method !== 'GET' && { origin }) };
    const given = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== '');
    // A connection of its own: one that was refused midway cannot be used again.
    const options = { hostname, port, method, path, agent: false };
    return request({ ...options, headers: Object.fromEntries(given) });
  }

  /** Headers that are empty are left out. */
  async ask(
    method: string,
    path: string,
    body?: object | Buffer,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const isBytes = Buffer.isBuffer(body);
    const type = { 'content-type': isBytes ? 'image/png' : 'application/json' };
    const sent = this.#open(method, path, { ...(body && type), ...headers });
    sent.end(isBytes || body === undefined ? body : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    sent.on('error', () => {}); // the studio may have enough
    const data = Buffer.concat(await response.toArray());
    const json = () => JSON.parse(data.toString()) as unknown;
    return { status: response.statusCode ?? 0, headers: response.headers, data, json };
  }

  /** Sends a body piece by piece, without telling its length, until there is an answer. */
  async pour(path: string, pieces: Iterable<Buffer>): Promise<number> {
    const sent = this.#open('POST', path, { 'transfer-encoding': 'chunked' });
    let status: number | undefined;
    const answered = once(sent, 'response').then(([response]: IncomingMessage[]) => {
      status = response?.statusCode;
      response?.resume();
    });
    sent.on('error', () => {}); // the studio may have enough
    for (const piece of pieces) {
      if (!sent.write(piece)) await Promise.race([once(sent, 'drain'), answered]);
      if (status !== undefined) break;
    }
    sent.end();
    await answered;
    return status ?? 0;
  }

  /** The states that a tab is told, until one is as wanted. */
  async until(wanted: (state: State) => boolean): Promise<State> {
    const sent = this.#open('GET', '/api/events', {});
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        text += chunk;
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const state = JSON.parse(event.replace(/^data: /, '')) as State;
          if (wanted(state)) return state;
        }
      }
    } finally {
      sent.destroy();
    }
    throw new Error('the studio ended before');
  }

  state(): Promise<State> {
    return this.until(() => true);
  }

  /** Says something of what is said last. */
  async say(said: Partial<Said>): Promise<Answer> {
    const { revision } = await this.state();
    return this.ask('POST', '/api/said', { revision, said: { ...nothing, ...said } });
  }
}
