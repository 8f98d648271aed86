// One video over several devices: what follows a cut shares nothing with what is before it, and goes
// to the device that is free. Internal.

import { InpaintError } from '../errors.js';
import type { Carried } from './completion.js';
import { type FramePair, storedOf, toImage } from './image.js';
import type { ShotChange } from './shots.js';

/** A frame as an inpainter yields it. */
interface Inpainted {
  readonly index: number;
  readonly shot: number;
}

/** What completes shots: an `Inpainter` of one device. */
export interface ShotInpainter<Frame extends Inpainted> {
  shots(
    source: AsyncIterable<FramePair>,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly shot: number; readonly changes: ReadonlyMap<number, ShotChange> }>;
  inpaint(
    source: AsyncIterable<FramePair>,
    options: {
      signal: AbortSignal;
      segmented: {
        readonly carried?: Carried | undefined;
        readonly endsBefore: () => boolean;
        readonly changes: { get(at: number): ShotChange | undefined };
        readonly goesOn: (index: number) => Promise<boolean>;
      };
    },
  ): AsyncIterable<Frame>;
}

/** Frames that follow a cut, up to the next. */
interface Run<Frame> {
  readonly start: number;
  /** One behind its last frame, once that is known. */
  end: number | undefined;
  /** The next frame that its device takes. */
  taken: number;
  /** Completed frames that wait for their turn. */
  readonly done: Frame[];
  isDone: boolean;
}

/** Bytes of frames that wait, at most, if that is more than a device has to see. */
const mostBytes = 2 ** 29;

/** A copy, as a source may use its buffers again. */
function copyOf(pair: FramePair, index: number): FramePair {
  if (typeof pair !== 'object' || pair === null) return pair; // judged as every frame is
  const copy = (image: FramePair['frame'], name: string) => {
    const { data, width, height, channels } = toImage('inpaint', name, image);
    return { data: Uint8Array.from(data), width, height, channels };
  };
  const frame = copy(pair.frame, `frame ${index}`);
  const same = { frame, mask: copy(pair.mask, `the mask of frame ${index}`) };
  storedOf(pair.frame)?.free();
  return same;
}

/**
 * Completes a video on several devices, to the frames, in their order, that one of them gives.
 *
 * @param ahead how many frames behind a frame its device looks at
 */
export class Spread<Frame extends Inpainted> {
  readonly #inpainters: readonly ShotInpainter<Frame>[];
  readonly #source: AsyncIterator<FramePair> | Iterator<FramePair>;
  readonly #ahead: number;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #runs: Run<Frame>[] = [];
  /** Frames that some device has still to take. */
  readonly #held = new Map<number, FramePair>();
  #changes: ReadonlyMap<number, ShotChange> = new Map();
  /** Numbers of frames: asked for, judged for cuts, with a shot that is known, and yielded. */
  #pulled = 0;
  #judged = 0;
  #known = 0;
  #yielded = 0;
  /** The first run that no device works on. */
  #next = 0;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    inpainters: readonly ShotInpainter<Frame>[],
    source: AsyncIterator<FramePair> | Iterator<FramePair>,
    ahead: number,
    signal: AbortSignal | undefined,
  ) {
    this.#inpainters = inpainters;
    this.#source = source;
    this.#ahead = ahead;
    this.#signal = AbortSignal.any([this.#stop.signal, ...(signal ? [signal] : [])]);
    this.#signal.addEventListener('abort', () => this.#changed(), { once: true });
  }

  async *frames(): AsyncGenerator<Frame, void, void> {
    const heard = (work: Promise<void>) =>
      work.catch((error) => {
        this.#failure ??= { error };
        this.#changed();
      });
    const judging = heard(this.#judge());
    const serving = this.#inpainters.map((each) => heard(this.#serve(each)));
    try {
      for (let at = 0; ; at++) {
        await this.#until(() => at < this.#runs.length || this.#isEnded);
        const run = this.#runs[at];
        if (!run) return;
        for (;;) {
          await this.#until(() => run.done.length > 0 || run.isDone);
          const frame = run.done.shift();
          if (!frame) break;
          this.#yielded += 1;
          this.#changed();
          yield frame;
        }
      }
    } finally {
      const isAborted = this.#signal.aborted;
      this.#stop.abort();
      const all = Promise.all([judging, ...serving]);
      if (!isAborted) await all; // a source that hangs must not keep an abort waiting
    }
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until something is so, or the work fails. */
  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure) throw this.#failure.error;
      if (this.#signal.aborted)
        throw new InpaintError('ERR_ABORTED', 'inpaint', 'expected to finish, got aborted');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Finds cuts, each of which begins a run. */
  async #judge(): Promise<void> {
    const [first] = this.#inpainters as [ShotInpainter<Frame>];
    for await (const { shot, changes } of first.shots(this.#pull(), this.#signal)) {
      this.#changes = changes;
      this.#judged = this.#pulled;
      const start = this.#known;
      if (shot === start) {
        const last = this.#runs.at(-1);
        if (last) last.end = start;
        this.#runs.push({ start, end: undefined, taken: start, done: [], isDone: false });
      }
      this.#known += 1;
      this.#changed();
    }
    this.#judged = this.#pulled;
    this.#isEnded = true;
    this.#changed();
  }

  /** The source, no farther than there is room for. */
  async *#pull(): AsyncGenerator<FramePair, void, void> {
    let most = Number.POSITIVE_INFINITY;
    try {
      for (;;) {
        await this.#until(() => this.#pulled - this.#yielded < most);
        const { value, done } = await this.#source.next();
        if (done) return;
        const pair = copyOf(value, this.#pulled);
        this.#held.set(this.#pulled, pair);
        this.#pulled += 1;
        yield pair;
        const { width, height, channels } = toImage('inpaint', 'frame', pair.frame);
        // A frame is yielded when the next one is queued, whose shot has to be known.
        most = Math.max(this.#ahead + 4, Math.floor(mostBytes / (width * height * channels)));
        this.#judged = this.#pulled;
        this.#changed();
      }
    } finally {
      await this.#source.return?.();
    }
  }

  /** Works on one run after the other that no other device works on. */
  async #serve(inpainter: ShotInpainter<Frame>): Promise<void> {
    for (;;) {
      await this.#until(() => this.#next < this.#runs.length || this.#isEnded);
      const run = this.#runs[this.#next];
      if (!run && this.#isEnded) return;
      if (!run) continue; // another device took it
      this.#next += 1;
      const { start } = run;
      const frames = inpainter.inpaint(this.#take(run), {
        signal: this.#signal,
        segmented: {
          endsBefore: () => false,
          changes: { get: (at) => this.#changeAt(at, start) },
          goesOn: (index) => this.#goesOn(run, index + start),
        },
      });
      for await (const frame of frames) {
        run.done.push({ ...frame, index: frame.index + start, shot: frame.shot + start });
        this.#changed();
      }
      run.isDone = true;
      run.taken = Number.POSITIVE_INFINITY;
      this.#free();
      this.#changed();
    }
  }

  #changeAt(at: number, start: number): ShotChange | undefined {
    const change = this.#changes.get(at + start);
    if (!change) return undefined;
    const mixed = change.mixed === undefined ? undefined : change.mixed - start;
    return { start: change.start - start, mixed };
  }

  async #goesOn(run: Run<Frame>, index: number): Promise<boolean> {
    await this.#until(() => index < this.#known || this.#isEnded);
    return run.end === undefined || index < run.end;
  }

  /** The frames that a run's device sees. */
  async *#take(run: Run<Frame>): AsyncGenerator<FramePair, void, void> {
    for (;;) {
      await this.#until(() => run.taken < this.#judged || this.#isEnded);
      const pair = this.#held.get(run.taken);
      if (!pair) return;
      yield pair;
      run.taken += 1;
      this.#free();
    }
  }

  /** Lets frames go that no run has still to take. */
  #free(): void {
    const wanted = this.#runs.filter(({ isDone }) => !isDone).map(({ taken }) => taken);
    const first = Math.min(this.#known, ...wanted);
    for (const index of this.#held.keys()) {
      if (index >= first) break;
      this.#held.delete(index);
    }
  }
}
