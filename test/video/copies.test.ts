import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { freeSetId, joinHeaders, withLengths } from '../../lib/video/copies.js';
import { type FileJob, openVideo, type VideoCodec } from '../../lib/video/index.js';
import { type ClipOptions, makeClip, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();

/** The decoded samples of all frames, and when they are shown. */
async function decoded(path: string) {
  await using video = await openVideo(path);
  const frames: { samples: Buffer; time: number }[] = [];
  for await (const frame of video.decoded('test')) {
    frames.push({ samples: frame.toBuffer(), time: video.time });
  }
  return frames;
}

const keyed = (params = '', more: ClipOptions = {}): ClipOptions => ({
  frames: 60,
  fps: 25,
  audio: true,
  ...more,
  options: { crf: '20', 'x264-params': `keyint=12:scenecut=0${params}` },
});
const uneven = Array.from({ length: 60 }, (_, i) => i * 40 + (i % 3) * 11 + (i > 30 ? i * 90 : 0));

const clips: Record<string, ClipOptions> = {
  'b.mp4': keyed(':bframes=4'),
  'plain.mkv': keyed(':bframes=0:cabac=0:8x8dct=0:ref=1'),
  'matrix.mov': keyed(':cqm=jvt'),
  'ten.mp4': keyed('', { format: 'yuv420p10le' }),
  'uneven.mp4': keyed('', { pts: uneven }),
  'prores.mov': { frames: 30, codec: 'prores_ks', format: 'yuv422p10le' },
  'dnxhd.mov': {
    ...{ width: 256, height: 128, frames: 20, codec: 'dnxhd', format: 'yuv422p' },
    options: { profile: 'dnxhr_hq' },
  },
  'open.mp4': keyed(':open-gop=1:bframes=3'),
  'refresh.mkv': keyed(':intra-refresh=1:bframes=0'),
  'lossless.mp4': { frames: 60, options: { g: '12' } },
  'fields.mkv': { ...keyed(), interlaced: 'top first' },
  'hevc.mp4': { frames: 30, codec: 'libx265', options: { 'x265-params': 'log-level=none' } },
  'one.mp4': { frames: 30, options: { crf: '20', 'x264-params': 'keyint=90' } },
};

describe('frames outside of a range', () => {
  let told: string[];
  const run = async (input: string, output: string, changes: Partial<FileJob>) => {
    told = [];
    const job = { input: at(input), output: at(output), mask: '10,10,16,16', ...changes };
    return inpaintFile(standIn(), { ...job, onWarning: (message) => told.push(message) });
  };
  beforeAll(async () => {
    for (const [name, clip] of Object.entries(clips)) await makeClip(at(name), clip);
  });

  it.each([
    ['b.mp4', 'b.out.mp4', 26, 30, 24, 36],
    ['b.mp4', 'b.out.mkv', undefined, 30, 0, 36],
    ['b.mp4', 'b.out.mov', 36, undefined, 36, 60],
    ['b.mp4', 'b.out.mp4', { seconds: 0.96 }, { seconds: 1.43 }, 24, 36],
    ['plain.mkv', 'plain.out.mp4', 20, 30, 12, 36],
    ['matrix.mov', 'matrix.out.mkv', 20, 30, 12, 36],
    ['ten.mp4', 'ten.out.mkv', 12, 35, 12, 36],
    ['uneven.mp4', 'uneven.out.mp4', 20, 40, 12, 48],
    ['prores.mov', 'prores.out.mov', 7, 9, 7, 10],
    ['dnxhd.mov', 'dnxhd.out.mkv', 7, 9, 7, 10],
  ] as const)(
    'are copied where key frames allow: %s to %s',
    async (input, output, from, to, first, end) => {
      const { frames, masked } = await run(input, output, { from, to });
      const [before, after] = [await decoded(at(input)), await decoded(at(output))];
      expect(frames).toBe(before.length);
      expect(after.length).toBe(before.length);
      const changed = before.flatMap(({ samples }, i) =>
        samples.equals(after[i]!.samples) ? [] : [i],
      );
      expect(changed.every((i) => i >= first && i < end)).toBe(true);
      expect(changed.length).toBeGreaterThanOrEqual(masked);
      before.forEach(({ time }, i) => expect(after[i]!.time).toBeCloseTo(time, 2));
      const parts = [
        ...(first ? [`0-${first - 1}`] : []),
        ...(end < frames ? [`${end}-${frames - 1}`] : []),
      ];
      expect(told).toEqual([`copied into ${at(output)} as they are: frames ${parts.join(', ')}`]);
      // The packets are those of the input, and so is the sound; each is decoded before it is shown.
      const [own, made] = [await probe(at(input)), await probe(at(output))];
      const packets = (file: typeof own, track: number) =>
        file.tracks[track]!.packets.map(({ data }) => data);
      expect(packets(made, 0).slice(0, first)).toEqual(packets(own, 0).slice(0, first));
      expect(packets(made, 0).slice(end)).toEqual(packets(own, 0).slice(end));
      if (own.tracks[1]) expect(packets(made, 1)).toEqual(packets(own, 1));
    },
  );

  it.each([
    ['key frames that are not closed', 'open.mp4', undefined],
    ['key frames that leave something of what was before', 'refresh.mkv', undefined],
    ['lossless H.264', 'lossless.mp4', undefined],
    ['fields', 'fields.mkv', undefined],
    ['HEVC', 'hevc.mp4', 'hevc'],
    ['another codec', 'b.mp4', 'hevc'],
    ['a single key frame', 'one.mp4', undefined],
  ] as [string, string, VideoCodec | undefined][])(
    'are encoded, and that is told: %s',
    async (_, input, codec) => {
      const { frames } = await run(input, 'anew.mkv', { from: 13, to: 17, codec });
      expect(told).toContain(`all of ${at('anew.mkv')} is encoded anew`);
      expect(await decoded(at('anew.mkv'))).toHaveLength(frames);
    },
  );

  it('can be begun with anywhere', async () => {
    await run('b.mp4', 'b.out.mp4', { from: 26, to: 30 });
    const { av } = await import('./clips.js');
    const whole = await decoded(at('b.out.mp4'));
    // Each key frame alone, from the headers of the file.
    const input = new av.FormatContext();
    av.FFmpegError.throwIfError(await input.openInput(at('b.out.mp4')));
    av.FFmpegError.throwIfError(await input.findStreamInfo(null));
    const stream = input.streams[input.findBestStream(av.AVMEDIA_TYPE_VIDEO)]!;
    using packet = new av.Packet();
    packet.alloc();
    let seen = 0;
    for (let index = 0; (await input.readFrame(packet)) >= 0; packet.unref()) {
      if (packet.streamIndex !== stream.index) continue;
      if (packet.isKeyframe) {
        using decoder = new av.CodecContext();
        const codec = av.Codec.findDecoder(stream.codecpar.codecId);
        decoder.allocContext3(codec);
        decoder.parametersToContext(stream.codecpar);
        av.FFmpegError.throwIfError(await decoder.open2(codec, null));
        await decoder.sendPacket(packet);
        await decoder.sendPacket(null);
        using frame = new av.Frame();
        frame.alloc();
        av.FFmpegError.throwIfError(await decoder.receiveFrame(frame));
        expect(frame.toBuffer().equals(whole[index]!.samples)).toBe(true);
        seen += 1;
      }
      index += 1;
    }
    await input.closeInput();
    expect(seen).toBe(5);
  });

  it('are copied when work goes on after a stop', async () => {
    await makeClip(at('long.mp4'), { ...keyed(), frames: 420 });
    const job = { from: 50, to: 380, resume: true };
    await run('long.mp4', 'unstopped.mp4', job);
    const abort = new AbortController();
    const onProgress = ({ frame }: { frame: number }) => {
      if (frame === 350) abort.abort();
    };
    const stopped = run('long.mp4', 'stopped.mp4', { ...job, signal: abort.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const result = await run('long.mp4', 'stopped.mp4', job);
    expect(result).toMatchObject({ frames: 420, masked: 331, resumed: 240 });
    expect(await readFile(at('stopped.mp4'))).toEqual(await readFile(at('unstopped.mp4')));
    const [before, after] = [await decoded(at('long.mp4')), await decoded(at('stopped.mp4'))];
    const same = before.flatMap(({ samples }, i) => (samples.equals(after[i]!.samples) ? [i] : []));
    expect([same[0], same[47], same[48], same.at(-1)]).toEqual([0, 47, 384, 419]);
  });
});

describe('headers', () => {
  // Sequence parameter set 0 of the high profile, level 1.1; picture parameter set 0.
  const sets = ['6764000bacb4', '68ee3cb0'].map((hex) => Buffer.from(hex, 'hex'));
  const [sequence, picture] = sets as [Buffer, Buffer];
  const source = Buffer.concat([
    Buffer.from('014d000affe10006', 'hex'),
    sequence,
    Buffer.from('010004', 'hex'),
    picture,
    Buffer.from('fdf8f800', 'hex'),
  ]);

  it('of a source and an encoder are one beside the other', () => {
    const code = Buffer.from([0, 0, 0, 1]);
    const own = Buffer.concat([code, sequence, code, picture, code, Buffer.from('0605', 'hex')]);
    const expected = [
      ['0164000bffe2', '0006', sequence.toString('hex'), '0006', sequence.toString('hex')],
      ['02', '0004', picture.toString('hex'), '0004', picture.toString('hex'), 'fdf8f800'],
    ];
    expect(joinHeaders(source, own).toString('hex')).toBe(expected.flat().join(''));
  });

  it('tell which numbers are used', () => {
    expect(freeSetId(source)).toBe(1); // both are 0
  });

  it('of packets are lengths', () => {
    const packet = Buffer.from('00000001650102000001410300000300', 'hex');
    expect(withLengths(packet).toString('hex')).toBe('0000000365010200000006410300000300');
  });
});
