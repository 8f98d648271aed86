import { createHash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { InpaintError } from '../errors.js';
import { expectInteger } from '../expect.js';
import { Inpainter, type InpainterOptions } from '../inpainter.js';
import { type FilePrompt, storedPrompt } from '../mask/file.js';
import { overlayMask } from '../mask/overlay.js';
import type { Prompt } from '../mask/prompts.js';
import { trackMask } from '../mask/track.js';
import { Comparison } from '../video/comparison.js';
import { containers } from '../video/encoding.js';
import { ffmpeg } from '../video/ffmpeg.js';
import { type FrameInpainter, inpaintFile } from '../video/file.js';
import type { FramePair } from '../video/image.js';
import { openMask, stored } from '../video/masks.js';
import { createWriter, openVideo } from '../video/media.js';
import { Pictures } from '../video/pictures.js';
import { lookAhead, lookBehind } from '../video/references.js';
import { turned } from '../video/rotation.js';
import { FrameSeeker } from '../video/seeker.js';
import { MaskLayer } from './masks.js';
import type { JobRequest, Pair, Project, Said, State, Zone } from './protocol.js';
import { JobQueue, type Tell } from './queue.js';
import { expectProject, expectSaid } from './said.js';

const op = 'studio';

/** As the inpainter has them by default; what a preview reads follows from them. */
const references = { maxReferences: 16, referenceStride: 10 } as const;
/** Longer side at which it is estimated what other frames show: a sixth of the run's time. */
const estimateSize = 128;
/** Seconds of a clip around its frame, on either side. */
const clipReach = 1.5;
/** Frames that tell a mask that is made ahead of the others. */
const aheadFrames = 31;
/** Longer side of pictures for the page. */
const longest = 1600;
/** Parts of the timeline. */
const parts = 400;
/** Steps that can be undone. */
const mostSteps = 200;

const nothing: Said = { points: [], paints: [], zones: [], attached: false };

/** What cannot be done now, but may be later. */
export class Busy extends Error {}

/** A file that the page may have. */
export interface Offer {
  readonly path: string;
  readonly name: string;
}

/** How a session works. */
type SessionOptions = Pick<InpainterOptions, 'device' | 'threads' | 'weights' | 'workSize'>;

/** All that is known of one video, and its pictures. */
interface Opened {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** Whether the file is removed with it. */
  readonly isOwn: boolean;
  readonly view: FrameSeeker;
  readonly work: FrameSeeker;
  readonly tracked: MaskLayer;
  readonly text: MaskLayer;
  /** Masks that were painted, in the order in which they came. */
  readonly paints: MaskLayer;
  /** Places in that, by ids. */
  readonly ids: Map<string, number>;
  /** Places in that, by frames of which nothing else was said. */
  readonly painted: Map<number, number>;
  readonly coverage: Float32Array;
  /** Frames of which that is no estimate. */
  readonly measured: Set<number>;
  /** Frames of the layers that are what is said now. */
  readonly ready: { tracked: number; text: number };
}

/** The work on one video: what was said of it, and what follows from that. */
export class Session implements AsyncDisposable {
  readonly #inpainter: Inpainter;
  readonly #options: SessionOptions;
  /** What estimates, once it was needed. */
  #estimator: Inpainter | undefined;
  readonly #folder: string;
  readonly #queue: JobQueue;
  readonly #listeners = new Set<() => void>();
  readonly #offers = new Map<string, Offer>();
  #video: Opened | undefined;
  #isOpening = false;
  #steps: Said[] = [nothing];
  #step = 0;
  #revision = 0;
  #ahead = { frame: -1, count: 0 };
  #notes: string[] = [];
  #error: string | undefined;
  #preview: State['preview'];
  #clip: Pair | undefined;
  #mask: string | undefined;
  #result: State['result'];

  private constructor(inpainter: Inpainter, folder: string, options: SessionOptions) {
    this.#inpainter = inpainter;
    this.#options = options;
    this.#folder = folder;
    this.#queue = new JobQueue(
      () => this.#changed(),
      (error) => {
        this.#error = (error as Error).message;
      },
    );
  }

  /** @param folder for what is made, and removed by the caller */
  static async create(folder: string, options: SessionOptions): Promise<Session> {
    return new Session(await Inpainter.create({ ...options, ...references }), folder, options);
  }

  /** What a page shows. */
  get state(): State {
    const video = this.#video;
    const { view } = video ?? {};
    return {
      revision: this.#revision,
      device: this.#inpainter.device.name,
      video: video &&
        view && { id: video.id, name: video.name, ...shownSize(view), fps: view.video.fps },
      said: this.#said,
      canUndo: this.#step > 0,
      canRedo: this.#step < this.#steps.length - 1,
      ready: video ? Math.min(video.ready.tracked, video.ready.text) : 0,
      ahead: this.#ahead,
      job: this.#queue.job,
      waiting: this.#queue.waiting,
      notes: this.#notes,
      error: this.#error,
      ...(video
        ? timeline(video, this.#said.zones)
        : { holes: [], coverage: [], isEstimate: false }),
      preview: this.#preview,
      clip: this.#clip,
      mask: this.#mask,
      result: this.#result,
    };
  }

  /** Calls back whenever the state has changed, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  get #said(): Said {
    return this.#steps[this.#step] as Said;
  }

  get #opened(): Opened {
    if (!this.#video) throw new Busy('no video is open');
    return this.#video;
  }

  /** A file by its id. */
  offer(id: string): Offer | undefined {
    return this.#offers.get(id);
  }

  #offered(path: string, name: string): string {
    const id = randomUUID();
    this.#offers.set(id, { path, name });
    return id;
  }

  #withdraw(...ids: (string | undefined)[]): void {
    for (const id of ids) {
      const path = id && this.#offers.get(id)?.path;
      if (!path) continue;
      this.#offers.delete(id);
      rmSync(path, { force: true });
    }
  }

  /**
   * Opens a video in the place of the one that is open.
   *
   * @param isOwn whether the file is removed with it
   */
  async open(path: string, name = basename(path), isOwn = false): Promise<void> {
    if (this.#isOpening) throw new Busy('another video is being opened');
    this.expectNoRun();
    this.#isOpening = true;
    try {
      const view = await FrameSeeker.open(path);
      await this.#close();
      this.#video = await opened(view, path, name, isOwn);
    } finally {
      this.#isOpening = false;
      this.#changed();
    }
  }

  async #close(): Promise<void> {
    this.#queue.cancel();
    await this.#queue.idle();
    const video = this.#video;
    this.#video = undefined;
    this.#steps = [nothing];
    this.#step = 0;
    this.#revision += 1;
    this.#notes = [];
    this.#error = undefined;
    this.#withdraw(...this.#offers.keys());
    for (const id of video?.ids.keys() ?? []) rmSync(this.#pathOf(id), { force: true });
    this.#preview = this.#clip = this.#mask = this.#result = undefined;
    await video?.view[Symbol.asyncDispose]();
    await video?.work[Symbol.asyncDispose]();
    if (video?.isOwn) rmSync(video.path, { force: true });
  }

  #pathOf(paint: string): string {
    return join(this.#folder, `paint-${paint}.png`);
  }

  /** Keeps a painted mask, a PNG, and tells its id. */
  async addPaint(png: Buffer): Promise<string> {
    const { view, ids, paints } = this.#opened;
    const id = createHash('sha256').update(png).digest('hex').slice(0, 24);
    if (ids.has(id)) return id;
    const path = this.#pathOf(id);
    await writeFile(path, png, { mode: 0o600 });
    try {
      const mask = await readPaint(path, view);
      const place = ids.get(id) ?? ids.size;
      paints.set(place, mask);
      ids.set(id, place);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
    return id;
  }

  /** Takes what is said now in the place of what was said before. */
  say(revision: number, value: unknown): void {
    const { name, view, ids } = this.#opened;
    this.#expectRevision(revision);
    const said = expectSaid(value, { name, ...shownSize(view) }, new Set(ids.keys()));
    this.#take(said);
    this.#steps.splice(this.#step + 1, this.#steps.length, said);
    if (this.#steps.length > mostSteps) this.#steps.shift();
    this.#step = this.#steps.length - 1;
    this.#changed();
  }

  /** Goes a step back, or forth again. */
  step(revision: number, by: 1 | -1): void {
    this.#expectRevision(revision);
    const said = this.#steps[this.#step + by];
    if (!said) throw new Busy(by < 0 ? 'there is nothing to undo' : 'there is nothing to redo');
    this.#take(said);
    this.#step += by;
    this.#changed();
  }

  /** What would end a run has to wait. */
  expectNoRun(): void {
    if (this.#queue.has('run')) throw new Busy('a run is in progress; cancel it first');
  }

  #expectRevision(revision: number): void {
    if (revision !== this.#revision)
      throw new Busy('something else was said meanwhile, in another tab perhaps');
  }

  /** Drops what followed from what was said before, and begins with what follows now. */
  #take(said: Said): void {
    const video = this.#opened;
    this.expectNoRun();
    const before = this.#said;
    this.#revision += 1;
    this.#error = undefined;
    this.#notes = [];
    this.#queue.cancel();
    video.painted.clear();
    for (const { frame, mask } of said.paints)
      if (!isSpokenOf(said, frame)) video.painted.set(frame, video.ids.get(mask) as number);
    video.coverage.fill(-1);
    video.measured.clear();
    this.#withdraw(this.#preview?.id, this.#clip?.id, this.#mask);
    this.#preview = this.#clip = this.#mask = undefined;
    if (this.#result) this.#result = { ...this.#result, isOld: true };
    const isTracked = (it: Said) =>
      JSON.stringify([it.points, it.paints, objects(it), it.attached]);
    const isText = (it: Said) => JSON.stringify(texts(it));
    if (isTracked(said) !== isTracked(before)) video.ready.tracked = 0;
    if (isText(said) !== isText(before)) video.ready.text = 0;
    this.#track(video, said, before);
    this.#look(video, said);
  }

  /** Makes the masks that are not there yet. */
  #track(video: Opened, said: Said, before: Said): void {
    const { tracked, text, ready, view } = video;
    const { frames } = view;
    if (ready.text < frames && !texts(said).length) {
      text.clear();
      ready.text = frames;
    }
    const count = said.points.length + said.paints.length + objects(said).length;
    if (ready.tracked < frames && !count) {
      tracked.clear();
      ready.tracked = frames;
    }
    if (ready.tracked === frames && ready.text === frames) return;
    this.#queue.add('track', async (signal, tell) => {
      if (ready.tracked < frames) await this.#trackAhead(video, said, before, signal);
      if (ready.text < frames) await this.#findText(video, said, signal, tell);
      if (ready.tracked < frames) await this.#follow(video, said, signal, tell);
    });
  }

  /** Estimates, when nothing else is to be done, how much of the holes other frames show. */
  #look(video: Opened, said: Said): void {
    if (!said.points.length && !said.paints.length && !said.zones.length) return;
    this.#queue.add('look', async (signal, tell) => {
      const { view, path, coverage, measured } = video;
      if (measured.size === view.frames) return;
      this.#estimator ??= await Inpainter.create({
        ...this.#options,
        ...references,
        workSize: estimateSize,
      });
      await using source = await openVideo(path, { onError: 'keep' });
      const { width, height } = source;
      async function* pairs(): AsyncGenerator<FramePair, void, void> {
        let index = 0;
        for await (const frame of source) {
          source.timings.length = 0;
          yield {
            frame,
            mask: { data: maskOf(video, said, index++), width, height, channels: 1 },
          };
        }
      }
      for await (const frame of this.#estimator.inpaint(pairs(), { signal })) {
        const { index } = frame;
        const isHole = maskOf(video, said, index).includes(255);
        if (!measured.has(index)) coverage[index] = isHole ? frame.coverage : -1;
        tell(index + 1, view.frames);
      }
    });
  }

  async #findText(
    { path, text, ready, view }: Opened,
    said: Said,
    signal: AbortSignal,
    tell: Tell,
  ) {
    await using source = await openVideo(path, { onError: 'keep' });
    const boxes = texts(said).map((it) => ({
      ...stored(it.x, it.y, it.width, it.height, source),
      from: it.from,
      to: it.to,
    }));
    text.clear();
    for await (const { data, index } of overlayMask(source, boxes, { onNote: this.#note })) {
      signal.throwIfAborted();
      source.timings.length = 0;
      text.set(index, data);
      ready.text = Math.min(index + 1, view.frames - 1);
      tell(index + 1, view.frames);
    }
    ready.text = view.frames;
  }

  async #follow(video: Opened, said: Said, signal: AbortSignal, tell: Tell): Promise<void> {
    const { path, tracked, ready, view } = video;
    await using source = await openVideo(path, { onError: 'keep' });
    const prompts = await Promise.all(
      this.#promptsOf(said).map((prompt) => storedPrompt(prompt, source)),
    );
    let looked = 0;
    const masks = trackMask(this.#inpainter.device, source, prompts, {
      signal,
      attached: said.attached,
      onNote: this.#note,
      // Until the first mask, the frames that are looked at tell how it goes.
      onProgress: (progress) => {
        source.timings.length = 0;
        looked = progress.looked;
        tell(progress.given || looked, view.frames);
      },
    });
    for await (const { data, index } of masks) {
      tracked.set(index, data);
      ready.tracked = Math.min(index + 1, view.frames - 1);
    }
    ready.tracked = view.frames;
    this.#changed();
  }

  #promptsOf(said: Said): FilePrompt[] {
    return [
      ...said.points.map((point) => ({ kind: 'point' as const, ...point })),
      ...objects(said).map(({ from, x, y, width, height }) => {
        return { kind: 'box' as const, frame: from, x, y, width, height };
      }),
      ...said.paints.map(({ frame, mask }) => {
        return { kind: 'mask' as const, frame, path: this.#pathOf(mask) };
      }),
    ];
  }

  /**
   * Makes the mask of the frame that was spoken of last ahead of the others, from it and those
   * behind it, as the others may take long.
   */
  async #trackAhead(video: Opened, said: Said, before: Said, signal: AbortSignal): Promise<void> {
    const { view, work, tracked } = video;
    const isNew = <T>(list: readonly T[]) => {
      const known = new Set(list.map((it) => JSON.stringify(it)));
      return (it: T) => !known.has(JSON.stringify(it));
    };
    const frame =
      said.points.find(isNew(before.points))?.frame ??
      objects(said).find(isNew(objects(before)))?.from;
    if (frame === undefined) return;
    const prompts = await Promise.all(
      this.#promptsOf(said)
        .filter((prompt) => prompt.frame === frame)
        .map(async (prompt) => ({ ...(await storedPrompt(prompt, view.video)), frame: 0 })),
    );
    if (!prompts.some((it) => it.kind !== 'point') && tracked.share(frame)) {
      const { width, height } = view.video;
      const image = { data: objectOf(video, frame), width, height, channels: 1 as const };
      prompts.push({ kind: 'mask', frame: 0, image });
    }
    if (prompts.every((it: Prompt) => it.kind === 'point' && it.not)) return;
    const end = Math.min(frame + aheadFrames, view.frames);
    const frames = (async function* () {
      for (let at = frame; at < end; at++) yield await work.frame(at);
    })();
    for await (const { data } of trackMask(this.#inpainter.device, frames, prompts, { signal })) {
      tracked.set(frame, data);
      break;
    }
    this.#ahead = { frame, count: this.#ahead.count + 1 };
    this.#changed();
  }

  readonly #note = (note: string): void => {
    if (this.#notes.length < 50) this.#notes = [...this.#notes, note];
    this.#changed();
  };

  /** Queues a job. */
  ask({ kind, frame }: JobRequest): void {
    const video = this.#opened;
    expectInteger(op, 'the frame of a job', frame, 0, video.view.frames - 1);
    this.expectNoRun();
    const said = this.#said;
    this.#error = undefined;
    if (video.ready.tracked < video.view.frames || video.ready.text < video.view.frames) {
      if (!this.#queue.has('track')) this.#track(video, said, nothing);
    }
    this.#queue.cancel('look');
    this.#queue.cancel('preview', 'clip');
    const work = (signal: AbortSignal, tell: Tell) => {
      if (kind === 'preview') return this.#makePreview(video, said, frame, signal);
      if (kind === 'clip') return this.#makeClip(video, said, frame, signal, tell);
      if (kind === 'mask') return this.#makeMask(video, said, signal, tell);
      return this.#makeResult(video, said, signal, tell);
    };
    if (kind !== 'track') this.#queue.add(kind, work);
    if (kind !== 'run') this.#look(video, said);
  }

  /** Ends all that is done and waits. */
  cancel(): void {
    this.#queue.cancel();
  }

  /** Completed frames, with the references of the whole run. */
  async *#completed(video: Opened, said: Said, from: number, to: number, signal: AbortSignal) {
    const { work } = video;
    const { maxReferences, referenceStride } = references;
    const behind = from - lookBehind(referenceStride, maxReferences);
    const start = Math.max(0, Math.floor(behind / referenceStride) * referenceStride);
    const end = Math.min(work.frames, to + 1 + lookAhead(referenceStride, maxReferences));
    const { width, height } = work.video;
    async function* pairs(): AsyncGenerator<FramePair, void, void> {
      for (let index = start; index < end; index++) {
        const mask = { data: maskOf(video, said, index), width, height, channels: 1 as const };
        yield { frame: await work.frame(index), mask };
      }
    }
    const options = { signal, from: from - start, to: to - start };
    for await (const frame of this.#inpainter.inpaint(pairs(), options))
      yield { ...frame, index: frame.index + start };
  }

  #told(video: Opened, said: Said, index: number, coverage: number): void {
    video.coverage[index] = maskOf(video, said, index).includes(255) ? coverage : -1;
    video.measured.add(index);
  }

  async #makePreview(video: Opened, said: Said, frame: number, signal: AbortSignal): Promise<void> {
    for await (const done of this.#completed(video, said, frame, frame, signal)) {
      const path = join(this.#folder, `${randomUUID()}.jpg`);
      await writeFile(path, await this.#jpeg(video, done), { mode: 0o600 });
      this.#withdraw(this.#preview?.id);
      this.#told(video, said, frame, done.coverage);
      this.#preview = { id: this.#offered(path, 'preview.jpg'), frame, coverage: done.coverage };
    }
  }

  async #makeClip(video: Opened, said: Said, frame: number, signal: AbortSignal, tell: Tell) {
    const { view, work } = video;
    const reach = Math.round(clipReach * view.video.fps);
    const [from, to] = [Math.max(0, frame - reach), Math.min(view.frames - 1, frame + reach)];
    const path = join(this.#folder, `${randomUUID()}.mp4`);
    await using comparison = await Comparison.create(path, view.video);
    for await (const done of this.#completed(video, said, from, to, signal)) {
      await comparison.write(await work.frame(done.index), done);
      this.#told(video, said, done.index, done.coverage);
      tell(done.index - from + 1, to - from + 1);
    }
    await comparison.close();
    this.#withdraw(this.#clip?.id);
    const { width, height } = comparison;
    this.#clip = { id: this.#offered(path, 'clip.mp4'), width, height, from, to };
  }

  /** Writes the masks as a video, without loss. */
  async #makeMask(video: Opened, said: Said, signal: AbortSignal, tell: Tell): Promise<void> {
    if (this.#mask) return;
    const { path: input, view } = video;
    const path = join(this.#folder, `${randomUUID()}.mp4`);
    await using like = await openVideo(input, { onError: 'keep' });
    await using writer = await createWriter(path, like, { codec: 'h264', crf: 0 });
    const { width, height } = like;
    for (let index = 0; index < view.frames; index++) {
      signal.throwIfAborted();
      const mask = maskOf(video, said, index);
      const rgb = new Uint8Array(3 * mask.length);
      for (let i = 0; i < mask.length; i++) if (mask[i]) rgb.fill(255, 3 * i, 3 * i + 3);
      await writer.write({ data: rgb, width, height, channels: 3 });
      tell(index + 1, view.frames);
    }
    await writer.close();
    this.#mask = this.#offered(path, `${stem(video.name)}-mask.mp4`);
  }

  async #makeResult(video: Opened, said: Said, signal: AbortSignal, tell: Tell): Promise<void> {
    await this.#makeMask(video, said, signal, tell);
    const mask = this.#offers.get(this.#mask as string) as Offer;
    const extension = extname(video.name).toLowerCase();
    const kind = extension in containers ? extension : '.mp4';
    const [path, pairPath] = [kind, '.mp4'].map((end) =>
      join(this.#folder, randomUUID() + end),
    ) as [string, string];
    await using comparison = await Comparison.create(pairPath, video.view.video);
    await using originals = await openVideo(video.path, { onError: 'keep' });
    const before = originals[Symbol.asyncIterator]();
    const told = (index: number, coverage: number) => this.#told(video, said, index, coverage);
    const inpainter = this.#inpainter;
    const watched: FrameInpainter = {
      async *inpaint(source, options) {
        for await (const frame of inpainter.inpaint(source, options)) {
          const { value } = await before.next();
          originals.timings.length = 0;
          if (value) await comparison.write(value, frame);
          told(frame.index, frame.coverage);
          yield frame;
        }
      },
    };
    const { encoding, coverage, masked } = await inpaintFile(watched, {
      input: video.path,
      mask: mask.path,
      output: path,
      onError: 'keep',
      signal,
      onProgress: ({ frame }) => tell(frame, video.view.frames),
      onWarning: this.#note,
    });
    await comparison.close();
    this.#withdraw(this.#result?.id, this.#result?.pair.id);
    const name = `${stem(video.name)}-clean${kind}`;
    const { width, height } = comparison;
    const pair = { id: this.#offered(pairPath, 'pair.mp4'), width, height };
    this.#result = {
      id: this.#offered(path, name),
      name,
      pair: { ...pair, from: 0, to: video.view.frames - 1 },
      coverage: masked ? coverage : 1,
      encoding,
      isOld: false,
    };
  }

  /** A frame of the video as JPEG. */
  async frame(id: string, index: number): Promise<Buffer | undefined> {
    const video = this.#video;
    if (video?.id !== id || index >= video.view.frames) return undefined;
    return this.#jpeg(video, await video.view.frame(index));
  }

  async #jpeg({ view }: Opened, image: Parameters<Pictures['encode']>[0]): Promise<Buffer> {
    using pictures = new Pictures(await ffmpeg(op), op);
    const scale = Math.min(1, longest / Math.max(image.width, image.height));
    const [w, h] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
    return pictures.encode(image, 'jpeg', [`scale=${w}:${h}`, ...turned[view.video.rotation]]);
  }

  /**
   * The mask of a frame as PNG: magenta, and clear elsewhere.
   *
   * @param isAlone whether it is the object's alone, without boxes and what was found in them
   */
  async maskPicture(id: string, index: number, isAlone: boolean): Promise<Buffer | undefined> {
    const video = this.#video;
    if (video?.id !== id || index >= video.view.frames) return undefined;
    const { width, height, rotation } = video.view.video;
    const mask = isAlone ? objectOf(video, index) : maskOf(video, this.#said, index);
    const data = new Uint8Array(4 * mask.length);
    for (let i = 0; i < mask.length; i++) if (mask[i]) data.set([255, 0, 190, 255], 4 * i);
    using pictures = new Pictures(await ffmpeg(op), op);
    return pictures.encode({ data, width, height, channels: 4 }, 'png', turned[rotation]);
  }

  /** The project file, and a name for it. */
  async project(): Promise<{ readonly name: string; readonly project: Project }> {
    const { name, view } = this.#opened;
    const used = new Set(this.#said.paints.map(({ mask }) => mask));
    const masks = await Promise.all(
      [...used].map(async (id) => [id, await readFile(this.#pathOf(id), 'base64')] as const),
    );
    const project: Project = {
      format: 'align-and-attend studio',
      version: 1,
      video: { name, ...shownSize(view) },
      said: this.#said,
      masks: Object.fromEntries(masks),
    };
    return { name: `${stem(name)}.studio.json`, project };
  }

  /** Takes what a project file says of the video that is open; it can be undone. */
  async openProject(value: unknown): Promise<void> {
    const video = { name: this.#opened.name, ...shownSize(this.#opened.view) };
    const project = expectProject(value, video);
    const ids = new Map<string, string>();
    for (const [id, mask] of Object.entries(project.masks))
      ids.set(id, await this.addPaint(Buffer.from(mask, 'base64')));
    const said = expectSaid(project.said, video, new Set(ids.keys()));
    const paints = said.paints.map(({ frame, mask }) => ({ frame, mask: ids.get(mask) as string }));
    this.say(this.#revision, { ...said, paints });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#inpainter.dispose();
    await this.#estimator?.dispose();
  }
}

async function opened(
  view: FrameSeeker,
  path: string,
  name: string,
  isOwn: boolean,
): Promise<Opened> {
  const { width, height } = view.video;
  return {
    id: randomUUID(),
    name,
    path,
    isOwn,
    view,
    work: await view.again(),
    tracked: new MaskLayer(width * height),
    text: new MaskLayer(width * height),
    paints: new MaskLayer(width * height),
    ids: new Map(),
    painted: new Map(),
    coverage: new Float32Array(view.frames).fill(-1),
    measured: new Set(),
    ready: { tracked: view.frames, text: view.frames },
  };
}

function stem(name: string): string {
  return basename(name, extname(name));
}

/** Sides and length as a player shows them. */
function shownSize({ video, frames }: FrameSeeker) {
  const { width, height, rotation } = video;
  return rotation % 180 ? { width: height, height: width, frames } : { width, height, frames };
}

const objects = ({ zones }: Said) => zones.filter(({ kind }) => kind === 'object');
const texts = ({ zones }: Said) => zones.filter(({ kind }) => kind === 'text');

/** Whether more than a painted mask tells of a frame. */
function isSpokenOf(said: Said, frame: number): boolean {
  return (
    said.points.some((point) => point.frame === frame) ||
    objects(said).some(({ from }) => from === frame)
  );
}

/** A painted mask as its frame is stored. */
async function readPaint(path: string, { video }: FrameSeeker): Promise<Uint8Array> {
  await using masks = await openMask(path, video);
  for await (const { data } of masks) return Uint8Array.from(data);
  throw new InpaintError('ERR_MEDIA', op, `expected ${path} to hold a mask, got none`);
}

/** The mask of the object in a frame: [h w] as it is stored, 255 where the object is. */
function objectOf({ view, tracked, paints, painted }: Opened, index: number): Uint8Array {
  const { width, height } = view.video;
  const mask = new Uint8Array(width * height);
  const own = painted.get(index);
  if (own !== undefined) paints.addTo(mask, own);
  else tracked.addTo(mask, index);
  return mask;
}

/** What is removed of a frame. */
function maskOf(video: Opened, said: Said, index: number): Uint8Array {
  const { view, text } = video;
  const { width } = view.video;
  const mask = objectOf(video, index);
  text.addTo(mask, index);
  for (const zone of said.zones) {
    if (zone.kind !== 'whole' || index < zone.from || index > zone.to) continue;
    const {
      x,
      y,
      width: w,
      height: h,
    } = stored(zone.x, zone.y, zone.width, zone.height, view.video);
    for (let row = y; row < y + h; row++) mask.fill(255, row * width + x, row * width + x + w);
  }
  return mask;
}

/** What is known of parts of a video. */
function timeline(
  video: Opened,
  zones: readonly Zone[],
): Pick<State, 'holes' | 'coverage' | 'isEstimate'> {
  const { view, tracked, text, paints, painted, coverage, ready } = video;
  const { frames } = view;
  const { width, height } = view.video;
  const count = Math.min(parts, frames);
  const holes = new Array<number>(count).fill(-1);
  const least = new Array<number>(count).fill(-1);
  const known = Math.min(ready.tracked, ready.text);
  for (let index = 0; index < frames; index++) {
    const part = Math.floor((index * count) / frames);
    const told = coverage[index] as number;
    const other = least[part] as number;
    if (told >= 0 && (other < 0 || told < other)) least[part] = Number(told.toFixed(3));
    if (index >= known) continue;
    const own = painted.get(index);
    let share = own === undefined ? tracked.share(index) : paints.share(own);
    share += text.share(index);
    for (const zone of zones) {
      const isWhole = zone.kind === 'whole' && zone.from <= index && index <= zone.to;
      if (isWhole) share += (zone.width * zone.height) / (width * height);
    }
    holes[part] = Math.max(holes[part] as number, Number(Math.min(1, share).toFixed(4)));
  }
  return { holes, coverage: least, isEstimate: video.measured.size < frames };
}
