import { mkdir, readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { toImage } from '../../lib/video/image.js';
import { type FrameInpainter, inpaintFile, Report } from '../../lib/video/index.js';
import { type ClipOptions, flat, makeClip, makeImage, scratch } from '../video/clips.js';
import { standIn } from '../video/stand_in.js';

const at = scratch();
const box = '16,8,16,16@5-';

/** Shows least of frames 13 and 40, in two shots; paints white. */
const inpainter: FrameInpainter = {
  async *inpaint(source, { from = 0 }) {
    let index = from;
    for await (const { frame, mask } of source) {
      const { width, height, channels } = toImage('test', 'frame', frame);
      const data = new Uint8Array(width * height * channels).fill(255);
      const least = index === 13 ? 0.25 : index === 40 ? 0.5 : 0.75;
      const coverage = toImage('test', 'mask', mask).data.includes(255) ? least : 1;
      const shot = index < 30 ? 0 : 30;
      yield { data, width, height, channels: channels as 3 | 4, index, coverage, shot };
      index += 1;
    }
  },
};

const clip = (name: string, options: ClipOptions = {}) =>
  makeClip(at(name), { frames: 60, paint: flat(60, 128, 128), ...options });

/** Runs with a report, and returns its page. */
async function reported(input: string, output: string, facts = {}): Promise<string> {
  const report = await Report.create(at('report.html'));
  const result = await inpaintFile(inpainter, { input, mask: box, output, report });
  const more = { device: 'cpu', settings: [['work-size', '256']] as const, notes: ['mind it'] };
  await report.write({ result, ...more, ...facts });
  return readFile(at('report.html'), 'utf8');
}

const numbers = (page: string, pattern: RegExp) =>
  [...page.matchAll(pattern)].map(([, number]) => Number(number));

/** The pixels in the middle of the pictures, and their sizes. */
async function pictures(page: string) {
  const { default: sharp } = await import('sharp');
  const urls = [...page.matchAll(/src="data:image\/jpeg;base64,([^"]+)"/g)];
  return Promise.all(
    urls.map(async ([, data = '']) => {
      const image = sharp(Buffer.from(data, 'base64')).removeAlpha();
      const { data: pixels, info } = await image.raw().toBuffer({ resolveWithObject: true });
      const { width, height } = info;
      const pixel = (x: number, y: number) => [...pixels.subarray((y * width + x) * 3).slice(0, 3)];
      return { width, height, pixel };
    }),
  );
}

describe('Report', () => {
  let page: string;
  beforeAll(async () => {
    await clip('in.mp4');
    page = await reported(at('in.mp4'), at('out.mkv'));
  });

  it('shows the frames of which least is known, the largest hole, and cuts', async () => {
    // Frames of one second lie together; the first of equals stays.
    expect(numbers(page, /Frame (\d+) <small/g)).toEqual([5, 13, 15, 23, 30, 40]);
    expect(page).toMatch(
      /id="moment-2">[\s\S]*?least is known: the hole is 8\.3 % [\s\S]*?25 % of it/,
    );
    expect(page).toMatch(/id="moment-5">[\s\S]*?after a cut/);
    expect(page).toContain('cuts: at frame 30.');
  });

  it('has pictures of before, mask and after', async () => {
    const all = await pictures(page);
    expect(all).toHaveLength(3 * 6);
    const [before, mask, after] = all.slice(3, 6);
    expect(before).toMatchObject({ width: 64, height: 48 });
    const close = (got: number[] | undefined, to: number[]) =>
      to.forEach((value, i) => expect(Math.abs((got?.[i] ?? 999) - value)).toBeLessThan(20));
    const grey = Math.round(((60 - 16) * 255) / 219);
    close(before?.pixel(24, 16), [grey, grey, grey]);
    close(mask?.pixel(24, 16), [255, 40, 60]);
    close(mask?.pixel(50, 40), [23, 23, 23]);
    close(after?.pixel(24, 16), [255, 255, 255]);
  });

  it('tells coverage along time, also as a table', () => {
    const rows = [...page.matchAll(/<th scope="row">(\d+) to (\d+)<\/th>\s*(.*)<\/tr>/g)];
    expect(rows).toHaveLength(24);
    expect([rows[0]?.[1], rows.at(-1)?.[2]]).toEqual(['0', '59']);
    expect(rows[0]?.[3]).toContain('<td>0</td><td>none</td><td>0 %</td>');
    expect(rows[5]?.[3]).toContain('<td>00:00:01.2</td><td>3</td><td>25 %</td><td>8.3 %</td>');
    const [bars = ''] = /class="bars" d="([^"]*)/.exec(page)?.slice(1) ?? [];
    expect(bars.split('Z')).toHaveLength(55 + 1);
    // Frame 13 of 60, a quarter high.
    expect(bars).toContain('M216.67 100V75H233.33V100Z');
    expect(page.match(/<svg [^>]*role="img" aria-label="[^"]+"/g)).toHaveLength(2);
  });

  it('tells settings, device, speed and notes', () => {
    expect(page).toContain('<dt>work-size</dt><dd>256</dd>');
    expect(page).toContain('<dt>Device</dt><dd>cpu</dd>');
    expect(page).toMatch(/<dt>Speed<\/dt><dd>[\d.]+ frames a second, [\d.]+ s in all/);
    expect(page).toContain('<dt>Frames</dt><dd>60, 55 with a hole</dd>');
    expect(page).toContain('<li>mind it</li>');
  });

  it('asks for nothing else, and escapes what it is given', async () => {
    const evil = `<script>alert("1")</script>&'`;
    const output = at(`a"<img src=x onerror=alert(1)>&'.mkv`);
    const settings = [[evil, evil]];
    const hostile = await reported(at('in.mp4'), output, {
      device: evil,
      settings,
      notes: [evil],
    });
    expect(hostile).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;');
    expect(hostile).not.toMatch(/<script|<img src=x|<link|https?:|@import|url\(/);
    expect(hostile).toContain("default-src 'none'; img-src data:; style-src 'unsafe-inline'");
  });

  it('turns pictures as a player does, and makes them small', async () => {
    await clip('large.mp4', { width: 960, height: 320, rotation: 90, frames: 12 });
    const turned = await reported(at('large.mp4'), at('large-out.mkv'));
    expect(await pictures(turned).then(([first]) => first)).toMatchObject({
      width: 160,
      height: 480,
    });
  });

  it('counts frames, not fields, and reads folders', async () => {
    await clip('fields.mkv', { frames: 12, interlaced: 'top first' });
    const fields = await reported(at('fields.mkv'), at('fields-out.mkv'));
    expect(fields).toContain('<dd>12, 7 with a hole</dd>');
    expect(numbers(fields, /<th scope="row">\d+ to (\d+)/g).at(-1)).toBe(11);
    await mkdir(at('folder'));
    for (let i = 0; i < 7; i++) {
      await makeImage(at(`folder/${i}.png`), [64, 48], 'rgb24', Array(64 * 48 * 3).fill(90));
    }
    const folder = await reported(at('folder'), at('folder-out'));
    expect(folder).toContain('<dd>7, 2 with a hole</dd>');
  });

  it('says so when nothing was removed', async () => {
    await clip('short.mp4', { frames: 3 });
    const nothing = await reported(at('short.mp4'), at('short-out.mkv'));
    expect(nothing).toContain('Nowhere: nothing was removed.');
    expect(nothing).not.toContain('<svg');
  });

  it('holds a handful of pictures, however many frames there are', async () => {
    await clip('long.mp4', { width: 16, height: 16, frames: 600 });
    const report = await Report.create(at('long.html'));
    // The longer, the more is known, so that each frame is worse than those before it.
    const worse: FrameInpainter = {
      async *inpaint(source, options) {
        for await (const frame of inpainter.inpaint(source, options)) {
          const { index } = frame;
          yield { ...frame, coverage: 1 - index / 600, shot: index - (index % 5) };
        }
      },
    };
    const job = { input: at('long.mp4'), mask: '2,2,8,8', output: at('long-out.mkv'), report };
    const result = await inpaintFile(worse, job);
    await report.write({ result, device: 'cpu', settings: [], notes: [] });
    const long = await readFile(at('long.html'), 'utf8');
    const shown = numbers(long, /Frame (\d+) <small/g);
    expect(shown.length).toBeLessThanOrEqual(8);
    expect(shown).toContain(599);
    expect(long.match(/<tr><th scope="row"/g)).toHaveLength(24);
  });

  it('is not written when the run fails', async () => {
    const report = await Report.create(at('failed.html'));
    const signal = AbortSignal.abort();
    const job = { input: at('in.mp4'), mask: box, output: at('failed.mkv'), report, signal };
    await expect(inpaintFile(standIn(), job)).rejects.toThrow(/aborted|expected to finish/);
    expect(await readdir(at(''))).not.toContain('failed.html');
  });

  it('has to be a page in a folder that exists', async () => {
    await expect(Report.create(at('out.mp4'))).rejects.toThrow(/ends in \.html, got .*out\.mp4/);
    await expect(Report.create(at('none/out.html'))).rejects.toThrow(/the folder of .* to exist/);
  });
});
