// What was said, what can be done with it, and what came of it.

import type { JobKind, JobRequest, Point, Zone } from '../lib/studio/protocol.js';
import { cancel, open, redo, say, start, state, undo } from './server.js';
import { addBox } from './stage.js';
import { frame, goTo, radius, type Shown, shown, type Tool, tool, video } from './view.js';

const tools: readonly (readonly [Tool, string, string])[] = [
  ['this', 'This', 'T'],
  ['not', 'Not this', 'N'],
  ['brush', 'Brush', 'B'],
  ['eraser', 'Eraser', 'E'],
  ['box', 'Box', 'R'],
];

export function Tools() {
  return (
    <div class="tools" role="toolbar" aria-label="Tools">
      {tools.map(([name, text, key]) => (
        <button
          type="button"
          key={name}
          class={`tool ${name}`}
          aria-pressed={tool.value === name}
          title={`${text} (${key})`}
          onClick={() => {
            tool.value = name;
            shown.value = 'mask';
          }}
        >
          {text}
        </button>
      ))}
      <label class="radius">
        Size
        <input
          type="range"
          min={1}
          max={Math.max(20, Math.round((video.value?.width ?? 400) / 8))}
          value={radius.value}
          onInput={(event) => {
            radius.value = Number(event.currentTarget.value);
          }}
        />
      </label>
      <button type="button" disabled={!state.value?.canUndo} onClick={undo} title="Undo (Ctrl+Z)">
        Undo
      </button>
      <button
        type="button"
        disabled={!state.value?.canRedo}
        onClick={redo}
        title="Redo (Ctrl+Shift+Z)"
      >
        Redo
      </button>
    </div>
  );
}

/** What can be on the stage now. */
export function Views() {
  const { preview, clip, result } = state.value ?? {};
  const views: readonly (readonly [Shown, string, boolean])[] = [
    ['mask', 'Mask', true],
    ['preview', 'Preview', preview?.frame === frame.value],
    ['clip', 'Clip', clip !== undefined],
    ['result', result?.isOld ? 'Result (older than the mask)' : 'Result', result !== undefined],
  ];
  return (
    <div class="views" role="toolbar" aria-label="What is shown">
      {views.map(([name, text, isThere]) => (
        <button
          type="button"
          key={name}
          aria-pressed={shown.value === name}
          disabled={!isThere}
          onClick={() => {
            shown.value = name;
          }}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

const doing: Readonly<Record<JobKind, string>> = {
  track: 'Looking for it',
  look: 'Estimating what is made up',
  preview: 'Previewing the frame',
  clip: 'Previewing the clip',
  mask: 'Writing the mask',
  run: 'Removing it',
};

/** How far the work is. */
export function Work() {
  const { job, waiting = [] } = state.value ?? {};
  if (!job) return null;
  const { kind, done, of, left } = job;
  const far = of ? `, ${done} of ${of}` : '';
  const rest = left !== undefined && of ? `, ${clock(left)} left` : '';
  const asked = waiting.filter((it) => it !== 'look').map((it) => doing[it].toLowerCase());
  const next = asked.length ? `; then: ${asked.join(', ')}` : '';
  return (
    <div class="work" role="status">
      <span>
        {doing[kind]}
        {far}
        {rest}
        {next}
      </span>
      <progress {...(of && { value: done, max: of })} aria-label={doing[kind]} />
      <button type="button" onClick={cancel} title="Cancel (Escape)">
        Cancel
      </button>
    </div>
  );
}

export function Actions() {
  const { said, job, ready = 0 } = state.value ?? {};
  const isEmpty = !said || said.points.length + said.paints.length + said.zones.length === 0;
  const isRunning = job?.kind === 'run';
  const actions: readonly (readonly [JobRequest['kind'], string, string])[] = [
    ['preview', 'Preview frame', 'V'],
    ['clip', 'Preview clip', 'C'],
    ['run', 'Remove it', 'Ctrl+Enter'],
  ];
  const isStopped = !job && ready < (video.value?.frames ?? 0);
  return (
    <div class="actions">
      {isStopped && (
        <button type="button" onClick={() => start('track', frame.value)}>
          Go on looking
        </button>
      )}
      {actions.map(([kind, text, key]) => (
        <button
          type="button"
          key={kind}
          class={kind}
          disabled={isEmpty || isRunning}
          title={`${text} (${key})`}
          onClick={() => start(kind, frame.value)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

/** A number that can be changed. */
function Side(props: {
  name: string;
  value: number;
  least: number;
  most: number;
  onChange: (value: number) => void;
}) {
  const { name, value, least, most, onChange } = props;
  return (
    <label class="side">
      {name}
      <input
        type="number"
        min={least}
        max={most}
        value={value}
        onChange={(event) => {
          const given = Math.round(Number(event.currentTarget.value));
          const clipped = Math.min(Math.max(given, least), most);
          event.currentTarget.value = String(clipped);
          if (clipped !== value) onChange(clipped);
        }}
      />
    </label>
  );
}

function Go({ to }: { to: number }) {
  return (
    <button type="button" class="go" onClick={() => goTo(to)} title={`Show frame ${to}`}>
      Frame {to}
    </button>
  );
}

function Remove({ what, onClick }: { what: string; onClick: () => void }) {
  return (
    <button type="button" class="remove" aria-label={`Remove ${what}`} onClick={onClick}>
      ×
    </button>
  );
}

const without = <T,>(list: readonly T[], at: number) => list.filter((_, i) => i !== at);

function PointItem({ it, at }: { it: Point; at: number }) {
  return (
    <li>
      <Go to={it.frame} />
      <span class={it.not ? 'not' : 'this'}>{it.not ? 'not this' : 'this'}</span>
      <small>
        {it.x}, {it.y}
      </small>
      <Remove
        what={`point ${at + 1}`}
        onClick={() => say((said) => ({ ...said, points: without(said.points, at) }))}
      />
    </li>
  );
}

function ZoneItem({ it, at }: { it: Zone; at: number }) {
  const { width = 1, height = 1, frames = 1 } = video.value ?? {};
  const change = (part: Partial<Zone>) =>
    say((said) => ({
      ...said,
      zones: said.zones.map((zone, i) => (i === at ? { ...zone, ...part } : zone)),
    }));
  const turn = (kind: Zone['kind']) => {
    if (kind === 'object') change({ kind, to: it.from });
    else change(it.kind === 'object' ? { kind, from: 0, to: frames - 1 } : { kind });
  };
  return (
    <li class="zone">
      <Go to={it.from} />
      <select
        aria-label={`What box ${at + 1} is for`}
        value={it.kind}
        onChange={(event) => turn(event.currentTarget.value as Zone['kind'])}
      >
        <option value="object">the object in it</option>
        <option value="whole">all of it</option>
        <option value="text">text and overlays in it</option>
      </select>
      <Remove
        what={`box ${at + 1}`}
        onClick={() => say((said) => ({ ...said, zones: without(said.zones, at) }))}
      />
      <div class="sides">
        <Side
          name="x"
          value={it.x}
          least={0}
          most={width - it.width}
          onChange={(x) => change({ x })}
        />
        <Side
          name="y"
          value={it.y}
          least={0}
          most={height - it.height}
          onChange={(y) => change({ y })}
        />
        <Side
          name="wide"
          value={it.width}
          least={1}
          most={width - it.x}
          onChange={(value) => change({ width: value })}
        />
        <Side
          name="high"
          value={it.height}
          least={1}
          most={height - it.y}
          onChange={(value) => change({ height: value })}
        />
        <Side
          name={it.kind === 'object' ? 'frame' : 'from'}
          value={it.from}
          least={0}
          most={it.kind === 'object' ? frames - 1 : it.to}
          onChange={(from) => change(it.kind === 'object' ? { from, to: from } : { from })}
        />
        {it.kind !== 'object' && (
          <Side
            name="to"
            value={it.to}
            least={it.from}
            most={frames - 1}
            onChange={(to) => change({ to })}
          />
        )}
      </div>
    </li>
  );
}

export function SaidList() {
  const { points = [], paints = [], zones = [], attached = false } = state.value?.said ?? {};
  const { width = 1, height = 1 } = video.value ?? {};
  const addMiddle = () => {
    const [w, h] = [Math.ceil(width / 4), Math.ceil(height / 4)];
    addBox({
      x: Math.floor((width - w) / 2),
      y: Math.floor((height - h) / 2),
      width: w,
      height: h,
    });
  };
  return (
    <section>
      <h2>To remove</h2>
      {points.length + paints.length + zones.length === 0 && (
        <p class="hint">
          Click the thing that is to vanish. Where the mask takes too much, click with Shift, or
          with “Not this”.
        </p>
      )}
      <ul class="said">
        {points.map((it, i) => (
          <PointItem key={`${i} ${it.frame} ${it.x} ${it.y}`} it={it} at={i} />
        ))}
        {paints.map((it, i) => (
          <li key={`paint ${it.frame}`}>
            <Go to={it.frame} />
            <span>painted</span>
            <Remove
              what={`what is painted in frame ${it.frame}`}
              onClick={() => say((said) => ({ ...said, paints: without(said.paints, i) }))}
            />
          </li>
        ))}
        {zones.map((it, i) => (
          <ZoneItem key={`zone ${i}`} it={it} at={i} />
        ))}
      </ul>
      <button type="button" onClick={addMiddle}>
        Add a box
      </button>
      <label class="attached">
        <input
          type="checkbox"
          checked={attached}
          onChange={(event) => {
            const { checked } = event.currentTarget;
            say((said) => ({ ...said, attached: checked }));
          }}
        />
        With its shadow, and what it carries
      </label>
    </section>
  );
}

/** Asks for a file. */
export function OpenButton({ text, accept }: { text: string; accept: string }) {
  return (
    <label class="button">
      {text}
      <input
        type="file"
        class="file"
        accept={accept}
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) open(file);
          event.currentTarget.value = '';
        }}
      />
    </label>
  );
}

export function Downloads() {
  const { result, mask, job } = state.value ?? {};
  return (
    <section>
      <h2>Files</h2>
      <p class="files">
        {result ? (
          <a class="button" href={`/api/files/${result.id}?download`} download={result.name}>
            Result
          </a>
        ) : (
          <span class="button off">Result</span>
        )}
        {mask ? (
          <a class="button" href={`/api/files/${mask}?download`} download>
            Mask
          </a>
        ) : (
          <button
            type="button"
            disabled={job?.kind === 'run'}
            onClick={() => start('mask', frame.value)}
          >
            Make the mask's file
          </button>
        )}
        <a class="button" href="/api/project" download>
          Project
        </a>
        <OpenButton text="Open a project" accept=".json,application/json" />
      </p>
      {result && (
        <p class="hint">
          {result.encoding}; {Math.round(100 * result.coverage)} % of what was removed is seen in
          other frames.
        </p>
      )}
    </section>
  );
}

export function Notes() {
  const notes = state.value?.notes ?? [];
  if (!notes.length) return null;
  return (
    <section>
      <h2>Notes</h2>
      <ul class="notes">
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </section>
  );
}
