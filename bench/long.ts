// Ten thousand frames from file to file: memory and speed by thousand, and the sound against the
// picture. `tsx bench/long.ts --clips DIR --out DIR [--frames n] [--work-size n]` makes
// the film first: every clip forth and back under a camera that drifts, with a tone whose pitch
// climbs.
import { existsSync, readdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FilterAPI } from 'node-av/api';
import * as constants from 'node-av/constants';
import * as library from 'node-av/lib';
import { Inpainter } from '../lib/index.js';
import { inpaintFile, openVideo } from '../lib/video/index.js';

const { values } = parseArgs({
  options: {
    clips: { type: 'string' },
    out: { type: 'string' },
    frames: { type: 'string', default: '10000' },
    'work-size': { type: 'string', default: '256' },
  },
});
const { clips = '', out = '' } = values;
const [frames, workSize] = [Number(values.frames), Number(values['work-size'])];
const [width, height, fps, rate] = [640, 360, 25, 16000];
/** Of each clip, before the next one. */
const perClip = 500;
const av = { ...library, ...constants };
av.Log.setLevel(av.AV_LOG_QUIET);
const must = (code: number) => av.FFmpegError.throwIfError(code);

/** Frames of one clip after the other, each forth and back. */
async function* footage(): AsyncGenerator<library.Frame> {
  const paths = readdirSync(clips).filter((name) => name.endsWith('.mp4'));
  let made = 0;
  for (let i = 0; made < frames; i++) {
    await using video = await openVideo(join(clips, paths[(i * 7) % paths.length] as string));
    if (video.width < video.height * 1.3) continue;
    const own: library.Frame[] = [];
    for await (const frame of video.decoded('long')) own.push(frame.clone() as library.Frame);
    const drift = "crop=640:360:x='32+30*sin(n/41)':y='18+16*cos(n/67)'";
    const filter = FilterAPI.create(`scale=704:396,${drift},setsar=1,format=yuv420p`);
    for (let at = 0; at < perClip && made < frames; at++, made++) {
      const phase = at % (2 * own.length - 2);
      const frame = own[phase < own.length ? phase : 2 * own.length - 2 - phase] as library.Frame;
      using next = frame.clone() as library.Frame;
      next.pts = BigInt(at);
      next.timeBase = new av.Rational(1, fps);
      for (const each of await filter.processAll(next)) {
        yield each;
        each.free();
      }
    }
    filter.close();
    for (const frame of own) frame.free();
  }
}

/** Writes what an encoder has ready. */
async function drain(
  encoder: library.CodecContext,
  stream: library.Stream,
  output: library.FormatContext,
): Promise<void> {
  using packet = new av.Packet();
  packet.alloc();
  while ((await encoder.receivePacket(packet)) >= 0) {
    packet.streamIndex = stream.index;
    packet.rescaleTs(encoder.timeBase, stream.timeBase);
    must(await output.interleavedWriteFrame(packet));
  }
}

/** Lossless H.264, and AAC. */
async function makeFilm(path: string): Promise<void> {
  const output = new av.FormatContext();
  must(output.allocOutputContext2(null, 'matroska', path));
  const codec = av.Codec.findEncoderByName('libx264' as never);
  using encoder = new av.CodecContext();
  encoder.allocContext3(codec);
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = av.AV_PIX_FMT_YUV420P;
  encoder.timeBase = new av.Rational(1, fps);
  encoder.framerate = new av.Rational(fps, 1);
  encoder.setFlags(av.AV_CODEC_FLAG_GLOBAL_HEADER);
  must(await encoder.open2(codec, av.Dictionary.fromObject({ qp: '0', preset: 'ultrafast' })));
  const aac = av.Codec.findEncoderByName('aac' as never);
  using sound = new av.CodecContext();
  sound.allocContext3(aac);
  sound.sampleRate = rate;
  sound.sampleFormat = av.AV_SAMPLE_FMT_FLTP;
  sound.channelLayout = av.avChannelLayoutDefault(1);
  sound.timeBase = new av.Rational(1, rate);
  sound.setFlags(av.AV_CODEC_FLAG_GLOBAL_HEADER);
  must(await sound.open2(aac, null));
  const [video, track] = [encoder, sound].map((context) => {
    const stream = output.newStream(null);
    must(stream.codecpar.fromContext(context));
    stream.timeBase = context.timeBase;
    return stream;
  }) as [library.Stream, library.Stream];
  must(await output.openOutput());
  must(await output.writeHeader(null));
  let [index, samples] = [0, 0];
  for await (const frame of footage()) {
    frame.pts = BigInt(index++);
    frame.pictType = av.AV_PICTURE_TYPE_NONE;
    must(await encoder.sendFrame(frame));
    await drain(encoder, video, output);
    for (; samples < (index / fps) * rate; samples += sound.frameSize) {
      const wave = Float32Array.from(
        { length: sound.frameSize },
        (_, i) => Math.sin((samples + i) * (0.05 + samples / 1e8)) / 2,
      );
      using piece = av.Frame.fromAudioBuffer(Buffer.from(wave.buffer), {
        nbSamples: wave.length,
        format: av.AV_SAMPLE_FMT_FLTP,
        sampleRate: rate,
        channelLayout: av.avChannelLayoutDefault(1),
        timeBase: { num: 1, den: rate },
        pts: BigInt(samples),
      });
      must(await sound.sendFrame(piece));
      await drain(sound, track, output);
    }
  }
  for (const [context, stream] of [
    [encoder, video],
    [sound, track],
  ] as const) {
    must(await context.sendFrame(null));
    await drain(context, stream, output);
  }
  must(await output.writeTrailer());
  await output.closeOutput();
  output.freeContext();
}

/** When the packets of picture and sound are shown, in seconds, ascending. */
async function times(path: string): Promise<[number[], number[]]> {
  const input = new av.FormatContext();
  must(await input.openInput(path));
  must(await input.findStreamInfo(null));
  const found: [number[], number[]] = [[], []];
  using packet = new av.Packet();
  packet.alloc();
  while ((await input.readFrame(packet)) >= 0) {
    const { codecpar, timeBase } = input.streams[packet.streamIndex] as library.Stream;
    const isPicture = codecpar.codecType === av.AVMEDIA_TYPE_VIDEO;
    found[isPicture ? 0 : 1].push((Number(packet.pts) * timeBase.num) / timeBase.den);
    packet.unref();
  }
  await input.closeInput();
  for (const each of found) each.sort((a, b) => a - b);
  return found;
}

const film = join(out, `film-${frames}.mkv`);
if (!existsSync(film)) {
  await makeFilm(`${film}.part`);
  await rename(`${film}.part`, film);
}
const output = join(out, `done-${frames}.mkv`);
await using inpainter = await Inpainter.create({ device: 'cpu', workSize });
const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
let resident: number[] = [];
let [since, used] = [performance.now(), process.cpuUsage()];
const means: number[] = [];
const result = await inpaintFile(inpainter, {
  input: film,
  mask: [{ x: 280, y: 150, width: 64, height: 48 }],
  output,
  onWarning: console.log,
  onProgress: ({ frame }) => {
    if (frame % 10 === 0) resident.push(process.memoryUsage.rss());
    if (frame % 1000) return;
    const seconds = (performance.now() - since) / 1000;
    const { user, system } = process.cpuUsage(used);
    const mean = resident.reduce((a, b) => a + b, 0) / resident.length;
    means.push(mean);
    console.log(
      `frames to ${frame}: resident ${mib(mean)} MiB on average, ${mib(Math.max(...resident))} at most; ` +
        `${(1000 / seconds).toFixed(2)} frames a second, ${Math.round((user + system) / 1e6)} s of CPUs`,
    );
    resident = [];
    [since, used] = [performance.now(), process.cpuUsage()];
  },
});
const [last, second] = [means.at(-1) ?? 0, means[1] ?? 0];
console.log(`resident, the last thousand to the second: ${(last / second).toFixed(4)}`);
console.log(`${result.frames} frames, ${result.fps.toFixed(2)} a second`);
const [before, after] = [await times(film), await times(output)];
['picture', 'sound'].forEach((name, i) => {
  const [from, to] = [before[i] as number[], after[i] as number[]];
  const shift = from.reduce((most, at, j) => Math.max(most, Math.abs(at - (to[j] ?? 1e9))), 0);
  console.log(
    `${name}: ${from.length} packets in, ${to.length} out, timestamps differ by at most ${shift} s`,
  );
});
