// Makes small videos and images for the tests, with FFmpeg through node-av.

import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as constants from 'node-av/constants';
import * as library from 'node-av/lib';
import { afterAll } from 'vitest';

export const av = { ...library, ...constants };
av.Log.setLevel(av.AV_LOG_QUIET);

/** A folder that is gone after the tests of the file. */
export function scratch(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'align-and-attend-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** All that an async iterable yields. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** Fills the planes of frame `index`; rows are `stride` bytes apart. */
export type Paint = (planes: Buffer[], strides: number[], index: number) => void;

/** Smooth waves that move. */
export const gradient: Paint = (planes, strides, index) => {
  planes.forEach((plane, p) => {
    const stride = strides[p] ?? 1;
    for (let i = 0; i < plane.length; i++) {
      const phase = (i % stride) / 9 + Math.floor(i / stride) / 13 + index / 5 + p;
      plane[i] = 128 + 40 * Math.sin(phase);
    }
  });
};

/** All of a plane with one value. */
export const flat =
  (...values: number[]): Paint =>
  (planes) => {
    planes.forEach((plane, p) => plane.fill(values[p] ?? 0));
  };

export interface ClipOptions {
  width?: number;
  height?: number;
  frames?: number;
  fps?: number;
  codec?: string;
  format?: string;
  options?: Record<string, string>;
  container?: Record<string, string>;
  paint?: Paint;
  /** In units of 1 / 1000 s; by default even. */
  pts?: number[];
  audio?: boolean;
  /** As long as the picture if left out. */
  soundSeconds?: number;
  subtitles?: boolean;
  rotation?: 90 | 180 | 270;
  metadata?: Record<string, string>;
  range?: number;
  space?: number;
  primaries?: number;
  transfer?: number;
  aspect?: [number, number];
  interlaced?: 'top first' | 'bottom first';
}

const must = (code: number) => av.FFmpegError.throwIfError(code);

async function encodeTo(
  encoder: library.CodecContext,
  frame: library.Frame | null,
  stream: library.Stream,
  output: library.FormatContext,
): Promise<void> {
  must(await encoder.sendFrame(frame));
  using packet = new av.Packet();
  packet.alloc();
  while ((await encoder.receivePacket(packet)) >= 0) {
    packet.streamIndex = stream.index;
    packet.rescaleTs(encoder.timeBase, stream.timeBase);
    must(await output.interleavedWriteFrame(packet));
  }
}

function displayMatrix(degrees: number): Buffer {
  const [cos, sin] = [Math.cos, Math.sin].map((f) =>
    Math.round(f((degrees * Math.PI) / 180) * 65536),
  );
  const matrix = Buffer.alloc(36);
  [cos, sin, 0, -(sin as number), cos, 0, 0, 0, 1 << 30].forEach((v, i) => {
    matrix.writeInt32LE(v as number, 4 * i);
  });
  return matrix;
}

/** Writes a video file. */
export async function makeClip(path: string, clip: ClipOptions = {}): Promise<string> {
  const { width = 64, height = 48, frames = 10, fps = 10, codec: name = 'libx264' } = clip;
  const { format = 'yuv420p', paint = gradient, pts, audio, rotation } = clip;
  const output = new av.FormatContext();
  must(output.allocOutputContext2(null, null, path));
  output.metadata = av.Dictionary.fromObject(clip.metadata ?? {});

  const codec = av.Codec.findEncoderByName(name as never);
  using encoder = new av.CodecContext();
  encoder.allocContext3(codec);
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = av.avGetPixFmtFromName(format);
  encoder.timeBase = new av.Rational(1, pts ? 1000 : fps);
  encoder.framerate = new av.Rational(fps, 1);
  encoder.gopSize = 12;
  if (clip.range !== undefined) encoder.colorRange = clip.range as never;
  if (clip.space !== undefined) encoder.colorSpace = clip.space as never;
  if (clip.primaries !== undefined) encoder.colorPrimaries = clip.primaries as never;
  if (clip.transfer !== undefined) encoder.colorTrc = clip.transfer as never;
  if (clip.aspect) encoder.sampleAspectRatio = new av.Rational(...clip.aspect);
  encoder.setFlags(av.AV_CODEC_FLAG_GLOBAL_HEADER, av.AV_CODEC_FLAG_FRAME_DURATION);
  if (clip.interlaced) {
    encoder.setFlags(av.AV_CODEC_FLAG_INTERLACED_DCT, av.AV_CODEC_FLAG_INTERLACED_ME);
  }
  const fields: Record<string, string> =
    clip.interlaced === 'bottom first' ? { 'x264-params': 'bff=1' } : {};
  const lossless = name === 'libx264' ? { qp: '0' } : {};
  must(
    await encoder.open2(
      codec,
      av.Dictionary.fromObject({ ...lossless, ...fields, ...clip.options }),
    ),
  );
  const video = output.newStream(null);
  must(video.codecpar.fromContext(encoder));
  video.timeBase = encoder.timeBase;
  video.avgFrameRate = encoder.framerate;
  video.sampleAspectRatio = encoder.sampleAspectRatio;
  if (format.startsWith('yuva')) video.metadata = av.Dictionary.fromObject({ alpha_mode: '1' });
  if (rotation) {
    video.codecpar.addCodedSideData(av.AV_PKT_DATA_DISPLAYMATRIX, displayMatrix(rotation));
  }

  const aac = av.Codec.findEncoderByName('aac' as never);
  using sound = new av.CodecContext();
  let track: library.Stream | undefined;
  if (audio) {
    sound.allocContext3(aac);
    sound.sampleRate = 8000;
    sound.sampleFormat = av.AV_SAMPLE_FMT_FLTP;
    sound.channelLayout = av.avChannelLayoutDefault(1);
    sound.timeBase = new av.Rational(1, 8000);
    sound.setFlags(av.AV_CODEC_FLAG_GLOBAL_HEADER);
    must(await sound.open2(aac, null));
    track = output.newStream(null);
    must(track.codecpar.fromContext(sound));
    track.timeBase = sound.timeBase;
  }
  let titles: library.Stream | undefined;
  if (clip.subtitles) {
    titles = output.newStream(null);
    titles.codecpar.codecType = av.AVMEDIA_TYPE_SUBTITLE;
    titles.codecpar.codecId = av.AV_CODEC_ID_SUBRIP;
    titles.timeBase = new av.Rational(1, 1000);
  }

  must(await output.openOutput());
  must(await output.writeHeader(av.Dictionary.fromObject(clip.container ?? {})));
  if (titles) {
    using packet = new av.Packet();
    packet.alloc();
    packet.data = Buffer.from('hello');
    packet.pts = packet.dts = 0n;
    packet.duration = 500n;
    packet.streamIndex = titles.index;
    must(await output.interleavedWriteFrame(packet));
  }
  if (track) {
    const samples = sound.frameSize;
    for (let start = 0; start < (clip.soundSeconds ?? frames / fps) * 8000; start += samples) {
      const wave = Float32Array.from({ length: samples }, (_, i) => Math.sin((start + i) / 5) / 2);
      using frame = av.Frame.fromAudioBuffer(Buffer.from(wave.buffer), {
        nbSamples: samples,
        format: av.AV_SAMPLE_FMT_FLTP,
        sampleRate: 8000,
        channelLayout: av.avChannelLayoutDefault(1),
        timeBase: { num: 1, den: 8000 },
        pts: BigInt(start),
      });
      await encodeTo(sound, frame, track, output);
    }
    await encodeTo(sound, null, track, output);
  }
  for (let i = 0; i < frames; i++) {
    using frame = new av.Frame();
    frame.alloc();
    frame.format = encoder.pixelFormat;
    frame.width = width;
    frame.height = height;
    must(frame.getBuffer());
    paint(frame.data ?? [], frame.linesize, i);
    frame.pts = BigInt(pts?.[i] ?? i);
    frame.duration = BigInt(pts ? (pts[i + 1] ?? (pts[i] ?? 0) + 100) - (pts[i] ?? 0) : 1);
    frame.colorRange = encoder.colorRange;
    if (clip.interlaced) frame.setFlags(av.AV_FRAME_FLAG_INTERLACED);
    if (clip.interlaced === 'top first') frame.setFlags(av.AV_FRAME_FLAG_TOP_FIELD_FIRST);
    await encodeTo(encoder, frame, video, output);
  }
  await encodeTo(encoder, null, video, output);
  must(await output.writeTrailer());
  await output.closeOutput();
  output.freeContext();
  return path;
}

/** What a file says of a stream, and its packets. */
export interface Track {
  type: number;
  codec: string;
  tag: string;
  format: string;
  colour: number[];
  rotation: Buffer | null;
  aspect: string;
  fields: number;
  rate: string;
  profile: number;
  metadata: Record<string, string>;
  /** 0 where the container does not tell. */
  seconds: number;
  packets: { seconds: number; data: string }[];
}

/** Reads all streams of a file. */
export async function probe(
  path: string,
): Promise<{ metadata: Record<string, string>; tracks: Track[] }> {
  const input = new av.FormatContext();
  must(await input.openInput(path));
  must(await input.findStreamInfo(null));
  const tracks = input.streams.map((stream): Track => {
    const { codecpar, sampleAspectRatio, metadata, duration, timeBase } = stream;
    const { codecType, codecId, colorRange, colorSpace, colorPrimaries, colorTrc } = codecpar;
    return {
      type: codecType,
      codec: av.avGetCodecName(codecId) ?? '',
      tag: codecpar.codecTagString ?? '',
      format: av.avGetPixFmtName(codecpar.format as never) ?? '',
      colour: [colorRange, colorSpace, colorPrimaries, colorTrc],
      rotation: codecpar.getCodedSideData(av.AV_PKT_DATA_DISPLAYMATRIX),
      aspect: `${sampleAspectRatio}`,
      fields: codecpar.toJSON().fieldOrder,
      rate: `${stream.avgFrameRate}`,
      profile: codecpar.profile,
      metadata: metadata?.getAll() ?? {},
      seconds: Math.max(0, (Number(duration) * timeBase.num) / timeBase.den),
      packets: [],
    };
  });
  using packet = new av.Packet();
  packet.alloc();
  while ((await input.readFrame(packet)) >= 0) {
    const { num, den } = packet.timeBase.num
      ? packet.timeBase
      : (input.streams[packet.streamIndex] as library.Stream).timeBase;
    const seconds = (ticks: bigint) => Math.round((Number(ticks) * num * 1e6) / den) / 1e6;
    tracks[packet.streamIndex]?.packets.push({
      seconds: seconds(packet.pts),
      data: (packet.data ?? Buffer.alloc(0)).toString('base64'),
    });
    packet.unref();
  }
  const metadata = input.metadata?.getAll() ?? {};
  await input.closeInput();
  return { metadata, tracks };
}

/** Writes an image; `format` is that of the pixels, packed. */
export async function makeImage(
  path: string,
  [width, height]: [number, number],
  format: string,
  pixels: ArrayLike<number>,
  codecName = 'png',
): Promise<string> {
  const codec = av.Codec.findEncoderByName(codecName as never);
  using encoder = new av.CodecContext();
  encoder.allocContext3(codec);
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = av.avGetPixFmtFromName(format);
  encoder.timeBase = new av.Rational(1, 25);
  encoder.colorRange = av.AVCOL_RANGE_JPEG;
  must(await encoder.open2(codec, null));
  using frame = av.Frame.fromVideoBuffer(Buffer.from(pixels as number[]), {
    width,
    height,
    format: encoder.pixelFormat,
  });
  using packet = new av.Packet();
  packet.alloc();
  must(await encoder.sendFrame(frame));
  await encoder.sendFrame(null);
  must(await encoder.receivePacket(packet));
  await writeFile(path, packet.data ?? '');
  return path;
}
