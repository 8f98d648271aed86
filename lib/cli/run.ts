import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { DeviceName } from '../device.js';
import { InpaintError } from '../errors.js';
import type { InpainterOptions } from '../inpainter.js';
import type { StudioOptions } from '../studio/server.js';
import { version } from '../version.js';
import { containers, type VideoCodec } from '../video/encoding.js';
import { type FrameInpainter, inpaintFile } from '../video/file.js';
import { type Moment, parseBox, parseMoment } from '../video/masks.js';
import { previewFile } from '../video/preview.js';
import { Report } from '../video/report.js';
import { inspect, inspectVideo } from './inspect.js';
import { type MaskCommandOptions, mask } from './mask.js';
import { showProgress } from './progress.js';
import { stoppable } from './signals.js';
import { studio } from './studio.js';
import { type WorkerCommandOptions, worker } from './worker.js';

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
  readonly invert?: boolean;
  readonly from?: Moment;
  readonly to?: Moment;
  readonly deinterlace?: boolean;
  readonly onError?: 'stop' | 'keep';
  readonly codec?: VideoCodec;
  readonly crf?: number;
  readonly preset?: string;
  readonly pixFmt?: string;
  readonly format?: string;
  readonly resume?: boolean;
  readonly report?: string;
  readonly preview?: number;
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

function number(text: string): number {
  const value = Number(text);
  if (!text.trim() || Number.isNaN(value)) {
    throw new InvalidArgumentError('It has to be a number.');
  }
  return value;
}

function moment(text: string): Moment {
  try {
    return parseMoment(text);
  } catch {
    throw new InvalidArgumentError('It has to be a frame as 90, or a time as 12.5s or 0:12.5.');
  }
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
video. A box is in pixels of the frame as displayed; frames count from 0. Input, mask and output may
be - for the standard input and output, input and mask a URL.

Examples:
  align-and-attend street.mp4 --mask person.mp4 -o clean.mp4
  align-and-attend street.mp4 --box 20,20,120,40 --box 400,80,60,200@30-90 -o clean.mp4
  align-and-attend frames/ --mask masks/ -o clean/
  align-and-attend street.mp4 --mask person.mp4 --preview 120 -o frame.png
  align-and-attend mask street.mp4 --point 310,120@0 -o person.mp4
  align-and-attend studio street.mp4
  align-and-attend worker --redis redis://127.0.0.1:6379
  align-and-attend inspect

Exit codes: 0 done, 1 failed, 2 wrong usage; 130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP.
`;

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
    .argument('<input>', 'a video, a folder of images, a URL or -')
    .option(
      '-o, --output <path>',
      `a video (${Object.keys(containers).join(' ')}), a folder for PNG, or -`,
    )
    .option('-m, --mask <path>', 'an image, a folder of images or a video: white is removed')
    .option('--invert', 'black is removed')
    .option(
      '-b, --box <x,y,w,h[@from-to]>',
      'remove a box, may be repeated',
      (box, all: string[] = []) => [...all, box],
    )
    .option(
      '--from <moment>',
      'remove nothing before a frame (90) or a time (12.5s, 0:12.5)',
      moment,
    )
    .option('--to <moment>', 'remove nothing after that frame, or from that time on', moment)
    .option('--deinterlace', 'make whole frames of fields (default: fields stay)')
    .addOption(
      new Option(
        '--on-error <what>',
        'stop at damage, or keep what is there (default: stop)',
      ).choices(['stop', 'keep']),
    )
    .option(
      '--codec <name>',
      'h264 hevc av1 vp9 prores dnxhd ffv1 (default: h264; vp9 in .webm; ProRes, DNxHD and FFV1 stay)',
    )
    .option('--crf <n>', 'quality, less is better (default: 16 for h264)', number)
    .option('--preset <name>', 'time the encoder takes (default: fast for h264)')
    .option('--pix-fmt <name>', "pixel format (default: the source's, or the nearest)")
    .option(
      '--format <name>',
      `container of - or a device: ${[...new Set(Object.values(containers))].join(' ')} (default: matroska)`,
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
    .option(
      '--resume',
      'keep what is finished until all is, and go on from what an earlier run left',
    )
    .option('--report <file>', 'write a page (.html) that tells how it went and where to look')
    .addOption(
      new Option('--preview <n>', 'write frame n alone, as a PNG')
        .argParser(integer)
        .conflicts(['codec', 'crf', 'preset', 'pixFmt', 'format', 'report', 'resume']),
    )
    .option('--json', 'print the result as one line of JSON')
    .option('-q, --quiet', 'print errors only')
    .addHelpText('after', examples)
    .action(async (input: string, options: Options) => {
      code = await inpaint(input, options, create);
    });
  program
    .command('inspect')
    .description('show the version, the devices and why each is or is not used, and the weights')
    .argument('[video]', 'show what this video is instead')
    .option('--weights <file>', 'other weights than those of the package')
    .option('--json', 'print one line of JSON')
    .exitOverride()
    .action(async (video: string | undefined, options: { weights?: string; json?: boolean }) =>
      video === undefined ? inspect(version, options) : inspectVideo(video, options),
    );
  const several = (value: string, all: string[] = []) => [...all, value];
  program
    .command('mask')
    .description('follow an object that is pointed at, and write its masks for --mask')
    .argument('<input>', 'a video, or a folder of images')
    .option('-o, --output <path>', 'a video (.mp4 .mov .mkv .webm), or a folder for PNG')
    .option('-p, --point <x,y[@frame]>', 'the object is here, may be repeated', several)
    .option('-n, --not <x,y[@frame]>', 'the object is not here, may be repeated', several)
    .option('-b, --box <x,y,w,h[@frame]>', 'the object is in this box', several)
    .option('-m, --mask <path[@frame]>', 'an image that is white where the object is', several)
    .option('--with-shadow', 'and its shadow, its reflection, what it carries')
    .option('--overlay <x,y,w,h[@from-to]>', 'find text and overlays in this box instead', several)
    .option('-d, --device <name>', 'auto, cpu, cuda or cuda:N', deviceName, 'auto')
    .option('--threads <n>', 'threads of the CPU (default: all)', integer)
    .option('--work-size <n>', 'longer side at which frames are compared (default: 432)', integer)
    .option('--weights <file>', 'other weights than those of the package')
    .option('--json', 'print the result as one line of JSON')
    .option('-q, --quiet', 'print errors only')
    .exitOverride()
    .action(async (input: string, options: MaskCommandOptions) => {
      code = await mask(input, options);
    });
  program
    .command('studio')
    .description('open a page in the browser to point at an object, look, correct and remove it')
    .argument('[video]', 'a video, or a folder of images; if left out, the page opens one')
    .option('--project <file>', 'a project of that video, as the page saves it')
    .option('--port <n>', 'port on 127.0.0.1 (default: one that is free)', integer)
    .option('-d, --device <name>', 'auto, cpu, cuda or cuda:N', deviceName, 'auto')
    .option('--threads <n>', 'threads of the CPU (default: all)', integer)
    .option('--work-size <n>', 'longer side at which the network runs (default: 512)', integer)
    .option('--weights <file>', 'other weights than those of the package')
    .exitOverride()
    .action(async (video: string | undefined, options: Omit<StudioOptions, 'video'>) => {
      code = await studio({ ...options, video });
    });
  program
    .command('worker')
    .description('work on what is in a queue (BullMQ), beside other workers, until it is stopped')
    .option('--redis <url>', 'where the queue is: redis://host:6379')
    .option('--queue <name>', 'name of the queue (default: align-and-attend)')
    .option(
      '-d, --device <name>',
      'cpu or cuda:N, may be repeated (default: all GPUs, or the CPU)',
      (text: string, all: DeviceName[] = []) => [...all, deviceName(text)],
    )
    .option('--concurrency <n>', 'parts that a device works on at a time (default: 1)', integer)
    .option('--root <folder>', 'what relative paths of jobs start at (default: this folder)')
    .option('--bucket <name>', 'files are in this bucket of S3 instead')
    .option('--endpoint <url>', 'of what speaks as S3 does')
    .option('--threads <n>', 'threads of the CPU (default: all)', integer)
    .option('--weights <file>', 'other weights than those of the package')
    .option('-q, --quiet', 'print errors only')
    .exitOverride()
    .action(async (options: WorkerCommandOptions) => {
      code = await worker(options);
    });
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
    if (json && program.opts<Options>().output !== '-') printError(errorCode, message);
    return errorCode === 'ERR_ARGUMENT' ? 2 : 1;
  }
}

function printError(code: string, message: string): void {
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
}

/** What a report tells of the command line. */
function settingsOf(input: string, options: Options): [string, string][] {
  const { output, report, json, quiet, ...given } = options;
  const text = (value: unknown) =>
    typeof value === 'object' && value !== null && 'seconds' in value
      ? `${value.seconds}s`
      : Array.isArray(value)
        ? value.join(' ')
        : String(value);
  const rows = Object.entries(given).map(([key, value]): [string, string] => [
    key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    text(value),
  ]);
  return [['input', input], ...rows, ['all others', `the defaults of ${name} ${version}`]];
}

async function inpaint(input: string, options: Options, create: CreateInpainter): Promise<number> {
  const { output, mask, box = [], json, quiet = false, device } = options;
  // Where frames go to the standard output, nothing else may.
  const print = (line: string) => (output === '-' ? process.stderr : process.stdout).write(line);
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
  using stop = stoppable();
  const progress = showProgress(quiet);
  const notes: string[] = [];
  const note = (message: string) => {
    notes.push(message);
    if (!quiet) progress.note(message);
  };
  try {
    const report = options.report === undefined ? undefined : await Report.create(options.report);
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
    const { name: ranOn } = inpainter.device;
    const job = {
      input,
      mask: masks,
      output,
      fps: options.fps,
      invert: options.invert,
      from: options.from,
      to: options.to,
      deinterlace: options.deinterlace,
      onError: options.onError,
      signal: stop.signal,
      onWarning: note,
    };
    if (options.preview !== undefined) {
      const result = await previewFile(inpainter, { ...job, frame: options.preview });
      const seen = `${(result.coverage * 100).toFixed(1)} % of what was removed`;
      if (json) print(`${JSON.stringify({ ...result, device: ranOn })}\n`);
      else if (!quiet) print(`${output}: frame ${result.frame}; ${seen} is seen in other frames\n`);
      return 0;
    }
    const result = await inpaintFile(inpainter, {
      ...job,
      codec: options.codec,
      crf: options.crf,
      preset: options.preset,
      pixelFormat: options.pixFmt,
      format: options.format,
      resume: options.resume,
      onProgress: progress.update,
      report,
    });
    progress.stop();
    await report?.write({ result, device: ranOn, settings: settingsOf(input, options), notes });
    if (json) {
      print(`${JSON.stringify({ ...result, device: ranOn })}\n`);
    } else if (!quiet) {
      const speed = `${result.frames} frames, ${result.fps.toFixed(1)} a second on ${ranOn}`;
      const seen = `${(result.coverage * 100).toFixed(1)} % of what was removed`;
      const { givenUp } = result;
      const less = givenUp ? `; ${givenUp} references were given up to save memory` : '';
      print(`${output}: ${result.encoding}; ${speed}; ${seen} is seen in other frames${less}\n`);
    }
    return 0;
  } catch (error) {
    progress.stop();
    if (!stop.code) throw error;
    const isKept = options.resume && output !== undefined;
    const left = isKept ? 'the same command goes on from what is finished' : 'nothing was written';
    process.stderr.write(`stopped; ${left}\n`);
    if (json && output !== '-') printError('ERR_ABORTED', 'stopped');
    return stop.code;
  }
}
