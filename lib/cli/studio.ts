import { once } from 'node:events';
import type { StudioOptions } from '../studio/server.js';
import { stoppable } from './signals.js';

/**
 * Serves the studio until a signal ends it.
 *
 * @returns the exit code
 */
export async function studio(options: StudioOptions): Promise<number> {
  using stop = stoppable();
  const { startStudio } = await import('../studio/server.js');
  await using running = await startStudio(options);
  process.stdout.write(
    `${running.url}\nOpen this link in a browser on this machine; Ctrl-C ends the studio.\n`,
  );
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  return stop.code;
}
