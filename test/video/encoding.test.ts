import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type Chapter, readChapters, writeChapters } from '../../lib/video/chapters.js';
import type { FileJob } from '../../lib/video/index.js';
import { openVideo } from '../../lib/video/index.js';
import { av, collect, makeClip, makeImage, probe, scratch } from './clips.js';
import { inpaintFile, standIn } from './stand_in.js';

const at = scratch();
const must = (code: number) => av.FFmpegError.throwIfError(code);

async function run(input: string, output: string, job: Partial<FileJob> = {}) {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const box = { input, mask: '8,8,16,16', output, onWarning };
  const result = await inpaintFile(standIn(), { ...box, ...job });
  return { ...result, warnings, ...(await probe(output)) };
}

describe('the codec', () => {
  for (const [codec, format, extension, encoding] of [
    ['prores_ks', 'yuv422p10le', 'mov', 'prores (profile 3, yuv422p10le)'],
    ['prores_ks', 'yuv422p10le', 'mkv', 'prores (profile 3, yuv422p10le)'],
    ['ffv1', 'yuv420p', 'mkv', 'ffv1 (yuv420p)'],
  ] as const) {
    it(`stays ${codec} in .${extension}`, async () => {
      const input = await makeClip(at(`same.${extension}`), { codec, format });
      const made = await run(input, at(`same-out.${extension}`));
      expect(made).toMatchObject({ encoding, warnings: [] });
      expect(made.tracks[0]).toMatchObject({ codec: codec.replace('_ks', ''), format });
    });
  }

  it('stays DNxHD, of the kind that has any size', async () => {
    const input = await makeClip(at('dnxhd.mov'), {
      width: 256,
      height: 128,
      codec: 'dnxhd',
      format: 'yuv422p',
      options: { profile: 'dnxhr_sq' },
    });
    const made = await run(input, at('dnxhd-out.mov'));
    expect(made).toMatchObject({ encoding: 'dnxhd (profile dnxhr_sq, yuv422p)', warnings: [] });
    expect(made.tracks[0]).toMatchObject({ codec: 'dnxhd', format: 'yuv422p' });
  });

  for (const profile of [0, 1, 2, 3]) {
    it(`keeps profile ${profile} of ProRes`, async () => {
      const options = { profile: `${profile}` };
      const clip = { codec: 'prores_ks', format: 'yuv422p10le', options };
      const input = await makeClip(at('profile.mov'), clip);
      const { tracks } = await run(input, at('profile-out.mov'));
      expect(tracks[0]?.profile).toBe(profile);
    });
  }

  it('is told when it changes', async () => {
    const clip = { codec: 'prores_ks', format: 'yuv422p10le' };
    const input = await makeClip(at('change.mov'), clip);
    const { warnings, tracks } = await run(input, at('change.mp4'));
    expect(warnings).toEqual([
      expect.stringMatching(
        /change\.mov is prores; .*change\.mp4 becomes h264 \(crf 16, preset fast, yuv422p10le\)$/,
      ),
    ]);
    expect(tracks[0]).toMatchObject({ codec: 'h264', format: 'yuv422p10le' });
  });

  it('is HEVC for more than 10 bits', async () => {
    const clip = {
      codec: 'libx265',
      format: 'yuv420p12le',
      options: { 'x265-params': 'log-level=none' },
    };
    const input = await makeClip(at('deep.mkv'), clip);
    const { tracks } = await run(input, at('deep-out.mkv'));
    expect(tracks[0]).toMatchObject({ codec: 'hevc', format: 'yuv420p12le' });
  });

  for (const [job, codec, format, encoding] of [
    [
      { codec: 'hevc', crf: 30, preset: 'ultrafast' },
      'hevc',
      'yuv420p',
      'hevc (crf 30, preset ultrafast, yuv420p)',
    ],
    [{ codec: 'av1', preset: '12' }, 'av1', 'yuv420p', 'av1 (crf 24, preset 12, yuv420p)'],
    [{ codec: 'vp9', crf: 40 }, 'vp9', 'yuv420p', 'vp9 (crf 40, preset 3, yuv420p)'],
    [{ codec: 'ffv1' }, 'ffv1', 'yuv420p', 'ffv1 (yuv420p)'],
    [
      { crf: 30, preset: 'veryfast', pixelFormat: 'yuv444p' },
      'h264',
      'yuv444p',
      'h264 (crf 30, preset veryfast, yuv444p)',
    ],
    [{ codec: 'prores' }, 'prores', 'yuv422p10le', 'prores (profile 3, yuv422p10le)'],
  ] as const) {
    it(`is what is asked for: ${encoding}`, async () => {
      const input = await makeClip(at('asked.mp4'));
      const made = await run(input, at('asked-out.mkv'), job);
      expect(made.encoding).toBe(encoding);
      expect(made.tracks[0]).toMatchObject({ codec, format });
      expect(made.tracks[0]?.packets).toHaveLength(10);
    });
  }

  it('is tagged as Apple has it: HEVC', async () => {
    const input = await makeClip(at('tag.mp4'));
    for (const extension of ['mp4', 'mov']) {
      const { tracks } = await run(input, at(`tag-out.${extension}`), {
        codec: 'hevc',
        preset: 'ultrafast',
      });
      expect(tracks[0]).toMatchObject({ codec: 'hevc', tag: 'hvc1' });
    }
  });

  it('takes less room with a higher crf', async () => {
    const input = await makeClip(at('crf.mp4'));
    const size = async (crf: number) => {
      await run(input, at('crf-out.mp4'), { crf });
      return (await readFile(at('crf-out.mp4'))).length;
    };
    expect(await size(40)).toBeLessThan((await size(10)) * 0.8);
  });

  for (const [job, message] of [
    [{ codec: 'divx' as 'h264' }, /a codec of h264, hevc.*, got divx/],
    [{ crf: 99 }, /crf to be a number from 0 to 51, got 99/],
    [{ codec: 'prores', crf: 9 }, /no crf for prores/],
    [{ codec: 'ffv1', preset: 'fast' }, /no preset for ffv1/],
    [{ pixelFormat: 'rgb565' }, /a pixel format of h264: yuv420p,.*, got rgb565/],
    [{ format: 'avi' }, /a format of mp4, .*, got avi/],
    [{ preset: 'sluggish' }, /h264 \(crf 16, preset sluggish, yuv420p\) to encode/],
  ] as const) {
    it(`is refused: ${JSON.stringify(job)}`, async () => {
      const input = await makeClip(at('refused.mp4'));
      await expect(run(input, at('refused-out.mp4'), job)).rejects.toThrow(message);
    });
  }
});

describe('what a file holds beside', () => {
  /** Copies a file, with more streams and tags. */
  async function enrich(
    from: string,
    to: string,
    add: (
      output: InstanceType<typeof av.FormatContext>,
    ) => (readonly [number, Buffer])[] = () => [],
    tags: Record<string, string> = {},
  ): Promise<string> {
    const input = new av.FormatContext();
    must(await input.openInput(from));
    must(await input.findStreamInfo(null));
    const output = new av.FormatContext();
    must(output.allocOutputContext2(null, null, to));
    for (const stream of input.streams) {
      const copy = output.newStream(null);
      must(stream.codecpar.copy(copy.codecpar));
      copy.codecpar.codecTag = 0;
      copy.timeBase = stream.timeBase;
      copy.avgFrameRate = stream.avgFrameRate;
      if (tags.timecode) copy.metadata = av.Dictionary.fromObject(tags);
    }
    const packets = add(output);
    must(await output.openOutput());
    must(await output.writeHeader(null));
    using packet = new av.Packet();
    packet.alloc();
    for (const [index, data] of packets) {
      packet.data = data;
      packet.pts = packet.dts = 0n;
      packet.duration = 1n;
      packet.streamIndex = index;
      packet.isKeyframe = true;
      must(await output.interleavedWriteFrame(packet));
      packet.unref();
    }
    while ((await input.readFrame(packet)) >= 0) {
      const { timeBase } = input.streams[packet.streamIndex] as (typeof input.streams)[0];
      packet.rescaleTs(
        timeBase,
        (output.streams[packet.streamIndex] as (typeof output.streams)[0]).timeBase,
      );
      must(await output.interleavedWriteFrame(packet));
    }
    must(await output.writeTrailer());
    await output.closeOutput();
    await input.closeInput();
    return to;
  }

  it('is kept: cover art', async () => {
    const image = await makeImage(at('cover.png'), [8, 8], 'rgb24', Array(192).fill(200));
    const cover = await readFile(image);
    for (const extension of ['mp4', 'mkv']) {
      const plain = await makeClip(at(`plain.${extension}`), { audio: true });
      const input = await enrich(plain, at(`cover.${extension}`), (output) => {
        const stream = output.newStream(null);
        stream.codecpar.codecType = av.AVMEDIA_TYPE_VIDEO;
        stream.codecpar.codecId = av.AV_CODEC_ID_PNG;
        stream.codecpar.width = stream.codecpar.height = 8;
        stream.disposition = av.AV_DISPOSITION_ATTACHED_PIC;
        stream.metadata = av.Dictionary.fromObject({ filename: 'c.png', mimetype: 'image/png' });
        return [[stream.index, cover]];
      });
      const { tracks, warnings } = await run(input, at(`cover-out.${extension}`));
      expect(warnings).toEqual([]);
      expect(tracks.map(({ codec }) => codec)).toEqual(['h264', 'aac', 'png']);
      expect(tracks[2]?.packets.map(({ data }) => data)).toEqual([cover.toString('base64')]);
    }
  });

  it('is kept: attachments', async () => {
    const plain = await makeClip(at('font-plain.mkv'));
    const input = await enrich(plain, at('font.mkv'), (output) => {
      const stream = output.newStream(null);
      stream.codecpar.codecType = av.AVMEDIA_TYPE_ATTACHMENT;
      stream.codecpar.codecId = av.AV_CODEC_ID_TTF;
      stream.codecpar.extradata = Buffer.from('a font');
      stream.metadata = av.Dictionary.fromObject({
        filename: 'a.ttf',
        mimetype: 'application/x-truetype-font',
      });
      return [];
    });
    const { tracks, warnings } = await run(input, at('font-out.mkv'));
    expect(warnings).toEqual([]);
    expect(tracks.map(({ codec }) => codec)).toEqual(['h264', 'ttf']);
    expect(tracks[1]?.metadata).toMatchObject({
      filename: 'a.ttf',
      mimetype: 'application/x-truetype-font',
    });
    const { warnings: dropped } = await run(input, at('font-out.mp4'));
    expect(dropped).toEqual([expect.stringMatching(/cannot hold attachment stream 1 \(ttf\)/)]);
  });

  it('is kept: timecode', async () => {
    const plain = await makeClip(at('code-plain.mov'), { fps: 25 });
    const input = await enrich(plain, at('code.mov'), undefined, { timecode: '01:02:03:04' });
    for (const extension of ['mov', 'mp4']) {
      const { tracks, warnings } = await run(input, at(`code-out.${extension}`));
      expect(warnings).toEqual([]);
      expect(tracks[0]?.metadata.timecode).toBe('01:02:03:04');
    }
  });

  it('is kept: a second video', async () => {
    const plain = await makeClip(at('two-plain.mkv'));
    const image = await readFile(
      await makeImage(at('two.png'), [8, 8], 'rgb24', Array(192).fill(9)),
    );
    const input = await enrich(plain, at('two.mkv'), (output) => {
      const stream = output.newStream(null);
      stream.codecpar.codecType = av.AVMEDIA_TYPE_VIDEO;
      stream.codecpar.codecId = av.AV_CODEC_ID_PNG;
      stream.codecpar.width = stream.codecpar.height = 8;
      stream.timeBase = new av.Rational(1, 1000);
      return [[stream.index, image]];
    });
    const { tracks } = await run(input, at('two-out.mkv'));
    expect(tracks.map(({ codec }) => codec)).toEqual(['h264', 'png']);
    expect(tracks[1]?.packets).toHaveLength(1);
  });

  it('is kept or told: data', async () => {
    const plain = await makeClip(at('data-plain.mp4'));
    const input = await enrich(plain, at('data.mp4'), (output) => {
      const stream = output.newStream(null);
      stream.codecpar.codecType = av.AVMEDIA_TYPE_DATA;
      stream.codecpar.codecId = av.AV_CODEC_ID_BIN_DATA;
      stream.codecpar.codecTag = 'gpmd';
      stream.timeBase = new av.Rational(1, 1000);
      return [[stream.index, Buffer.from('position')]];
    });
    const kept = await run(input, at('data-out.mp4'));
    expect(kept.warnings).toEqual([]);
    expect(kept.tracks[1]?.tag).toBe('gpmd');
    expect(
      kept.tracks[1]?.packets.map(({ data }) => Buffer.from(data, 'base64').toString()),
    ).toEqual(['position']);
    const { warnings } = await run(input, at('data-out.mkv'));
    expect(warnings).toEqual([expect.stringMatching(/cannot hold data stream 1 \(bin_data\)/)]);
  });

  describe('is kept: chapters', () => {
    const chapters: Chapter[] = [
      { start: 0n, end: 400_000_000n, title: 'Beginning' },
      { start: 400_000_000n, end: 1_000_000_000n, title: 'Schluß, 終' },
    ];
    /** What FFmpeg's own dump of a file says of chapters. */
    async function dumped(path: string): Promise<string> {
      const lines: string[] = [];
      const level = av.Log.getLevel();
      av.Log.setLevel(av.AV_LOG_INFO);
      av.Log.setCallback((_, line) => lines.push(line));
      const input = new av.FormatContext();
      must(await input.openInput(path));
      must(await input.findStreamInfo(null));
      input.dumpFormat(0, path, false);
      await input.closeInput();
      await new Promise((resolve) => setTimeout(resolve, 20));
      av.Log.resetCallback();
      av.Log.setLevel(level);
      return lines.join('').replace(/\s+/g, ' ');
    }
    /** A file with chapters; MP4 has its index at the end for that. */
    async function withChapters(name: string): Promise<string> {
      const path = await makeClip(at(name), { audio: true, metadata: { title: 'T' } });
      await writeChapters(path, name.endsWith('mkv') ? 'matroska' : 'mp4', chapters);
      return path;
    }

    for (const from of ['mkv', 'mp4']) {
      it(`as FFmpeg reads them: .${from}`, async () => {
        const path = await withChapters(`chapters.${from}`);
        expect(await dumped(path)).toMatch(
          /Chapter #0:0: start 0\.000000, end 0\.400000 Metadata: title : Beginning Chapter #0:1: start 0\.400000, end 1\.\d+ Metadata: title : Schluß, 終/,
        );
        await using video = await openVideo(path);
        expect((await collect(video)).length).toBe(10);
      });

      for (const to of ['mkv', 'mp4', 'mov']) {
        it(`from .${from} to .${to}`, async () => {
          const input = await withChapters(`from.${from}`);
          const output = at(`to.${to}`);
          const { warnings, tracks, metadata } = await run(input, output);
          expect(warnings).toEqual([]);
          expect(tracks[0]?.packets).toHaveLength(10);
          expect(metadata.title).toBe('T');
          expect(await dumped(output)).toMatch(
            /Chapter #0:0: start 0\.0+, end 0\.40+ .*Beginning Chapter #0:1: start 0\.40+, .*Schluß, 終/,
          );
          const read = await readChapters(output);
          expect(read?.map(({ start, title }) => ({ start, title }))).toEqual(
            chapters.map(({ start, title }) => ({ start, title })),
          );
        });
      }
    }

    it('or told', async () => {
      const input = await withChapters('told.mkv');
      const { warnings } = await run(input, at('told.nut'));
      expect(warnings).toEqual([
        expect.stringMatching(/told\.mkv has chapters; .*told\.nut is written without them/),
      ]);
    });

    it('where there are some', async () => {
      expect(await readChapters(await makeClip(at('none.mp4')))).toBeUndefined();
      expect(await readChapters(await makeClip(at('none.mkv')))).toBeUndefined();
      await writeFile(at('text.mkv'), 'text');
      expect(await readChapters(at('text.mkv'))).toBeUndefined();
      expect(await readChapters(at('nothing.mkv'))).toBeUndefined();
    });
  });
});

describe('HDR', () => {
  const params =
    'log-level=none:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400';
  for (const [name, transfer, extension] of [
    ['PQ', 'AVCOL_TRC_SMPTE2084', 'mp4'],
    ['PQ', 'AVCOL_TRC_SMPTE2084', 'mkv'],
    ['HLG', 'AVCOL_TRC_ARIB_STD_B67', 'mp4'],
  ] as const) {
    it(`keeps tags and brightness: ${name} in .${extension}`, async () => {
      const input = await makeClip(at(`hdr.${extension}`), {
        codec: 'libx265',
        format: 'yuv420p10le',
        options: { 'x265-params': params },
        space: av.AVCOL_SPC_BT2020_NCL,
        primaries: av.AVCOL_PRI_BT2020,
        transfer: av[transfer],
        range: av.AVCOL_RANGE_MPEG,
        paint: (planes) => {
          for (const plane of planes) new Uint16Array(plane.buffer, plane.byteOffset).fill(500);
        },
      });
      const output = at(`hdr-out.${extension}`);
      const { tracks } = await run(input, output);
      expect(tracks[0]).toMatchObject({
        format: 'yuv420p10le',
        colour: [av.AVCOL_RANGE_MPEG, av.AVCOL_SPC_BT2020_NCL, av.AVCOL_PRI_BT2020, av[transfer]],
      });
      const told = async (path: string) => {
        await using video = await openVideo(path);
        for await (const frame of video.decoded('test')) {
          return [
            frame.getSideData(av.AV_FRAME_DATA_MASTERING_DISPLAY_METADATA),
            frame.getSideData(av.AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
          ];
        }
        return [];
      };
      const [mastering, light] = await told(input);
      expect(light?.readUInt32LE(0)).toBe(1000);
      expect(mastering).toBeTruthy();
      const made = await told(output);
      expect(made[1]).toEqual(light);
      expect(made[0]?.length).toBe(mastering?.length);
    });
  }
});

describe('the range', () => {
  for (const [codec, format, name] of [
    ['prores_ks', 'yuv422p10le', 'range.mov'],
    ['libsvtav1', 'yuv420p', 'range.mp4'],
    ['mpeg2video', 'yuv420p', 'range.mpg'],
  ] as const) {
    it(`is told as the decoder tells it: ${codec}`, async () => {
      const input = await makeClip(at(name), {
        codec,
        format,
        fps: 25,
        range: av.AVCOL_RANGE_MPEG,
        space: av.AVCOL_SPC_BT709,
        primaries: av.AVCOL_PRI_BT709,
        transfer: av.AVCOL_TRC_BT709,
      });
      await using video = await openVideo(input);
      for await (const { colorRange } of video.decoded('test')) {
        expect(colorRange).toBe(av.AVCOL_RANGE_MPEG);
      }
      for (const extension of ['mp4', 'mkv']) {
        const { tracks } = await run(input, at(`range-out.${extension}`), { codec: 'h264' });
        expect(tracks[0]?.colour).toEqual([av.AVCOL_RANGE_MPEG, 1, 1, 1]);
      }
      // Alone, too, which x264 does not tell.
      const bare = await makeClip(at(`bare-${name}`), {
        codec,
        format,
        fps: 25,
        range: av.AVCOL_RANGE_MPEG,
      });
      await using reader = await openVideo(bare);
      const ranges = new Set<number>();
      for await (const { colorRange } of reader.decoded('test')) ranges.add(colorRange);
      for (const extension of ['mp4', 'mkv']) {
        const { tracks } = await run(bare, at(`bare-out.${extension}`), { codec: 'h264' });
        expect([...ranges]).toEqual([tracks[0]?.colour[0]]);
      }
    });
  }
});
