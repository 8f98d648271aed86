import { stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { InpaintError } from '../errors.js';
import { type FFmpeg, ffmpeg, fileError, mediaError } from './ffmpeg.js';
import type { FileResult, FrameInpainter } from './file.js';
import { type FramePair, type Image, toImage } from './image.js';
import { Pictures } from './pictures.js';
import type { VideoReader } from './reader.js';
import { turned } from './rotation.js';

const op = 'Report';

/** Longer side of the report's pictures. */
const pictureSide = 480;

/** Parts that a chart is divided into at most, and rows of its table. */
const chartColumns = 600;
const tableRows = 24;

/** What a {@link Report} cannot see by itself. */
export interface ReportFacts {
  readonly result: FileResult;
  /** The name of the device that the work was done on. */
  readonly device: string;
  /** Names and values. */
  readonly settings: readonly (readonly [string, string])[];
  /** What the user was told. */
  readonly notes: readonly string[];
}

/** A frame worth looking at, in small pictures. */
interface Moment {
  readonly index: number;
  readonly coverage: number;
  readonly share: number;
  readonly before: Image;
  readonly mask: Image;
  readonly after: Image;
}

/** The frames with the highest scores that lie some frames apart. */
class Best {
  readonly reason: string;
  readonly #most: number;
  readonly #apart: number;
  #kept: { readonly moment: Moment; readonly score: number }[] = [];

  constructor(reason: string, most: number, apart: number) {
    this.reason = reason;
    this.#most = most;
    this.#apart = apart;
  }

  get moments(): Moment[] {
    return this.#kept.map(({ moment }) => moment);
  }

  /** Those that would stay beside a frame; undefined if it is not among the best. */
  #beside(index: number, score: number) {
    const near = this.#kept.filter((it) => Math.abs(it.moment.index - index) < this.#apart);
    if (near.some((it) => it.score >= score)) return undefined;
    const others = this.#kept.filter((it) => !near.includes(it));
    if (others.length < this.#most) return others;
    const worst = others.reduce((a, b) => (b.score < a.score ? b : a));
    return worst.score < score ? others.filter((it) => it !== worst) : undefined;
  }

  wants(index: number, score: number): boolean {
    return this.#beside(index, score) !== undefined;
  }

  add(moment: Moment, score: number): void {
    const others = this.#beside(moment.index, score) ?? [];
    this.#kept = [...others, { moment, score }];
  }
}

/**
 * A page that tells how a run went and where to look: settings, speed, coverage along time, and
 * frames before and after where least is known, where the hole is largest, and at cuts. It is one
 * file that asks for no others.
 *
 * Two numbers are kept of each frame, pictures only of the frames that are shown and of those whose
 * completion is not there yet.
 *
 * ```ts
 * const report = await Report.create('report.html');
 * const result = await inpaintFile(inpainter, { input, mask, output, report });
 * await report.write({ result, device: inpainter.device.name, settings: [], notes: [] });
 * ```
 */
export class Report {
  readonly path: string;
  readonly #av: FFmpeg;
  readonly #coverage: number[] = [];
  /** Share of the picture that is hole. */
  readonly #share: number[] = [];
  /** First frames of shots. */
  readonly #cuts: number[] = [];
  #fps = 25;
  #lists: Best[] = [];

  private constructor(av: FFmpeg, path: string) {
    this.#av = av;
    this.path = path;
  }

  /**
   * Prepares a report; nothing is written before {@link write}.
   *
   * @param path ends in .html; a file of that name is replaced
   * @throws InpaintError (rejects) ERR_ARGUMENT (another extension), ERR_MEDIA (no such folder)
   */
  static async create(path: string): Promise<Report> {
    if (!/\.html?$/i.test(path)) {
      const message = `expected a report that ends in .html, got ${path}`;
      throw new InpaintError('ERR_ARGUMENT', op, message);
    }
    const folder = await stat(dirname(resolve(path))).catch(() => undefined);
    if (!folder?.isDirectory()) throw mediaError(op, `the folder of ${path} to exist`, 'none');
    return new Report(await ffmpeg(op), path);
  }

  /** @internal The same inpainter, while the report looks on. */
  watch(inpainter: FrameInpainter, video: VideoReader): FrameInpainter {
    this.#fps = video.fps;
    const apart = Math.max(1, video.fps, (video.frames ?? 0) / 24);
    this.#lists = [
      new Best('least is known', 3, apart),
      new Best('largest hole', 2, apart),
      new Best('after a cut', 3, 1),
    ];
    return { inpaint: (source, options) => this.#watched(inpainter, video, source, options) };
  }

  async *#watched(
    inpainter: FrameInpainter,
    { width, height, rotation }: VideoReader,
    source: AsyncIterable<FramePair>,
    options: Parameters<FrameInpainter['inpaint']>[1],
  ) {
    using pictures = new Pictures(this.#av, op);
    const factor = Math.min(1, pictureSide / Math.max(width, height));
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * factor)));
    const shrink = (image: Image, format: 'rgb24' | 'gray') => {
      const steps = [`scale=${w}:${h}:flags=area`, ...turned[rotation], `format=${format}`];
      return pictures.filter(image, steps);
    };
    const waiting = new Map<number, { readonly before: Image; readonly mask: Image }>();
    async function* seen() {
      let index = 0;
      for await (const pair of source) {
        const mask = toImage(op, 'mask', pair.mask);
        if (mask.data.includes(255)) {
          const before = await shrink(toImage(op, 'frame', pair.frame), 'rgb24');
          waiting.set(index, { before, mask: await shrink(mask, 'gray') });
        }
        index += 1;
        yield pair;
      }
    }
    /** Of the latest frame with a hole. */
    let shot = 0;
    for await (const frame of inpainter.inpaint(seen(), options)) {
      const { index, coverage } = frame;
      if (frame.shot > (this.#cuts.at(-1) ?? 0)) this.#cuts.push(frame.shot);
      const small = waiting.get(index);
      let hole = 0;
      for (const value of small?.mask.data ?? []) hole += value / 255;
      const share = small ? Math.max(hole / small.mask.data.length, 1 / (width * height)) : 0;
      this.#coverage.push(coverage);
      this.#share.push(share);
      if (small) {
        waiting.delete(index);
        const isCut = frame.shot > shot;
        const scores = [1 - coverage, share, isCut ? 2 - coverage : 0];
        const lists = this.#lists
          .map((list, i) => ({ list, score: scores[i] as number }))
          .filter(({ list, score }) => score > 0 && list.wants(index, score));
        if (lists.length) {
          const moment = { index, coverage, share, ...small, after: await shrink(frame, 'rgb24') };
          for (const { list, score } of lists) list.add(moment, score);
        }
        shot = frame.shot;
      }
      yield frame;
    }
  }

  /**
   * Writes the page, once the run is over.
   *
   * @throws InpaintError (rejects) ERR_MEDIA when it cannot be written there
   */
  async write(facts: ReportFacts): Promise<void> {
    const byIndex = new Map<number, { readonly moment: Moment; readonly reasons: string[] }>();
    for (const { reason, moments } of this.#lists) {
      for (const moment of moments) {
        const { index } = moment;
        const known = byIndex.get(index) ?? { moment, reasons: [] };
        known.reasons.push(reason);
        byIndex.set(index, known);
      }
    }
    const shown = [...byIndex.values()].sort((a, b) => a.moment.index - b.moment.index);
    using pictures = new Pictures(this.#av, op);
    const url = async (image: Image) =>
      `data:image/jpeg;base64,${(await pictures.encode(image, 'jpeg', [])).toString('base64')}`;
    const cards: Html[] = [];
    for (const { moment, reasons } of shown) {
      const { before, mask, after } = moment;
      const urls = [await url(before), await url(marked(before, mask)), await url(after)];
      cards.push(this.#card(moment, cards.length + 1, reasons, urls));
    }
    const page = this.#page(
      facts,
      cards,
      shown.map(({ moment }) => moment.index),
    );
    await writeFile(this.path, page.text).catch((cause) => {
      throw fileError(op, `to write ${this.path}`, cause);
    });
  }

  #time(index: number): string {
    return new Date((index / this.#fps) * 1000).toISOString().slice(11, 21);
  }

  #card(
    { index, coverage, share, before }: Moment,
    number: number,
    reasons: string[],
    urls: string[],
  ): Html {
    const names = ['before', 'mask', 'after'];
    const figures = urls.map(
      (url, i) => html`<figure><img src="${url}" width="${before.width}" height="${before.height}"
alt="frame ${index}, ${names[i] as string}"><figcaption>${names[i] as string}</figcaption></figure>`,
    );
    return html`<article id="moment-${number}">
<h3><span class="number">${number}</span> Frame ${index} <small>${this.#time(index)}</small></h3>
<p>${reasons.join(', ')}: the hole is ${percent(share)} of the picture, ${percent(coverage)} of it is seen in other frames</p>
<div class="pictures">${figures}</div></article>
`;
  }

  /** Parts of the video: the least coverage and the largest hole in each. */
  #parts(most: number) {
    const frames = this.#share.length;
    const count = Math.min(most, frames);
    return Array.from({ length: count }, (_, i) => {
      const [from, end] = [i, i + 1].map((at) => Math.floor((at * frames) / count)) as [
        number,
        number,
      ];
      const share = this.#share.slice(from, end);
      const holes = share.filter((value) => value > 0).length;
      // What has no hole counts as covered.
      const coverage = this.#coverage.slice(from, end).reduce((a, b) => Math.min(a, b));
      return { from, end, holes, coverage, share: share.reduce((a, b) => Math.max(a, b)) };
    });
  }

  #charts(shown: readonly number[]): Html {
    const frames = this.#share.length;
    const parts = this.#parts(chartColumns);
    const largest = Math.max(...parts.map(({ share }) => share));
    const at = (index: number) => `${((index + 0.5) / frames) * 100}%`;
    const cuts = this.#cuts.map((index) => `M${(index / frames) * 1000} 0V100`).join('');
    const chart = (name: string, top: number, value: (part: (typeof parts)[number]) => number) => {
      const bars = parts.map(({ holes }, i) => {
        const [x, right] = [i, i + 1].map((column) => round((column / parts.length) * 1000));
        const y = round(100 - (100 * value(parts[i] as (typeof parts)[number])) / top);
        return holes ? `M${x} 100V${y}H${right}V100Z` : '';
      });
      const ticks = [top, top / 2, 0].map((value) => html`<span>${percent(value)}</span>`);
      return html`<h3>${name}</h3>
<div class="chart"><div class="y" aria-hidden="true">${ticks}</div>
<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="${name} along time; the table below has the numbers">
<path class="grid" d="M0 0H1000M0 50H1000M0 100H1000"/><path class="bars" d="${bars.join('')}"/><path class="cuts" d="${cuts}"/></svg></div>
`;
    };
    const marks = shown.map(
      (index, i) =>
        html`<a class="number" href="#moment-${i + 1}" style="left:${at(index)}" aria-label="frame ${index}">${i + 1}</a>`,
    );
    const last = Math.max(0, frames - 1);
    const middle = Math.floor(last / 2);
    const times = [...new Set([0, middle, last])].map(
      (index) => html`<span>frame ${index}<br>${this.#time(index)}</span>`,
    );
    const rows = this.#parts(tableRows).map(
      ({ from, end, holes, coverage, share }) => html`<tr><th scope="row">${from} to ${end - 1}</th>
<td>${this.#time(from)}</td><td>${holes}</td><td>${holes ? percent(coverage) : 'none'}</td><td>${percent(share)}</td></tr>
`,
    );
    return html`<div class="marks">${marks}</div>
${chart('Seen in other frames, share of the hole', 1, ({ coverage }) => coverage)}
${chart('Size of the hole, share of the picture', largest || 1, ({ share }) => share)}
<div class="x" aria-hidden="true">${times}</div>
<p class="quiet">Where nothing is drawn, nothing was removed. The numbers lead to the pictures. ${
      this.#cuts.length
        ? `Dashed lines are cuts: at frame ${this.#cuts.slice(0, 50).join(', ')}${this.#cuts.length > 50 ? ' and more' : ''}.`
        : 'There are no cuts.'
    }</p>
<details><summary>The same as a table</summary><div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">Frames</th><th scope="col">From</th><th scope="col">With a hole</th><th scope="col">Least seen elsewhere</th><th scope="col">Largest hole</th></tr></thead>
<tbody>${rows}</tbody></table></div></details>
`;
  }

  #page(
    { result, device, settings, notes }: ReportFacts,
    cards: readonly Html[],
    shown: readonly number[],
  ): Html {
    const title = basename(result.output);
    const facts = [
      ['Output', result.output],
      ['Encoded as', result.encoding],
      ['Frames', `${result.frames}, ${result.masked} with a hole`],
      ['Seen in other frames', `${percent(result.coverage)} of what was removed, on average`],
      ['Device', device],
      ['Speed', `${result.fps.toFixed(1)} frames a second, ${result.seconds.toFixed(1)} s in all`],
    ] as const;
    const list = (rows: readonly (readonly [string, string])[]) =>
      html`<dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
    return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}: report</title>
<style>${new Html(style)}</style></head>
<body><main>
<h1>${title}</h1>
<section><h2>Result</h2>${list(facts)}</section>
${
  notes.length
    ? html`<section><h2>Notes</h2><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul></section>`
    : ''
}
<section><h2>Along time</h2>${result.masked ? this.#charts(shown) : html`<p>Nothing was removed.</p>`}</section>
<section><h2>Where to look</h2>${cards.length ? [...cards] : html`<p>Nowhere: nothing was removed.</p>`}</section>
<section><h2>Settings</h2>${list(settings)}</section>
</main></body></html>
`;
  }
}

/** A picture, darker, with its hole in red. */
function marked(picture: Image, { data: mask }: Image): Image {
  const data = new Uint8Array(picture.data.length);
  const red = [255, 40, 60];
  for (let i = 0; i < data.length; i++) {
    const hole = (mask[Math.floor(i / 3)] as number) / 255;
    data[i] = (picture.data[i] as number) * 0.45 * (1 - hole) + (red[i % 3] as number) * hole;
  }
  return { ...picture, data };
}

const round = (value: number) => Number(value.toFixed(2));

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 0.1 ? 'less than 0.1' : Number(value.toFixed(1))} %`;
}

/** Text that is HTML already. */
class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** HTML with values in it, which are escaped unless they are HTML themselves. */
function html(
  parts: TemplateStringsArray,
  ...values: readonly (Html | readonly Html[] | string | number)[]
): Html {
  const write = (value: Html | readonly Html[] | string | number): string => {
    if (value instanceof Html) return value.text;
    if (typeof value === 'object') return value.map(({ text }) => text).join('');
    return String(value).replace(/[&<>"']/g, (sign) => entities[sign] as string);
  };
  return new Html(parts.map((part, i) => (i ? write(values[i - 1] as Html) : '') + part).join(''));
}

const style = `
:root { --back: #fff; --text: #1c1e21; --quiet: #5b6168; --line: #d9dce0; --bars: #2467b3; }
@media (prefers-color-scheme: dark) {
  :root { --back: #16181b; --text: #e6e8ea; --quiet: #a2a8af; --line: #3a3f45; --bars: #6ea8ec; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 16px; }
h1, dd, li { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
small, .quiet, figcaption, dt { color: var(--quiet); }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1rem; margin: 0; }
dd { margin: 0; }
.number { display: inline-block; min-width: 1.5rem; padding: 0 .3rem; border-radius: .75rem; text-align: center;
  font: bold .8rem/1.5rem system-ui, sans-serif; color: var(--back); background: var(--bars); text-decoration: none; }
.marks { position: relative; height: 1.5rem; margin: .5rem 0 0 4rem; }
.marks .number { min-width: 1rem; padding: 0 .25rem; position: absolute; transform: translateX(-50%); border: 1px solid var(--back); box-sizing: content-box; }
.chart { display: grid; grid-template-columns: 3.5rem 1fr; gap: .5rem; height: 120px; }
.y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; font-size: .8rem; line-height: 1; }
svg { width: 100%; height: 100%; overflow: visible; }
svg path { vector-effect: non-scaling-stroke; }
.grid { stroke: var(--line); }
.bars { fill: var(--bars); }
.cuts { stroke: var(--text); stroke-dasharray: 3 3; }
.x { display: flex; justify-content: space-between; margin: .5rem 0 0 4rem; font-size: .8rem; line-height: 1.3; text-align: center; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); gap: 8px; }
article p { margin: 0 0 .5rem; }
article p::first-letter { text-transform: uppercase; }
figure { margin: 0; }
img { display: block; width: 100%; height: auto; border-radius: 4px; }
figcaption { font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { white-space: nowrap; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: right; }
`;
