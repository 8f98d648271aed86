/** Which signals end the work, and what the shell is told then. */
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Work that a signal ends. */
export interface Stoppable extends Disposable {
  readonly signal: AbortSignal;
  /** The exit code, once it was stopped; 0 before. */
  readonly code: number;
}

/** Listens to signals until it is disposed of. */
export function stoppable(): Stoppable {
  const abort = new AbortController();
  let stopped = 0;
  const handlers = Object.entries(signals).map(([signal, code]) => {
    const handler = () => {
      // The second time the user means it; what is unfinished is removed on the way out.
      if (stopped) process.exit(code);
      stopped = code;
      abort.abort();
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return {
    signal: abort.signal,
    get code() {
      return stopped;
    },
    [Symbol.dispose]() {
      for (const remove of handlers) remove();
    },
  };
}
