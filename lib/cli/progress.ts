import { Presets, SingleBar } from 'cli-progress';
import { pace } from '../video/pace.js';

interface Progress {
  readonly frame: number;
  readonly frames?: number | undefined;
  /** Whether `frames` is a guess. */
  readonly framesGuessed?: boolean | undefined;
}

/** Shows how far a video is. */
export interface ProgressDisplay {
  update(progress: Progress): void;
  /** Prints a line that stays. */
  note(message: string): void;
  /** Takes the display away; may be called twice. */
  stop(): void;
}

const secondsBetweenLines = 5;

/** `1:05`, `2:00:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, i) => (i ? String(part).padStart(2, '0') : part)).join(':');
}

/**
 * A bar with the time left on a terminal, a line now and then elsewhere; on stderr, so that stdout
 * holds results alone.
 */
export function showProgress(quiet: boolean): ProgressDisplay {
  const note = (message: string) => process.stderr.write(`note: ${message}\n`);
  if (quiet) return { update() {}, note, stop() {} };
  const secondsEach = pace();
  const rate = (seconds?: number) => (seconds ? (1 / seconds).toFixed(1) : '?');
  const left = (frames: number, seconds?: number) => (seconds ? clock(frames * seconds) : '?');
  if (!process.stderr.isTTY) {
    let last = performance.now();
    const update = ({ frame, frames, framesGuessed }: Progress) => {
      const seconds = secondsEach(frame);
      if (performance.now() - last < secondsBetweenLines * 1000) return;
      last = performance.now();
      const about = framesGuessed ? 'about ' : '';
      const rest = frames
        ? ` of ${about}${frames}, ${about}${left(frames - frame, seconds)} left`
        : '';
      process.stderr.write(`frame ${frame}${rest}, ${rate(seconds)} frames/s\n`);
    };
    return { update, note, stop() {} };
  }
  const format =
    '{bar} {percentage}% | {value}/{about}{total} frames | {fps} frames/s | {left} left';
  const options = { format, clearOnComplete: true, hideCursor: true, stream: process.stderr };
  const bar = new SingleBar(options, Presets.shades_classic);
  let running = false;
  const stop = () => {
    if (running) bar.stop();
    running = false;
  };
  return {
    update({ frame, frames, framesGuessed }) {
      const seconds = secondsEach(frame);
      // What the file tells may be an estimate.
      const total = Math.max(frames ?? 0, frame);
      const rest = frames ? left(total - frame, seconds) : '?';
      const about = framesGuessed || !frames ? 'about ' : '';
      const payload = { fps: rate(seconds), left: rest, about };
      if (!running) bar.start(total, frame, payload);
      running = true;
      bar.setTotal(total);
      bar.update(frame, payload);
    },
    note(message) {
      stop();
      note(message);
    },
    stop,
  };
}
