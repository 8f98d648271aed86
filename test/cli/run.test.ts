import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { clock } from '../../lib/cli/progress.js';
import { byteCount, type CreateInpainter, run } from '../../lib/cli/run.js';
import type { InpainterOptions } from '../../lib/inpainter.js';
import { version } from '../../lib/version.js';
import { flat, makeClip, makeImage, probe, scratch } from '../video/clips.js';
import { standIn } from '../video/stand_in.js';

const at = scratch();
let made: InpainterOptions[] = [];
const create: CreateInpainter = async (options) => {
  made.push(options);
  options.logger?.('a remark');
  return { ...standIn(), device: { name: 'cpu' }, async [Symbol.asyncDispose]() {} };
};

/** Runs the command line here, and says what it printed. */
async function cli(...args: string[]) {
  return withInpainter(create, args);
}

async function withInpainter(make: CreateInpainter | undefined, args: string[]) {
  made = [];
  let stdout = '';
  let stderr = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += text;
      return true;
    }),
  ];
  try {
    return { code: await run(args, make), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

beforeAll(async () => {
  await makeClip(at('in.mp4'), { frames: 10 });
});

describe('align-and-attend', () => {
  it('writes a video and says so', async () => {
    const mask = await makeImage(at('mask.png'), [64, 48], 'gray', Array(64 * 48).fill(1));
    const { code, stdout, stderr } = await cli(at('in.mp4'), '--mask', mask, '-o', at('out.mp4'));
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'note: a remark\nnote: the mask removes 100 % of the picture of frame 0; if it is white ' +
        'where nothing is to be removed, invert it (--invert)\n',
    });
    expect(stdout).toMatch(
      /out\.mp4: h264 \(crf 16, preset fast, yuv420p\); 10 frames, [\d.]+ a second on cpu; 50\.0 % of what was removed/,
    );
    expect((await probe(at('out.mp4'))).tracks[0]?.packets).toHaveLength(10);
  });

  it('wants to know where the queue is that it works on', async () => {
    const { code, stderr } = await cli('worker');
    expect(code).toBe(2);
    expect(stderr).toContain('expected --redis to say where the queue is');
  });

  it('prints one line of JSON when told to', async () => {
    const box = ['--box', '0,0,8,8@2-3', '-b', '8,8,8,8@3-4'];
    const { code, stdout } = await cli(at('in.mp4'), ...box, '-o', at('json.mp4'), '--json');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual({
      output: at('json.mp4'),
      frames: 10,
      resumed: 0,
      masked: 3,
      coverage: 0.5,
      givenUp: 0,
      concealed: [],
      encoding: 'h264 (crf 16, preset fast, yuv420p)',
      seconds: expect.any(Number),
      fps: expect.any(Number),
      device: 'cpu',
    });
  });

  it('writes a report with what it was told and what it told', async () => {
    const args = ['--box', '0,0,8,8@2-', '-o', at('reported.mp4'), '--work-size', '256'];
    const more = ['--to', '0:00.6', '--report', at('report.html')];
    const { code, stdout, stderr } = await cli(at('in.mp4'), ...args, ...more);
    const notes = ['a remark', `all of ${at('reported.mp4')} is encoded anew`];
    const told = notes.map((note) => `note: ${note}\n`).join('');
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: told });
    const page = await readFile(at('report.html'), 'utf8');
    for (const [name, value] of [
      ['input', at('in.mp4')],
      ['box', '0,0,8,8@2-'],
      ['work-size', '256'],
      ['to', '0.6s'],
      ['all others', `the defaults of align-and-attend ${version}`],
      ['Device', 'cpu'],
      ['Encoded as', 'h264 (crf 16, preset fast, yuv420p)'],
    ]) {
      expect(page).toContain(`<dt>${name}</dt><dd>${value}</dd>`);
    }
    expect(page).toContain('<li>a remark</li>');
  });

  it('writes one frame', async () => {
    const args = [at('in.mp4'), '--box', '0,0,8,8', '--preview', '4', '-o', at('four.png')];
    const { code, stdout } = await cli(...args);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${at('four.png')}: frame 4; 50.0 % of what was removed is seen in other frames\n`,
    });
    expect(JSON.parse((await cli(...args, '--json')).stdout)).toEqual({
      output: at('four.png'),
      frame: 4,
      coverage: 0.5,
      seconds: expect.any(Number),
      device: 'cpu',
    });
  });

  it('prints nothing when told to', async () => {
    const args = [at('in.mp4'), '--box', '0,0,8,8@9', '-o', at('quiet.mp4'), '--quiet'];
    expect(await cli(...args)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('hands all options on', async () => {
    const args =
      '--device cpu --threads 2 --work-size 256 --dilate 0 --max-references 4 --reference-stride 5';
    const more = ['--memory-limit', '1.5G', '--weights', 'w.safetensors'];
    await cli(at('in.mp4'), '--box', '0,0,8,8', '-o', at('all.mp4'), ...args.split(' '), ...more);
    expect(made).toEqual([
      {
        device: 'cpu',
        threads: 2,
        workSize: 256,
        dilate: 0,
        maxReferences: 4,
        referenceStride: 5,
        memoryLimit: 1.5 * 2 ** 30,
        weights: 'w.safetensors',
        logger: expect.any(Function),
      },
    ]);
  });

  it('takes a part, a codec and what else is of files', async () => {
    const mask = await makeImage(at('black.png'), [64, 48], 'gray', Array(64 * 48).fill(0));
    const args = [
      '--mask',
      mask,
      '--invert',
      '--from',
      '2',
      '--to',
      '0:00.6',
      '-o',
      at('part.mkv'),
    ];
    const more = ['--codec', 'ffv1', '--pix-fmt', 'yuv422p', '--on-error', 'keep', '--deinterlace'];
    const { code, stdout, stderr } = await cli(at('in.mp4'), ...args, ...more, '--json');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ masked: 4, encoding: 'ffv1 (yuv422p)' });
    const encoder = ['--codec', 'hevc', '--crf', '35', '--preset', 'ultrafast'];
    const hevc = await cli(at('in.mp4'), '--box', '0,0,8,8', '-o', at('hevc.mp4'), ...encoder);
    expect(hevc.stdout).toMatch(/hevc\.mp4: hevc \(crf 35, preset ultrafast, yuv420p\); 10 frames/);
  });

  it('works with the real inpainter', async () => {
    const args = [at('in.mp4'), '--box', '20,10,16,16', '-o', at('real.mkv'), '--json'];
    const { code, stdout } = await withInpainter(undefined, [...args, '--device', 'cpu']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ frames: 10, masked: 10, device: 'cpu' });
    expect((await probe(at('real.mkv'))).tracks[0]?.packets).toHaveLength(10);
  });

  for (const [args, message] of [
    [[], /missing required argument 'input'/],
    [['in.mp4'], /--output to say where/],
    [['in.mp4', '-o', 'out.mp4'], /--mask or --box to say what/],
    [['in.mp4', '-o', 'out.mp4', '--nonsense'], /unknown option '--nonsense'/],
    [['in.mp4', '-o', 'out.mp4', '--dilate', 'x'], /whole number/],
    [['in.mp4', '-o', 'out.mp4', '--device', 'gpu'], /auto, cpu, cuda or cuda:N/],
    [['in.mp4', '-o', 'out.mp4', '--memory-limit', 'much'], /size like 2G/],
    [['in.mp4', '-o', 'out.mp4', '--from', 'soon'], /a frame as 90, or a time/],
    [['IN', '-o', 'OUT.mp4', '--box', '1,2,3,4', '--preview', '4'], /ends in \.png, got/],
    [
      ['IN', '-o', 'OUT.mp4', '--box', '1,2,3,4', '--report', 'r.txt'],
      /ends in \.html, got r\.txt/,
    ],
    [
      ['in.mp4', '-o', 'a.png', '--preview', '4', '--crf', '3'],
      /'--preview <n>' cannot be used with/,
    ],
    [['in.mp4', '-o', 'a.png', '--preview', 'x'], /whole number/],
    [['in.mp4', '-o', 'out.mp4', '--crf', 'low'], /has to be a number/],
    [['in.mp4', '-o', 'out.mp4', '--on-error', 'maybe'], /Allowed choices are stop, keep/],
    [['IN', '-o', 'OUT.mp4', '--box', '1,2,3,4', '--codec', 'divx'], /a codec of h264,.*got divx/],
    [['IN', '-o', 'OUT', '--box', '1,2,3'], /expected a box as x,y,width,height/],
    [['IN', '-o', 'IN', '--box', '1,2,3,4'], /other than what is read/],
    [['IN', '-o', 'OUT.avi', '--box', '1,2,3,4'], /that ends in \.mp4/],
  ] as const) {
    it(`takes for wrong usage: ${args.join(' ')}`, async () => {
      const real = args.map((arg) =>
        arg.replace('IN', at('in.mp4')).replace('OUT', at('usage.mp4')),
      );
      const { code, stdout, stderr } = await cli(...real, '--quiet');
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: [^\n]+\n$/);
      expect(stderr).toMatch(message);
      const { error } = JSON.parse((await cli(...real, '--json')).stdout);
      expect(error).toEqual({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    });
  }

  it('says in one line what failed, and in JSON with its code', async () => {
    const args = [at('missing.mp4'), '--box', '1,2,3,4', '-o', at('x.mp4'), '--json', '-q'];
    const { code, stdout, stderr } = await cli(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: openVideo: expected .*missing\.mp4 .*, got no such file\n$/);
    expect(JSON.parse(stdout).error.code).toBe('ERR_MEDIA');
  });

  it('tells its version and how it is used', async () => {
    expect(await cli('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const { code, stdout } = await cli('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/--mask <path>.*Examples:.*Exit codes:/s);
  });
});

describe('inspect', () => {
  it('tells of devices, weights and FFmpeg', async () => {
    const { code, stdout } = await cli('inspect', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      version,
      auto: expect.any(String),
      instructionSet: expect.any(String),
      threads: expect.any(Number),
      devices: expect.arrayContaining([expect.objectContaining({ name: 'cpu', usable: true })]),
      weights: { bytes: expect.any(Number), format: 'align-and-attend 3' },
      video: { ffmpeg: expect.any(String) },
    });
    const lines = (await cli('inspect')).stdout.split('\n');
    expect(lines[0]).toBe(`version          ${version}`);
    expect(lines.find((line) => line.startsWith('cpu'))).toMatch(/usable/);
  });

  it('tells what a video is', async () => {
    await makeClip(at('fields.mkv'), { interlaced: 'bottom first', audio: true });
    const { code, stdout } = await cli('inspect', at('fields.mkv'));
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      `video ${at('fields.mkv')}`,
      'size 64 x 48',
      'frames 10, 10 a second',
      'fields interlaced, bottom first',
      'streams video 0 h264 yuv420p',
      ' audio 1 aac',
      '',
    ]);
    expect(JSON.parse((await cli('inspect', at('fields.mkv'), '--json')).stdout)).toMatchObject({
      frames: 10,
      framesGuessed: false,
      fieldOrder: 'bottom first',
      cutOff: false,
    });
  });

  it('says what is wrong with weights', async () => {
    const { code, stdout } = await cli('inspect', '--weights', at('none.safetensors'), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).weights.error).toMatch(/none\.safetensors/);
  });
});

describe.skipIf(process.platform === 'win32')('signals', () => {
  const file = fileURLToPath(new URL('./run_in_child.ts', import.meta.url));
  beforeAll(() => makeClip(at('long.mp4'), { frames: 100 }));
  const start = async (output: string, ...more: (string | NodeJS.ProcessEnv)[]) => {
    const args = ['--import', 'tsx', file, at('long.mp4'), '--box', '0,0,8,8', '-o', output];
    const child = spawn(
      process.execPath,
      [...args, ...more.filter((it) => typeof it === 'string')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: Object.assign({}, process.env, ...more.filter((it) => typeof it === 'object')),
      },
    );
    // Its temporary file, or its manifest, tells that it is at work.
    const isAtWork = (name: string) => name.includes('.part') || name.endsWith('manifest.json');
    while (!(await readdir(at(''), { recursive: true })).some(isAtWork)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return child;
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`${signal} stops, and leaves nothing`, async () => {
      const child = await start(at('signal.mp4'));
      let stderr = '';
      child.stderr.on('data', (text) => {
        stderr += text;
      });
      child.kill(signal);
      expect(await once(child, 'exit')).toEqual([code, null]);
      expect(stderr).toMatch(/stopped; nothing was written/);
      const files = await readdir(at(''));
      expect(files.filter((name) => name.includes('.part') || name === 'signal.mp4')).toEqual([]);
    });
  }

  it('SIGINT keeps what is finished, with --resume', async () => {
    const child = await start(at('kept.mp4'), '--resume');
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(stderr).toMatch(/stopped; the same command goes on from what is finished/);
    expect(await readdir(at('.kept.mp4.work'))).toContain('manifest.json');
    const fast = { STAND_IN_MILLISECONDS: '0' };
    const again = await start(at('kept.mp4'), '--resume', fast);
    expect(await once(again, 'exit')).toEqual([0, null]);
    expect((await readdir(at(''))).filter((name) => name.startsWith('.kept'))).toEqual([]);
  });

  it('a second one stops at once', async () => {
    const child = await start(at('twice.mp4'));
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    const files = await readdir(at(''));
    expect(files.filter((name) => name.includes('.part') || name === 'twice.mp4')).toEqual([]);
  });
});

it('counts bytes and seconds', () => {
  expect(['2G', '512M', '1.5GiB', '64kb', '100'].map(byteCount)).toEqual([
    2 ** 31,
    2 ** 29,
    1.5 * 2 ** 30,
    65536,
    100,
  ]);
  for (const text of ['', '-1', '0', 'G', '1X'])
    expect(() => byteCount(text)).toThrow('2G or 512M');
  expect([0, 59.6, 65, 3723].map(clock)).toEqual(['0:00', '1:00', '1:05', '1:02:03']);
});

it('goes on when nobody reads what it prints', async () => {
  const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
  const args = ['--import', 'tsx', main, 'inspect'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.destroy();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('starts with a line that makes it a program', async () => {
  const main = new URL('../../lib/cli/main.ts', import.meta.url);
  expect(await readFile(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

describe('align-and-attend mask', () => {
  it('writes masks that the removal takes', async () => {
    const input = await makeClip(at('still.mp4'), { frames: 4, paint: flat(90, 128, 128) });
    const painted = Array.from({ length: 64 * 48 }, (_, i) => (i % 64 < 20 ? 255 : 0));
    const image = await makeImage(at('painted.png'), [64, 48], 'gray', painted);
    const masks = await cli(
      'mask',
      input,
      '--mask',
      `${image}@1`,
      '-o',
      at('followed.mp4'),
      '--json',
    );
    expect({ code: masks.code, stderr: masks.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(masks.stdout)).toMatchObject({ frames: 4, lost: 0, device: 'cpu' });
    const { code, stdout } = await cli(
      input,
      '--mask',
      at('followed.mp4'),
      '-o',
      at('gone.mp4'),
      '--json',
    );
    expect({ code, frames: JSON.parse(stdout).masked }).toEqual({ code: 0, frames: 4 });
  });

  it('looks for overlays in a box, which it takes when there are none', async () => {
    const input = await makeClip(at('blank.mp4'), { frames: 4, paint: flat(90, 128, 128) });
    const args = ['--overlay', '10,10,20,8@1-2', '-o', at('overlay.mp4'), '--json'];
    const { code, stdout, stderr } = await cli('mask', input, ...args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ frames: 4, lost: 2 });
    expect(stderr).toBe('note: no overlay is found in 10,10,20,8 of frame 1; the box is taken\n');
  });

  it('says what is missing, or makes no sense', async () => {
    const bad = async (...args: string[]) => {
      const { code, stderr } = await cli('mask', at('in.mp4'), '-o', at('bad.mp4'), ...args);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await bad()).toContain(
      'expected --point, --box, --mask or --overlay to say what to look for',
    );
    expect(await bad('--point', '3')).toContain("expected a point as x,y or x,y@frame, got '3'");
    expect(await bad('--not', '3,4')).toContain('got points that are not it');
    expect(await bad('--point', '640,4')).toContain('inside 64 x 48, got one at 640, 4');
    expect(await bad('--point', '6,4@10')).toContain(
      'to be less than the 10 frames there are, got 10',
    );
    expect(await bad('--point', '6,4', '--overlay', '1,1,9,9')).toContain('got both');
    const same = await cli('mask', at('in.mp4'), '--point', '3,4', '-o', at('in.mp4'));
    expect(same.stderr).toContain('expected an output other than what is read');
    const none = await cli('mask', at('in.mp4'), '--point', '3,4');
    expect(none.stderr).toContain('expected --output to say where to write, got none');
  });
});
