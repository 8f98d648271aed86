import type { DeviceName } from '../device.js';
import { InpaintError } from '../errors.js';
import type { FilePrompt } from '../mask/file.js';
import { type Prompt, parseObjectBox, parsePoint } from '../mask/prompts.js';
import { parseBox } from '../video/masks.js';
import { showProgress } from './progress.js';
import { stoppable } from './signals.js';

/** What `mask` is asked for. */
export interface MaskCommandOptions {
  readonly output?: string;
  readonly point?: string[];
  readonly not?: string[];
  readonly box?: string[];
  readonly mask?: string[];
  readonly overlay?: string[];
  readonly withShadow?: boolean;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly workSize?: number;
  readonly weights?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A path, and the frame behind its last `@`. */
function parseMask(text: string): FilePrompt {
  const [, path = text, frame = '0'] = /^(.+)@(\d+)$/.exec(text) ?? [];
  return { kind: 'mask', path, frame: Number(frame) };
}

/**
 * Writes the masks of an object that was pointed at.
 *
 * @returns the exit code
 */
export async function mask(input: string, options: MaskCommandOptions): Promise<number> {
  const { output, point = [], not = [], box = [], overlay = [], json, quiet = false } = options;
  const prompts: FilePrompt[] = [
    ...point.map((text) => parsePoint(text)),
    ...not.map((text) => parsePoint(text, true)),
    ...box.map(parseObjectBox),
  ].filter((it): it is Exclude<Prompt, { kind: 'mask' }> => it.kind !== 'mask');
  prompts.push(...(options.mask ?? []).map(parseMask));
  const missing =
    output === undefined
      ? '--output to say where to write'
      : prompts.length + overlay.length === 0
        ? '--point, --box, --mask or --overlay to say what to look for'
        : undefined;
  if (output === undefined || missing !== undefined)
    throw new InpaintError('ERR_ARGUMENT', 'mask', `expected ${missing}, got none`);
  const [{ Device }, { trackFile }] = await Promise.all([
    import('../device.js'),
    import('../mask/file.js'),
  ]);
  using stop = stoppable();
  const progress = showProgress(quiet);
  try {
    const { threads, workSize, weights, withShadow } = options;
    using device = Device.create(options.device, { ...(threads !== undefined && { threads }) });
    const result = await trackFile(device, {
      input,
      prompts,
      overlays: overlay.map(parseBox),
      output,
      workSize,
      weights,
      attached: withShadow,
      signal: stop.signal,
      onProgress: progress.update,
      onNote: (message) => {
        if (!quiet) progress.note(message);
      },
    });
    progress.stop();
    if (json) {
      process.stdout.write(`${JSON.stringify({ ...result, device: device.name })}\n`);
    } else if (!quiet) {
      const speed = `${result.frames} masks, ${result.fps.toFixed(1)} a second on ${device.name}`;
      const lost = result.lost ? `; nothing in ${result.lost} frames` : '';
      process.stdout.write(`${output}: ${speed}${lost}\n`);
    }
    return 0;
  } catch (error) {
    progress.stop();
    if (!stop.code) throw error;
    process.stderr.write('stopped; nothing was written\n');
    return stop.code;
  }
}
