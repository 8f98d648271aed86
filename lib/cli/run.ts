import { createRequire } from 'node:module';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { DeviceName } from '../device.js';
import { InpaintError } from '../errors.js';
import type { InpainterOptions } from '../inpainter.js';
import { type FrameInpainter, inpaintFile } from '../video/file.js';
import { parseBox } from '../video/masks.js';
import { inspect } from './inspect.js';
import { showProgress } from './progress.js';

/** The package's version. */
export const { version } = createRequire(import.meta.url)('../../package.json') as {
  version: string;
};

const name = 'align-and-attend';

/** What the command line needs of an `Inpainter`. */
interface Worker extends FrameInpainter, AsyncDisposable {
  readonly device: { readonly name: string };
}

/** Makes the inpainter; loaded when it is first needed, so that help and errors come at once. */
export type CreateInpainter = (options: InpainterOptions) => Promise<Worker>;

const createInpainter: CreateInpainter = async (options) => {
  const { Inpainter } = await import('../inpainter.js');
  return Inpainter.create(options);
};

interface Options {
  readonly output?: string;
  readonly mask?: string;
  readonly box?: string[];
  readonly device: DeviceName;
  readonly threads?: number;
  readonly workSize?: number;
  readonly dilate?: number;
  readonly maxReferences?: number;
  readonly referenceStride?: number;
  readonly memoryLimit?: number;
  readonly weights?: string;
  readonly fps?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It has to be a whole number.');
  return Number(text);
}

function deviceName(text: string): DeviceName {
  if (!/^(auto|cpu|cuda(:\d+)?)$/.test(text)) {
    throw new InvalidArgumentError('It has to be auto, cpu, cuda or cuda:N.');
  }
  return text as DeviceName;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It has to be a number above 0.');
  return value;
}

/** Bytes of `2G`, `512M`, `1.5GiB`, `100000`. */
export function byteCount(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * 1024 ** ' kmgt'.indexOf(unit.toLowerCase() || ' '));
  if (!(bytes > 0)) throw new InvalidArgumentError('It has to be a size like 2G or 512M.');
  return bytes;
}

const examples = `
A mask is white where something is to be removed: an image for all frames, a folder of images or a
video. A box is in pixels of the frame as displayed; frames count from 0.

Examples:
  align-and-attend street.mp4 --mask person.mp4 -o clean.mp4
  align-and-attend street.mp4 --box 20,20,120,40 --box 400,80,60,200@30-90 -o clean.mp4
  align-and-attend frames/ --mask masks/ -o clean/
  align-and-attend inspect

Exit codes: 0 done, 1 failed, 2 wrong usage; 130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP.
`;

/** Which signals end the work, and what the shell is told then. */
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Runs the command line.
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C (143 by SIGTERM,
 *   129 by SIGHUP)
 */
export async function run(
  args: readonly string[],
  create: CreateInpainter = createInpainter,
): Promise<number> {
  const json = args.includes('--json');
  let code = 0;
  const program = new Command(name)
    .description('Removes objects from video.')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .argument('<input>', 'a video, or a folder of images')
    .option('-o, --output <path>', 'a video (.mp4 .mov .mkv .webm), or a folder for PNG')
    .option('-m, --mask <path>', 'an image, a folder of images or a video: white is removed')
    .option(
      '-b, --box <x,y,w,h[@from-to]>',
      'remove a box, may be repeated',
      (box, all: string[] = []) => [...all, box],
    )
    .option('-d, --device <name>', 'auto, cpu, cuda or cuda:N', deviceName, 'auto')
    .option('--threads <n>', 'threads of the CPU (default: all)', integer)
    .option('--work-size <n>', 'longer side at which the network runs (default: 512)', integer)
    .option('--dilate <n>', 'pixels, at that size, by which holes grow (default: 4)', integer)
    .option('--max-references <n>', 'most reference frames (default: 16)', integer)
    .option(
      '--reference-stride <n>',
      'frames from one far reference to the next (default: 10)',
      integer,
    )
    .option('--memory-limit <size>', 'most memory to use, such as 2G (default: none)', byteCount)
    .option('--weights <file>', 'other weights than those of the package')
    .option('--fps <n>', 'frames a second of a folder of images (default: 25)', positive)
    .option('--json', 'print the result as one line of JSON')
    .option('-q, --quiet', 'print errors only')
    .addHelpText('after', examples)
    .action(async (input: string, options: Options) => {
      code = await inpaint(input, options, create);
    });
  program
    .command('inspect')
    .description('show the version, the devices and why each is or is not used, and the weights')
    .option('--weights <file>', 'other weights than those of the package')
    .option('--json', 'print one line of JSON')
    .exitOverride()
    .action(async (options: { weights?: string; json?: boolean }) => inspect(version, options));
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (json) printError('ERR_ARGUMENT', error.message.replace(/^error: /, ''));
      return 2;
    }
    const { message } = error as Error;
    const errorCode = error instanceof InpaintError ? error.code : 'ERR_INTERNAL';
    process.stderr.write(`error: ${message.replaceAll('\n', ' ')}\n`);
    if (json) printError(errorCode, message);
    return errorCode === 'ERR_ARGUMENT' ? 2 : 1;
  }
}

function printError(code: string, message: string): void {
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
}

async function inpaint(input: string, options: Options, create: CreateInpainter): Promise<number> {
  const { output, mask, box = [], fps, json, quiet = false, device } = options;
  const masks = [...(mask === undefined ? [] : [mask]), ...box.map(parseBox)];
  if (output === undefined) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      name,
      'expected --output to say where to write, got none',
    );
  }
  if (!masks.length) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      name,
      'expected --mask or --box to say what to remove, got neither',
    );
  }
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
  const progress = showProgress(quiet);
  const note = (message: string) => {
    if (!quiet) progress.note(message);
  };
  try {
    await using inpainter = await create({
      device,
      logger: note,
      ...(options.threads !== undefined && { threads: options.threads }),
      ...(options.workSize !== undefined && { workSize: options.workSize }),
      ...(options.dilate !== undefined && { dilate: options.dilate }),
      ...(options.maxReferences !== undefined && { maxReferences: options.maxReferences }),
      ...(options.referenceStride !== undefined && { referenceStride: options.referenceStride }),
      ...(options.memoryLimit !== undefined && { memoryLimit: options.memoryLimit }),
      ...(options.weights !== undefined && { weights: options.weights }),
    });
    const result = await inpaintFile(inpainter, {
      input,
      mask: masks,
      output,
      fps,
      signal: abort.signal,
      onProgress: progress.update,
      onWarning: note,
    });
    progress.stop();
    const { name: ranOn } = inpainter.device;
    if (json) {
      process.stdout.write(`${JSON.stringify({ ...result, device: ranOn })}\n`);
    } else if (!quiet) {
      const speed = `${result.frames} frames, ${result.fps.toFixed(1)} a second on ${ranOn}`;
      const seen = `${(result.coverage * 100).toFixed(1)} % of what was removed`;
      process.stdout.write(`${output}: ${speed}; ${seen} is seen in other frames\n`);
    }
    return 0;
  } catch (error) {
    progress.stop();
    if (!stopped) throw error;
    process.stderr.write('stopped; nothing was written\n');
    if (json) printError('ERR_ABORTED', 'stopped');
    return stopped;
  } finally {
    for (const remove of handlers) remove();
  }
}
