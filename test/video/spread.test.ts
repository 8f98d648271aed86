import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type InpaintedFrame, Inpainter } from '../../lib/index.js';
import type { FramePair } from '../../lib/video/image.js';
import { type ShotInpainter, Spread } from '../../lib/video/spread.js';
import { fixturePath } from '../network/fixtures.js';
import { clip } from './scenes.js';

const emulated = process.env.AA_PROJECT === 'emulator';
const device = emulated ? 'cuda:0' : 'cpu';
const devices = [device, device] as const;
const settings = {
  ...(emulated ? {} : { threads: 1 }),
  workSize: 48,
  maxReferences: 4,
  referenceStride: 3,
  weights: fixturePath('narrow.safetensors'),
};

const size = { width: 48, height: 32 };
const shot = (frames: number, scene: number) =>
  clip({ ...size, frames, scene, pan: 0.25, hole: (t) => (t === 4 ? undefined : [10, 6, 34, 26]) });
const [a, b] = [shot(14, 1), shot(14, 3)];
/** Over eight frames from one scene to another: longer than is looked ahead. */
const dissolve = a.slice(0, 8).map(({ frame, mask }, i) => {
  const other = (b[i] as FramePair & { frame: { data: Uint8Array } }).frame.data;
  const share = (i + 1) / 9;
  const data = frame.data.map((level, at) => level * (1 - share) + (other[at] as number) * share);
  return { frame: { ...frame, data }, mask };
});
const shots = emulated
  ? [shot(6, 0), shot(3, 2), shot(5, 5)]
  : [shot(12, 0), shot(3, 2), shot(1, 5), a, dissolve, b, shot(9, 7)];
const source: FramePair[] = shots.flat();

async function collect(frames: AsyncIterable<InpaintedFrame>): Promise<string[]> {
  const all = [];
  for await (const { data, index, shot, coverage } of frames) {
    const bytes = createHash('sha1').update(data).digest('hex');
    all.push(`${index} of ${shot}: ${coverage}, ${bytes}`);
  }
  return all;
}

/** A source that uses its buffers again, and tells how many frames were asked for. */
function reusing() {
  const state = { asked: 0, isClosed: false };
  async function* frames() {
    const [first] = source as [ReturnType<typeof shot>[number]];
    const buffers = [first.frame, first.mask].map((it) => ({ ...it, data: it.data.slice() }));
    try {
      for (const pair of source as (typeof first)[]) {
        state.asked += 1;
        const [frame, mask] = buffers as [typeof first.frame, typeof first.mask];
        frame.data.set(pair.frame.data);
        mask.data.set(pair.mask.data);
        yield { frame, mask };
        frame.data.fill(7);
      }
    } finally {
      state.isClosed = true;
    }
  }
  return { state, frames: frames() };
}

describe(`several devices: ${devices}`, () => {
  it('give the frames of one, in order', async () => {
    await using one = await Inpainter.create({ ...settings, device });
    await using two = await Inpainter.create({ ...settings, device: devices });
    expect(two.devices.map(({ name }) => name)).toEqual(devices);
    const alone = await collect(one.inpaint(source));
    const told: number[] = [];
    const onProgress = ({ frame }: { frame: number }) => told.push(frame);
    expect(await collect(two.inpaint(reusing().frames, { onProgress }))).toEqual(alone);
    expect(told).toEqual(source.map((_, i) => i + 1));
    if (emulated) return;
    // A part is one device's.
    const part = { from: 3, to: 20 };
    expect(await collect(two.inpaint(source, part))).toEqual(
      await collect(one.inpaint(source, part)),
    );
    expect(await collect(two.inpaint([]))).toEqual([]);
  });
});

describe.skipIf(emulated)('several devices', () => {
  it('end with the loop, the signal and the source', async () => {
    await using two = await Inpainter.create({ ...settings, device: devices });
    const left = reusing();
    for await (const { index } of two.inpaint(left.frames)) if (index === 2) break;
    expect(left.state.isClosed).toBe(true);

    const abort = new AbortController();
    const run = async () => {
      for await (const { index } of two.inpaint(source, { signal: abort.signal }))
        if (index === 14) abort.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: 'ERR_ABORTED' });

    async function* broken() {
      yield* source.slice(0, 20);
      throw new Error('no more film');
    }
    await expect(collect(two.inpaint(broken()))).rejects.toThrow('no more film');
    const wrong = [...source.slice(0, 3), { frame: 3, mask: 4 } as unknown as FramePair];
    await expect(collect(two.inpaint(wrong))).rejects.toThrow('frame 3');
    await expect(Inpainter.create({ ...settings, device: [] })).rejects.toThrow('at least one');
  });

  it('work at the same time, each on the next shot when it is free', async () => {
    const cuts = [0, 5, 8, 12];
    const log: string[] = [];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    /** What takes frames as they come; the first one waits until the other has done two shots. */
    const standIn = (name: string): ShotInpainter<{ index: number; shot: number }> => ({
      async *shots(source) {
        let index = 0;
        for await (const _ of source) {
          yield { shot: cuts.findLast((cut) => cut <= index) as number, changes: new Map() };
          index += 1;
        }
      },
      async *inpaint(source, { segmented }) {
        let index = 0;
        for await (const _ of source) {
          if (!(await segmented.goesOn(index))) break;
          if (name === 'a') await gate;
          yield { index, shot: 0 };
          index += 1;
        }
        log.push(`${name}: ${index}`);
        if (log.length === 2) open();
      },
    });
    const pair = source[0] as FramePair;
    async function* frames() {
      for (let i = 0; i < 14; i++) yield pair;
    }
    const spread = new Spread([standIn('a'), standIn('b')], frames(), 1, undefined);
    const got: number[] = [];
    for await (const { index } of spread.frames()) got.push(index);
    expect(got).toEqual(Array.from({ length: 14 }, (_, i) => i));
    expect(log.slice(0, 2)).toEqual(['b: 3', 'b: 4']);
    expect(log).toContain('a: 5');
  });

  it('read no farther than there is room for', async () => {
    await using two = await Inpainter.create({ ...settings, device: devices });
    // 12 MiB a frame: there is room for 42 of them, and a device looks 6 ahead.
    const [width, height] = [2048, 2048];
    const data = new Uint8Array(width * height * 3);
    const mask = { data: new Uint8Array(width * height), width, height, channels: 1 as const };
    let asked = 0;
    async function* frames() {
      for (; asked < 60; asked++)
        yield { frame: { data, width, height, channels: 3 as const }, mask };
    }
    for await (const { index } of two.inpaint(frames())) {
      await setTimeout(1);
      expect(asked - index).toBeLessThanOrEqual(44);
      if (index === 4) break;
    }
  });
});
