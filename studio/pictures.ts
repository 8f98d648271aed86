// Pictures of the server's, decoded. The browser keeps none of them on its disk.

import { effect, signal } from '@preact/signals';
import { state } from './server.js';
import { frame, isPlaying, last, shown, video } from './view.js';

/** How many are kept, and how many are fetched ahead while a video plays. */
const most = 64;
const ahead = 4;

const kept = new Map<string, Promise<ImageBitmap | undefined>>();

/** A picture by its address; undefined where there is none. */
export function fetchPicture(url: string): Promise<ImageBitmap | undefined> {
  const known = kept.get(url);
  kept.delete(url);
  const picture =
    known ??
    fetch(url).then(async (response) =>
      response.ok ? createImageBitmap(await response.blob()) : undefined,
    );
  kept.set(url, picture);
  picture.catch(() => kept.delete(url));
  for (const [oldest, old] of kept) {
    if (kept.size <= most) break;
    kept.delete(oldest);
    old.then((it) => it?.close());
  }
  return picture;
}

/** A picture on the stage, and the frame it is of. */
interface Staged {
  readonly index: number;
  readonly picture: ImageBitmap | undefined;
}

/** A signal of the picture at an address that changes: the latest one that has come. */
function latest(address: () => { readonly index: number; readonly url: string } | undefined) {
  const staged = signal<Staged | undefined>(undefined);
  let wanted: ReturnType<typeof address>;
  let isBusy = false;
  const run = async () => {
    if (isBusy) return;
    isBusy = true;
    for (let done: typeof wanted; wanted && wanted !== done; ) {
      done = wanted;
      const { index, url } = done;
      const picture = await fetchPicture(url).catch(() => undefined);
      staged.value = { index, picture };
    }
    isBusy = false;
  };
  effect(() => {
    const now = address();
    if (now?.url === wanted?.url) return;
    wanted = now;
    if (!now) staged.value = undefined;
    run();
  });
  return staged;
}

const frameUrl = (index: number) => `/api/frames/${video.value?.id}/${index}`;

/** The mask's address changes when the server has made another. */
export function maskUrl(index: number): string {
  const { revision = 0, ready = 0, ahead } = state.value ?? {};
  const made = index < ready ? 'all' : ahead?.frame === index ? ahead.count : 'old';
  return `/api/masks/${video.value?.id}/${index}?made=${revision}-${made}`;
}

export const picture = latest(() => {
  if (!video.value) return undefined;
  return { index: frame.value, url: frameUrl(frame.value) };
});

export const mask = latest(() => {
  if (!video.value || shown.value !== 'mask') return undefined;
  return { index: frame.value, url: maskUrl(frame.value) };
});

export const preview = latest(() => {
  const made = state.value?.preview;
  if (!made || shown.value !== 'preview') return undefined;
  return { index: made.frame, url: `/api/files/${made.id}` };
});

effect(() => {
  if (!isPlaying.value || !video.value) return;
  for (let n = 1; n <= ahead; n++)
    if (frame.value + n <= last.value) fetchPicture(frameUrl(frame.value + n)).catch(() => {});
});
