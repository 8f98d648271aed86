// What this tab shows: a frame, a tool, one picture or another.

import { computed, effect, signal } from '@preact/signals';
import type { Pair } from '../lib/studio/protocol.js';
import { state } from './server.js';

/** What a pointer does. */
export type Tool = 'this' | 'not' | 'brush' | 'eraser' | 'box';
/** What is on the stage. */
export type Shown = 'mask' | 'preview' | 'clip' | 'result';

export const tool = signal<Tool>('this');
/** Of the brush, in pixels of the video. */
export const radius = signal(12);
export const shown = signal<Shown>('mask');
export const frame = signal(0);
export const isPlaying = signal(false);
/** Where the picture before ends and the one after begins, 0 to 1. */
export const divide = signal(0.5);

export const video = computed(() => state.value?.video);
export const last = computed(() => (video.value?.frames ?? 1) - 1);

/** The video that is on the stage, of frames before and after. */
export const pair = computed((): Pair | undefined => {
  if (shown.value === 'clip') return state.value?.clip;
  return shown.value === 'result' ? state.value?.result?.pair : undefined;
});

export function goTo(index: number): void {
  const { from, to } = pair.value ?? { from: 0, to: last.value };
  frame.value = Math.min(Math.max(index, from), to);
}

export const step = (by: number) => {
  isPlaying.value = false;
  goTo(frame.value + by);
};

/** `1:05.40`. */
export function time(index: number): string {
  const seconds = index / (video.value?.fps ?? 25);
  const rest = (seconds % 60).toFixed(2).padStart(5, '0');
  return `${Math.floor(seconds / 60)}:${rest}`;
}

/** What was asked for is shown when it is there; what is gone is not shown. */
let known: Readonly<Record<string, string | undefined>> = {};
effect(() => {
  const { preview, clip, result, video } = state.value ?? {};
  const now = {
    video: video?.id,
    preview: preview?.id,
    clip: clip?.id,
    result: result?.id,
  };
  if (now.video !== known.video) {
    frame.value = 0;
    shown.value = 'mask';
    isPlaying.value = false;
  } else {
    for (const kind of ['preview', 'clip', 'result'] as const) {
      const isElsewhere = kind === 'preview' && preview?.frame !== frame.peek();
      if (now[kind] && now[kind] !== known[kind] && !isElsewhere) shown.value = kind;
    }
  }
  known = now;
});

/** A preview is of one frame. */
effect(() => {
  const { preview, clip, result } = state.value ?? {};
  const isThere = {
    mask: true,
    preview: preview?.frame === frame.value,
    clip: clip !== undefined,
    result: result !== undefined,
  };
  if (!isThere[shown.value]) shown.value = 'mask';
});

effect(() => {
  isPlaying.value = pair.value !== undefined;
  if (pair.value) goTo(frame.peek());
});
