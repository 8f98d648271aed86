// Which process writes somewhere, so that two do not mix. Internal to lib/video.

import { readFileSync } from 'node:fs';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { mediaError } from './ffmpeg.js';

/** A process, by more than its number, which is given again. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it started, as the system tells it; empty where it does not. */
  readonly started: string;
}

/** When a process started: the boot, and ticks since then. Linux alone tells it in a file. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]; // its name may hold spaces
    return `${boot} ${ticks}`;
  } catch {
    return '';
  }
}

/** Whether a process of this machine runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Who has a lock; undefined where it does not say, as after a loss of power. */
function parse(text: string): Holder | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Holder>;
    if (typeof pid !== 'number' || typeof host !== 'string') return undefined;
    return { pid, host, started: `${started ?? ''}` };
  } catch {
    return undefined;
  }
}

/** Whether a lock's process may still be at work: what another machine does is not known here. */
function isHeld({ pid, host, started }: Holder): boolean {
  if (host !== hostname()) return true;
  return isRunning(pid) && started === startOf(pid);
}

/**
 * Takes a lock file for this process, also one that a process left which is gone.
 *
 * @param what it is for, for people
 * @returns whether a lock was taken over
 * @throws InpaintError (rejects) ERR_MEDIA when another process has it
 */
export async function takeLock(op: string, path: string, what: string): Promise<boolean> {
  const { pid } = process;
  const own = JSON.stringify({ pid, host: hostname(), started: startOf(pid) } satisfies Holder);
  for (let isTakenOver = false; ; ) {
    try {
      await writeFile(path, own, { flag: 'wx', flush: true });
      return isTakenOver;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    let text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === '') {
      await setTimeout(200); // it may be about to be written
      text = await readFile(path, 'utf8').catch(() => undefined);
    }
    if (text === undefined) continue; // given back meanwhile
    const holder = parse(text);
    if (holder && isHeld(holder)) {
      const { pid, host } = holder;
      const where = host === hostname() ? '' : ` on ${host} (if that is gone, delete ${path})`;
      throw mediaError(op, `${what} to be at no one else's work`, `process ${pid}${where} at it`);
    }
    // Moved away first: of two that come at once, one finds another's lock in its hands.
    const aside = `${path}.${pid}`;
    await rename(path, aside).catch(() => {});
    const moved = await readFile(aside, 'utf8').catch(() => undefined);
    if (moved !== undefined && moved !== text) await rename(aside, path);
    else if (moved !== undefined) {
      await rm(aside);
      isTakenOver = true;
    }
  }
}

/** Makes what was renamed, or made, in a folder last through a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // it opens no folders
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
