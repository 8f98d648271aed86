// The page of the studio.

import { signal } from '@preact/signals';
import { render } from 'preact';
import { Actions, Downloads, Notes, OpenButton, SaidList, Tools, Views, Work } from './panel.js';
import {
  cancel,
  isConnected,
  listen,
  open,
  redo,
  start,
  state,
  trouble,
  undo,
  uploaded,
} from './server.js';
import { Stage } from './stage.js';
import { Timeline } from './timeline.js';
import {
  frame,
  goTo,
  isPlaying,
  last,
  radius,
  shown,
  step,
  type Tool,
  tool,
  video,
} from './view.js';

/** Whether a file is held over the page. */
const isOver = signal(false);

function Trouble() {
  const text = isConnected.value
    ? (trouble.value ?? state.value?.error)
    : 'The studio does not answer; it may have ended.';
  return (
    <p class="trouble" role="alert" hidden={!text}>
      {text}
    </p>
  );
}

function Empty() {
  return (
    <main class="empty">
      <h1>Remove a thing from a video</h1>
      {uploaded.value === undefined ? (
        <>
          <p>Drop a video here, or choose one. It stays on this machine.</p>
          <OpenButton text="Choose a video" accept="video/*,.mkv,.mov,.mxf,.avi" />
        </>
      ) : (
        <Upload />
      )}
    </main>
  );
}

function Upload() {
  const share = uploaded.value ?? 0;
  return (
    <p class="upload" role="status">
      {share < 1 ? `Opening, ${Math.floor(100 * share)} %` : 'Opening'}{' '}
      <progress value={share} aria-label="Upload" />
    </p>
  );
}

function App() {
  const now = state.value;
  if (now && !now.video)
    return (
      <>
        <Trouble />
        <Empty />
      </>
    );
  if (!now?.video) return <Trouble />;
  const { name, width, height, fps } = now.video;
  document.documentElement.style.setProperty('--ratio', String(width / height));
  return (
    <>
      <header>
        <h1>{name}</h1>
        <small>
          {width} × {height}, {Number(fps.toFixed(2))} a second, on {now.device}
        </small>
        <OpenButton text="Open another" accept="video/*,.mkv,.mov,.mxf,.avi" />
      </header>
      <Trouble />
      {uploaded.value !== undefined && <Upload />}
      <main class="studio">
        <div class="middle">
          <Tools />
          <Stage />
          <Views />
          <Timeline />
        </div>
        <aside>
          <section>
            <Actions />
            <Work />
          </section>
          <Notes />
          <SaidList />
          <Downloads />
          <details>
            <summary>Keys</summary>
            <dl>
              <dt>, .</dt>
              <dd>a frame back, on; with Shift ten</dd>
              <dt>Space</dt>
              <dd>play, pause</dd>
              <dt>T N B E R</dt>
              <dd>this, not this, brush, eraser, box</dd>
              <dt>[ ]</dt>
              <dd>size of the brush</dd>
              <dt>V C</dt>
              <dd>preview of the frame, of a clip</dd>
              <dt>M</dt>
              <dd>show the mask</dd>
              <dt>Ctrl+Enter</dt>
              <dd>remove it</dd>
              <dt>Ctrl+Z</dt>
              <dd>undo; with Shift redo</dd>
              <dt>Escape</dt>
              <dd>cancel</dd>
              <dt>Arrows, Enter</dt>
              <dd>on the picture: move a cross, point there</dd>
            </dl>
          </details>
        </aside>
      </main>
    </>
  );
}

const tools: Readonly<Record<string, Tool>> = {
  t: 'this',
  n: 'not',
  b: 'brush',
  e: 'eraser',
  r: 'box',
};

function onKey(event: KeyboardEvent): void {
  const { target, ctrlKey, metaKey, altKey, shiftKey } = event;
  if (!video.value || altKey) return;
  const key = event.key.toLowerCase();
  const isCommand = ctrlKey || metaKey;
  const isTyping = target instanceof HTMLInputElement && target.type === 'number';
  const isControl =
    target instanceof HTMLElement && target.closest('button, a, label, summary, select');
  const does: Record<string, () => void> = isCommand
    ? { z: shiftKey ? redo : undo, y: redo, enter: () => start('run', frame.value) }
    : {
        ',': () => step(-1),
        '.': () => step(1),
        '<': () => step(-10),
        '>': () => step(10),
        home: () => goTo(0),
        end: () => goTo(last.value),
        v: () => start('preview', frame.value),
        c: () => start('clip', frame.value),
        m: () => {
          shown.value = 'mask';
        },
        '[': () => {
          radius.value = Math.max(1, Math.round(radius.value / 1.25));
        },
        ']': () => {
          radius.value = Math.round(radius.value * 1.25) + 1;
        },
        escape: cancel,
        ...(!isControl && {
          ' ': () => {
            isPlaying.value = !isPlaying.value;
          },
        }),
      };
  const chosen = tools[key];
  if (isTyping && (!isCommand || key !== 'enter')) return;
  if (chosen && !isCommand) {
    tool.value = chosen;
    shown.value = 'mask';
  } else if (does[key]) does[key]();
  else return;
  event.preventDefault();
}

// The token has become a cookie.
history.replaceState(null, '', '/');
listen();
addEventListener('keydown', onKey);
addEventListener('dragover', (event) => {
  event.preventDefault();
  isOver.value = true;
});
addEventListener('dragleave', () => {
  isOver.value = false;
});
addEventListener('drop', (event) => {
  event.preventDefault();
  isOver.value = false;
  const [file] = event.dataTransfer?.files ?? [];
  if (file) open(file);
});
isOver.subscribe((value) => document.documentElement.classList.toggle('over', value));
render(<App />, document.body);
