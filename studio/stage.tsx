// The picture, what is drawn over it, and what a pointer or the keyboard does there.

import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Point, Zone } from '../lib/studio/protocol.js';
import { Painting, type Place } from './painting.js';
import { mask, picture, preview } from './pictures.js';
import { say, state } from './server.js';
import { divide, frame, goTo, isPlaying, last, pair, radius, shown, tool, video } from './view.js';

/** Longer side of the canvas at most. */
const longest = 1600;
const colours = { this: '#1fbf6b', not: '#ff3350', box: '#ffd23f', ring: '#ffffff' } as const;

/** Where the keyboard points to, in pixels of the video. */
const cross = signal<Place | undefined>(undefined);
/** Where the pointer is. */
const hover = signal<Place | undefined>(undefined);
/** Corners of a box that is being drawn. */
const corners = signal<readonly [Place, Place] | undefined>(undefined);
/** Rises with every stroke, as what is painted on does not. */
const strokes = signal(0);
/** What is being painted. */
let painting: Painting | undefined;

const isBrush = () => tool.value === 'brush' || tool.value === 'eraser';
const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);

/** The box between two corners, inside of the video; undefined if there is nothing in it. */
function between([a, b]: readonly [Place, Place]) {
  const { width = 1, height = 1 } = video.value ?? {};
  const x = Math.floor(clamp(Math.min(a.x, b.x), width - 1));
  const y = Math.floor(clamp(Math.min(a.y, b.y), height - 1));
  const right = Math.ceil(clamp(Math.max(a.x, b.x), width));
  const bottom = Math.ceil(clamp(Math.max(a.y, b.y), height));
  return { x, y, width: Math.max(1, right - x), height: Math.max(1, bottom - y) };
}

/** Says that the object is at a place, or is not. */
function point({ x, y }: Place, not: boolean): void {
  const { width = 1, height = 1 } = video.value ?? {};
  const said: Point = {
    frame: frame.value,
    x: Math.floor(clamp(x, width - 1)),
    y: Math.floor(clamp(y, height - 1)),
    not,
  };
  say((it) => ({ ...it, points: [...it.points, said] }));
}

/** Adds a box around an object in this frame. */
export function addBox(box: Pick<Zone, 'x' | 'y' | 'width' | 'height'>): void {
  const zone: Zone = { kind: 'object', ...box, from: frame.value, to: frame.value };
  say((it) => ({ ...it, zones: [...it.zones, zone] }));
}

/** Begins to paint on the mask of this frame. */
function beginPainting(at: Place): void {
  painting = new Painting(frame.value, tool.value === 'eraser', () => {
    strokes.value += 1;
  });
  paintOn(at, at);
}

function paintOn(from: Place, to: Place): void {
  painting?.stroke(from, to);
  strokes.value += 1;
}

async function endPainting(): Promise<void> {
  const ended = painting;
  await ended?.finish().catch(() => {});
  if (painting === ended) painting = undefined;
  strokes.value += 1;
}

/** Draws all that is to be seen. */
function draw(canvas: HTMLCanvasElement, film: HTMLVideoElement): void {
  const shape = video.value;
  const context = canvas.getContext('2d');
  if (!shape || !context) return;
  const scale = Math.min(1, longest / Math.max(shape.width, shape.height));
  const [w, h] = [Math.round(shape.width * scale), Math.round(shape.height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  /** Pixels of the canvas to one of the screen: lines are as thick on all screens. */
  const dot = Math.max(0.5, w / Math.max(1, canvas.clientWidth));
  const at = divide.value * w;
  const part = (x: number, width: number, body: () => void) => {
    context.save();
    context.beginPath();
    context.rect(x, 0, width, h);
    context.clip();
    body();
    context.restore();
  };
  const line = () => {
    context.fillStyle = colours.ring;
    context.fillRect(at - dot, 0, 2 * dot, h);
    context.beginPath();
    context.arc(at, h / 2, 9 * dot, 0, 7);
    context.fill();
  };
  if (pair.value) {
    const { width, height } = pair.value;
    if (film.readyState < 2) return;
    part(0, at, () => context.drawImage(film, 0, 0, width, height, 0, 0, w, h));
    part(at, w, () => context.drawImage(film, 0, height, width, height, 0, 0, w, h));
    line();
    return;
  }
  const { picture: before, index } = picture.value ?? {};
  if (before) context.drawImage(before, 0, 0, w, h);
  const after = preview.value?.picture;
  if (shown.value === 'preview' && after) {
    part(at, w, () => context.drawImage(after, 0, 0, w, h));
    line();
    return;
  }
  // With an edge, as the thing itself may have its colour.
  context.globalAlpha = 0.5;
  context.shadowColor = colours.ring;
  context.shadowBlur = 3 * dot;
  if (painting && painting.index === index) context.drawImage(painting.picture, 0, 0, w, h);
  else if (mask.value?.picture && mask.value.index === index)
    context.drawImage(mask.value.picture, 0, 0, w, h);
  context.globalAlpha = 1;
  context.shadowBlur = 0;
  drawSaid(context, scale, dot);
}

function drawSaid(context: CanvasRenderingContext2D, scale: number, dot: number): void {
  const { points, zones } = state.value?.said ?? { points: [], zones: [] };
  const index = frame.value;
  const boxes = zones.filter((it) => it.from <= index && index <= it.to);
  const drawn = corners.value && between(corners.value);
  context.lineWidth = 2 * dot;
  context.strokeStyle = colours.box;
  for (const box of [...boxes, ...(drawn ? [drawn] : [])]) {
    context.setLineDash('kind' in box && box.kind !== 'object' ? [] : [6 * dot, 4 * dot]);
    context.strokeRect(box.x * scale, box.y * scale, box.width * scale, box.height * scale);
  }
  context.setLineDash([]);
  for (const it of points) {
    if (it.frame !== index) continue;
    const [x, y] = [(it.x + 0.5) * scale, (it.y + 0.5) * scale];
    context.fillStyle = it.not ? colours.not : colours.this;
    context.strokeStyle = colours.ring;
    context.beginPath();
    context.arc(x, y, 8 * dot, 0, 7);
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(x - 4 * dot, y);
    context.lineTo(x + 4 * dot, y);
    if (!it.not) {
      context.moveTo(x, y - 4 * dot);
      context.lineTo(x, y + 4 * dot);
    }
    context.stroke();
  }
  const place = hover.value ?? cross.value;
  context.strokeStyle = colours.ring;
  if (isBrush() && place) {
    context.beginPath();
    context.arc(place.x * scale, place.y * scale, radius.value * scale, 0, 7);
    context.stroke();
  } else if (cross.value && !hover.value) {
    const [x, y, r] = [cross.value.x * scale, cross.value.y * scale, 12 * dot];
    for (const [colour, wide] of [
      ['#000', 4],
      [colours.ring, 2],
    ] as const) {
      context.strokeStyle = colour;
      context.lineWidth = wide * dot;
      context.beginPath();
      context.moveTo(x - r, y);
      context.lineTo(x + r, y);
      context.moveTo(x, y - r);
      context.lineTo(x, y + r);
      context.stroke();
    }
  }
}

/** Keeps a video of frames before and after at the frame that is shown, or the other way round. */
function follow(film: HTMLVideoElement, canvas: HTMLCanvasElement): () => void {
  const source = effect(() => {
    const url = pair.value && `/api/files/${pair.value.id}`;
    if (url && !film.src.endsWith(url)) film.src = url;
    if (!url) film.removeAttribute('src');
  });
  const playing = effect(() => {
    if (pair.value && isPlaying.value) film.play().catch(() => {});
    else film.pause();
  });
  const rate = () => video.value?.fps ?? 25;
  const place = effect(() => {
    const index = frame.value;
    if (!pair.value || isPlaying.value) return;
    film.currentTime = (index - pair.value.from + 0.5) / rate();
  });
  let isOver = false;
  const each = () => {
    if (isOver) return;
    if (pair.value && isPlaying.value && !film.seeking)
      goTo(pair.value.from + Math.floor(film.currentTime * rate() + 1e-3));
    draw(canvas, film);
    film.requestVideoFrameCallback(each);
  };
  film.requestVideoFrameCallback(each);
  // The frame may come before it may be drawn.
  const onSeeked = () => draw(canvas, film);
  film.addEventListener('seeked', onSeeked);
  return () => {
    isOver = true;
    film.removeEventListener('seeked', onSeeked);
    for (const stop of [source, playing, place]) stop();
  };
}

/** Plays the frames themselves, as fast as they come. */
function play(): () => void {
  let [handle, since, first] = [0, 0, 0];
  const each = (now: number) => {
    handle = requestAnimationFrame(each);
    if (picture.value?.index !== frame.value) return;
    const index = first + Math.floor(((now - since) / 1000) * (video.value?.fps ?? 25));
    if (index > last.value) isPlaying.value = false;
    else if (index > frame.value) goTo(Math.min(index, frame.value + 2));
  };
  const stop = effect(() => {
    cancelAnimationFrame(handle);
    if (!isPlaying.value || pair.value) return;
    if (frame.peek() >= last.value) frame.value = 0;
    [since, first] = [performance.now(), frame.peek()];
    handle = requestAnimationFrame(each);
  });
  return () => {
    cancelAnimationFrame(handle);
    stop();
  };
}

export function Stage() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const film = useRef<HTMLVideoElement>(null);
  /** Where a pointer that is down was last, and went down. */
  const down = useRef<{ last: Place; readonly start: Place } | undefined>(undefined);

  useEffect(() => {
    const [surface, player] = [canvas.current, film.current];
    if (!surface || !player) return;
    const redraw = effect(() => {
      // All that a drawing depends on.
      [strokes.value, hover.value, cross.value, corners.value, divide.value, radius.value];
      [picture.value, mask.value, preview.value, state.value, tool.value, shown.value];
      draw(surface, player);
    });
    const size = new ResizeObserver(() => draw(surface, player));
    size.observe(surface);
    const ends = [redraw, follow(player, surface), play(), () => size.disconnect()];
    return () => {
      for (const end of ends) end();
    };
  }, []);

  const placeOf = ({ clientX, clientY, currentTarget }: PointerEvent): Place => {
    const { left, top, width, height } = (currentTarget as HTMLElement).getBoundingClientRect();
    const { width: w = 1, height: h = 1 } = video.value ?? {};
    return { x: ((clientX - left) / width) * w, y: ((clientY - top) / height) * h };
  };
  const compares = () => pair.value !== undefined || shown.value === 'preview';
  const onDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const place = placeOf(event);
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    down.current = { last: place, start: place };
    if (compares()) {
      divide.value = clamp(place.x / (video.value?.width ?? 1), 1);
      return;
    }
    isPlaying.value = false;
    if (isBrush()) beginPainting(place);
  };
  const onMove = (event: PointerEvent) => {
    const place = placeOf(event);
    hover.value = event.pointerType === 'mouse' ? place : undefined;
    const held = down.current;
    if (!held) return;
    if (compares()) divide.value = clamp(place.x / (video.value?.width ?? 1), 1);
    else if (isBrush()) paintOn(held.last, place);
    else if (tool.value === 'box') corners.value = [held.start, place];
    held.last = place;
  };
  const onUp = (event: PointerEvent) => {
    const held = down.current;
    down.current = undefined;
    if (!held || compares()) return;
    const { last: end, start } = held;
    if (tool.value === 'this' || tool.value === 'not')
      point(end, tool.value === 'not' || event.shiftKey);
    if (isBrush()) endPainting();
    if (tool.value === 'box' && Math.hypot(end.x - start.x, end.y - start.y) > 3)
      addBox(between([start, end]));
    corners.value = undefined;
  };
  const onKey = (event: KeyboardEvent) => {
    const { width = 1, height = 1 } = video.value ?? {};
    const by = event.shiftKey ? 1 : Math.max(1, Math.round(width / 64));
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-by, 0],
      ArrowRight: [by, 0],
      ArrowUp: [0, -by],
      ArrowDown: [0, by],
    };
    const move = moves[event.key];
    if (move && compares()) divide.value = clamp(divide.value + Math.sign(move[0]) / 50, 1);
    else if (move) {
      const { x, y } = cross.value ?? { x: width / 2, y: height / 2 };
      cross.value = { x: clamp(x + move[0], width - 1), y: clamp(y + move[1], height - 1) };
      hover.value = undefined;
    } else if (event.key === 'Enter' && cross.value && !compares()) {
      if (tool.value === 'this' || tool.value === 'not')
        point(cross.value, tool.value === 'not' || event.shiftKey);
      else if (tool.value !== 'box') {
        beginPainting(cross.value);
        endPainting();
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const label = compares()
    ? 'Before and after; arrow keys move the line between them'
    : 'The frame; arrow keys move a cross, Enter says that the object is there, Shift and Enter that it is not';
  return (
    <div class="stage">
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it takes keys of its own */}
      <canvas
        ref={canvas}
        class={compares() ? 'compares' : `uses-${tool.value}`}
        tabIndex={0}
        role="application"
        aria-label={label}
        onPointerDown={onDown}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerCancel={() => {
          down.current = undefined;
          corners.value = undefined;
        }}
        onPointerLeave={() => {
          hover.value = undefined;
        }}
        onBlur={() => {
          cross.value = undefined;
        }}
        onKeyDown={onKey}
      />
      <video ref={film} muted playsInline loop preload="auto" hidden />
    </div>
  );
}
