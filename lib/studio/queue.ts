import { pace } from '../video/pace.js';
import type { JobKind, State } from './protocol.js';

/** Tells how far a job is. */
export type Tell = (done: number, of: number) => void;

interface Job {
  readonly kind: JobKind;
  readonly work: (signal: AbortSignal, tell: Tell) => Promise<void>;
  readonly abort: AbortController;
  progress: Omit<NonNullable<State['job']>, 'kind'>;
}

/** Jobs, one at a time: they share the device. */
export class JobQueue {
  readonly #jobs: Job[] = [];
  readonly #onChange: () => void;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;

  constructor(onChange: () => void, onError: (error: unknown) => void) {
    this.#onChange = onChange;
    this.#onError = onError;
  }

  /** What is being done. */
  get job(): State['job'] {
    const [job] = this.#jobs;
    return job && { kind: job.kind, ...job.progress };
  }

  /** What comes next. */
  get waiting(): JobKind[] {
    return this.#jobs.slice(1).map(({ kind }) => kind);
  }

  has(kind: JobKind): boolean {
    return this.#jobs.some((job) => job.kind === kind && !job.abort.signal.aborted);
  }

  add(kind: JobKind, work: Job['work']): void {
    const progress = { done: 0, of: 0, left: undefined };
    this.#jobs.push({ kind, work, abort: new AbortController(), progress });
    this.#running ??= this.#run();
    this.#onChange();
  }

  /** Ends the jobs of some kinds; all if none is named. */
  cancel(...kinds: JobKind[]): void {
    for (const job of [...this.#jobs]) {
      if (kinds.length && !kinds.includes(job.kind)) continue;
      job.abort.abort();
      if (job !== this.#jobs[0]) this.#jobs.splice(this.#jobs.indexOf(job), 1);
    }
    this.#onChange();
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let job = this.#jobs[0]; job; job = this.#jobs[0]) {
      const { signal } = job.abort;
      const secondsEach = pace();
      const tell = (done: number, of: number) => {
        const each = secondsEach(done);
        const left = each === undefined || done > of ? undefined : (of - done) * each;
        job.progress = { done, of, left };
        this.#onChange();
      };
      try {
        signal.throwIfAborted();
        await job.work(signal, tell);
      } catch (error) {
        if (!signal.aborted) this.#onError(error);
      }
      this.#jobs.shift();
      this.#onChange();
    }
    this.#running = undefined;
  }
}
