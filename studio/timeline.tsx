// The frames along time: what is removed of them, how much of that other frames show.

import type { ComponentChildren } from 'preact';
import { state } from './server.js';
import { frame, goTo, isPlaying, last, pair, step, time } from './view.js';

/** Bars of values from 0 to 1; none below 0. */
function bars(values: readonly number[], from: (value: number) => number, to = (_: number) => 0) {
  return values
    .map((value, i) => {
      if (value < 0) return '';
      return `M${i} ${1 - to(value)}V${1 - from(value)}h1V${1 - to(value)}Z`;
    })
    .join('');
}

function Lane({ name, children }: { name: string; children: ComponentChildren }) {
  const count = state.value?.holes.length ?? 1;
  return (
    <svg class="lane" viewBox={`0 0 ${count} 1`} preserveAspectRatio="none" role="img">
      <title>{name}</title>
      {children}
      <path class="now" d={`M${((frame.value + 0.5) * count) / (last.value + 1)} 0V1`} />
    </svg>
  );
}

export function Timeline() {
  const { holes = [], coverage = [], isEstimate, said } = state.value ?? {};
  const { from, to } = pair.value ?? { from: 0, to: last.value };
  const largest = Math.max(1e-6, ...holes);
  // What is hardly to be seen is to be seen as well.
  const size = (share: number) => (share ? Math.max(0.12, share / largest) : 0);
  const known = coverage.filter((value) => value >= 0);
  const least = known.length ? Math.round(100 * Math.min(...known)) : undefined;
  const spoken = new Set([...(said?.points ?? []), ...(said?.paints ?? [])].map((it) => it.frame));
  for (const zone of said?.zones ?? []) spoken.add(zone.from);
  const count = holes.length / (last.value + 1);
  const marks = [...spoken].map((at) => `M${Math.floor(at * count)} 0h1v1h-1Z`).join('');
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="steps">
        <button type="button" onClick={() => step(-10)} title="10 frames back (&lt;)">
          −10
        </button>
        <button type="button" onClick={() => step(-1)} title="A frame back (,)">
          −1
        </button>
        <button
          type="button"
          class="play"
          aria-pressed={isPlaying.value}
          onClick={() => {
            isPlaying.value = !isPlaying.value;
          }}
          title="Play or pause (space)"
        >
          {isPlaying.value ? 'Pause' : 'Play'}
        </button>
        <button type="button" onClick={() => step(1)} title="A frame on (.)">
          +1
        </button>
        <button type="button" onClick={() => step(10)} title="10 frames on (&gt;)">
          +10
        </button>
        <output class="place">
          Frame {frame.value} of {last.value} <small>{time(frame.value)}</small>
        </output>
      </div>
      <input
        type="range"
        min={from}
        max={to}
        value={frame.value}
        aria-label="Frame"
        aria-valuetext={`frame ${frame.value}, ${time(frame.value)}`}
        onInput={(event) => {
          isPlaying.value = false;
          goTo(Number(event.currentTarget.value));
        }}
      />
      <Lane name="Size of what is removed, along time">
        <path class="known" d={bars(holes, () => 1)} />
        <path class="hole" d={bars(holes, size)} />
        <path class="spoken" d={marks} />
      </Lane>
      <Lane
        name={
          least === undefined
            ? 'How much of what is removed other frames show: nothing is removed'
            : `How much of what is removed other frames show, along time: ${least} % at least`
        }
      >
        <path class="seen" d={bars(coverage, (value) => value)} />
        <path
          class="made"
          d={bars(
            coverage,
            () => 1,
            (value) => value,
          )}
        />
      </Lane>
      <p class="legend">
        <span class="hole" /> removed <span class="spoken" /> said something <span class="seen" />{' '}
        seen in other frames <span class="made" /> made up
        {isEstimate && known.length > 0 && ' (estimated on small frames, until a run)'}
      </p>
    </section>
  );
}
