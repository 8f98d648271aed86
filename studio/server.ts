// What the page asks of the server.

import { signal } from '@preact/signals';
import type { JobRequest, Said, State } from '../lib/studio/protocol.js';

/** What the server knows; undefined until it has told. */
export const state = signal<State | undefined>(undefined);
/** What went wrong with the latest request. */
export const trouble = signal<string | undefined>(undefined);
/** Share of a video that is uploaded, while it is. */
export const uploaded = signal<number | undefined>(undefined);
/** Whether the server answers. */
export const isConnected = signal(true);

/** Hears of the state from now on. */
export function listen(): void {
  const events = new EventSource('/api/events');
  events.onmessage = ({ data }) => {
    isConnected.value = true;
    take(JSON.parse(data) as State);
  };
  events.onerror = () => {
    isConnected.value = false;
  };
}

function take(told: State): void {
  // An answer may overtake the events.
  if (told.revision >= (state.value?.revision ?? 0)) state.value = told;
}

async function ask(method: string, path: string, body?: Blob | object): Promise<unknown> {
  try {
    const isBlob = body instanceof Blob;
    const response = await fetch(path, {
      method,
      headers: { 'content-type': isBlob ? body.type : 'application/json' },
      ...(body && { body: isBlob ? body : JSON.stringify(body) }),
    });
    const answer = (await response.json()) as { error?: string };
    if (!response.ok) throw new Error(answer.error);
    trouble.value = undefined;
    return answer;
  } catch (error) {
    trouble.value = (error as Error).message;
    throw error;
  }
}

/** One change after the other, each of what the one before left. */
let last: Promise<unknown> = Promise.resolve();

function next(path: string, body: () => object | Promise<object>): Promise<void> {
  const done = last.then(async () => take((await ask('POST', path, await body())) as State));
  last = done.catch(() => {});
  return done.catch(() => {});
}

const revision = () => state.value?.revision ?? 0;

const nothing: Said = { points: [], paints: [], zones: [], attached: false };
const said = (): Said => state.value?.said ?? nothing;

/** Changes what is said. */
export function say(change: (said: Said) => Said): Promise<void> {
  return next('/api/said', () => ({ revision: revision(), said: change(said()) }));
}

export const undo = () => next('/api/undo', () => ({ revision: revision() }));
export const redo = () => next('/api/redo', () => ({ revision: revision() }));

/** Says that a frame has a painted mask, instead of all that was said of it. */
export function paint(frame: number, picture: Blob): Promise<void> {
  return next('/api/said', async () => {
    const { mask } = (await ask('POST', '/api/paints', picture)) as { mask: string };
    const { points, paints, zones, attached } = said();
    const changed: Said = {
      points: points.filter((it) => it.frame !== frame),
      paints: [...paints.filter((it) => it.frame !== frame), { frame, mask }],
      zones: zones.filter((it) => it.kind !== 'object' || it.from !== frame),
      attached,
    };
    return { revision: revision(), said: changed };
  });
}

/** Asks for a job. */
export function start(kind: JobRequest['kind'], frame: number): Promise<void> {
  return next('/api/jobs', () => ({ kind, frame }));
}

export const cancel = () => ask('DELETE', '/api/jobs').catch(() => {});

/** Opens a video, or a project of the one that is open. */
export async function open(file: File): Promise<void> {
  if (/\.json$/i.test(file.name)) {
    const project = new Blob([await file.arrayBuffer()], { type: 'application/json' });
    await ask('POST', '/api/project', project).catch(() => {});
    return;
  }
  const { points, paints, zones } = said();
  const isWorkedOn = points.length + paints.length + zones.length > 0;
  const question =
    'Open another video? What was said of this one goes, unless the project is saved.';
  if (isWorkedOn && !confirm(question)) return;
  // fetch() does not tell how far it is.
  const request = new XMLHttpRequest();
  request.open('POST', `/api/video?name=${encodeURIComponent(file.name)}`);
  request.upload.onprogress = ({ loaded, total }) => {
    uploaded.value = loaded / total;
  };
  trouble.value = undefined;
  await new Promise<void>((resolve) => {
    request.onload = () => {
      if (request.status !== 200)
        trouble.value = (JSON.parse(request.responseText) as { error: string }).error;
      resolve();
    };
    request.onerror = () => {
      trouble.value = `${file.name} could not be sent; it may be too large`;
      resolve();
    };
    uploaded.value = 0;
    request.send(file);
  });
  uploaded.value = undefined;
}
