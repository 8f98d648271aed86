import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import {
  allocateFrame,
  type CodecContext,
  Converter,
  check,
  type FFmpeg,
  type FormatContext,
  type Frame,
  formatName,
  hasAlpha,
  matrixOf,
  mediaError,
  type Packet,
  type Stream,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { type OpenFile, openFile, type VideoReader } from './reader.js';
import { fillFrame, isOpaque, VideoWriter } from './writer.js';

const op = 'createWriter';
const microseconds = { num: 1, den: 1_000_000 };

/** @internal FFmpeg's names of the containers, by what paths end in. */
export const containers: Readonly<Record<string, string>> = {
  '.mp4': 'mp4',
  '.m4v': 'mp4',
  '.mov': 'mov',
  '.mkv': 'matroska',
  '.webm': 'webm',
};

/** How frames are encoded. */
interface Encoding {
  readonly name: 'libx264' | 'libvpx-vp9' | 'prores_ks';
  readonly options: Readonly<Record<string, string>>;
  readonly alpha: boolean;
}

function encodingFor(container: string, alpha: boolean): Encoding {
  if (alpha && container === 'mov') {
    return { name: 'prores_ks', options: { profile: '4444', alpha_bits: '8' }, alpha };
  }
  if (container === 'webm' || (alpha && container === 'matroska')) {
    const speed = { deadline: 'good', 'cpu-used': '3', 'row-mt': '1' };
    return { name: 'libvpx-vp9', options: { crf: '20', b: '0', ...speed }, alpha };
  }
  // x264 would tell the units of timestamps as the frame rate. The timestamps themselves are kept,
  // whatever rate it tells.
  const options = { crf: '16', preset: 'fast', 'x264-params': 'force-cfr=1' };
  return { name: 'libx264', options, alpha: false };
}

/**
 * The source's pixel format where the encoder has it, else the nearest; 4:2:0 for RGB and grey
 * sources, as more players take it. H.264 with halved chroma has even sizes only: an odd one gets
 * 4:4:4.
 */
function pixelFormatFor(
  av: FFmpeg,
  { name, alpha }: Encoding,
  source: string,
  { width, height }: VideoReader,
): CodecContext['pixelFormat'] {
  if (alpha) return name === 'prores_ks' ? av.AV_PIX_FMT_YUVA444P10LE : av.AV_PIX_FMT_YUVA420P;
  const choices = ['420p', '422p', '444p', '420p10le', '422p10le', '444p10le'];
  const formats = choices.map((choice) => av.avGetPixFmtFromName(`yuv${choice}`));
  const isYuv = /^(yuv|yuyv|uyvy|yvyu|nv\d|[py][024]1\d)/.test(source);
  const found = isYuv
    ? formatName(av, av.avcodecFindBestPixFmtOfList(formats, av.avGetPixFmtFromName(source)))
    : 'yuv420p';
  const isOdd = (width % 2 && !found.includes('444')) || (height % 2 && found.includes('420'));
  const kept = name === 'libx264' && isOdd ? found.replace(/42[02]/, '444') : found;
  return av.avGetPixFmtFromName(kept);
}

/** Tags about single packets or the old encoding, which are wrong for the new one. */
const stale = new RegExp(
  '^(duration|number_of_|bps|_statistics|encoder|vendor_id|alpha_mode|' +
    'major_brand|minor_version|compatible_brands)',
  'i',
);

type Tagged = Pick<Stream, 'metadata'>;

/** Copies tags, and tells the keys. */
function copyTags(av: FFmpeg, from: Tagged, to: Tagged): string[] {
  const tags = Object.entries(from.metadata?.getAll() ?? {}).filter(([key]) => !stale.test(key));
  to.metadata = av.Dictionary.fromObject(Object.fromEntries(tags));
  return tags.map(([key]) => key);
}

/** @internal Writes a video file; what else the source holds is copied beside the video. */
export class FileWriter extends VideoWriter {
  readonly #av: FFmpeg;
  readonly #container: string;
  readonly #converter: Converter;
  /** The source, open a second time: its other streams are copied as the video advances. */
  #source: OpenFile | undefined;
  #encoder: CodecContext | undefined;
  #rgb: Frame | undefined;
  #output: FormatContext | undefined;
  #video: Stream | undefined;
  /** The copy of each copied stream of the source, by that one's index. */
  #copies = new Map<number, Stream>();
  /** A packet of the source whose time has not come. */
  #waiting: Packet | undefined;
  #allCopied = false;
  /** Taken off all timestamps, in microseconds. */
  #start = 0n;
  /** When the next frame would come at a constant rate. */
  #next = 0;

  constructor(av: FFmpeg, path: string, like: VideoReader, container: string) {
    super(path, like);
    this.#av = av;
    this.#container = container;
    this.#converter = new Converter(av);
  }

  #must(code: number, expected = `to write ${this.path}`): void {
    check(this.#av, code, op, expected);
  }

  async start(): Promise<this> {
    const av = this.#av;
    if (!this.like.images) this.#source = await openFile(av, op, this.like.path);
    // Broadcast streams start anywhere; other files start where their maker wants.
    const input = this.#source?.input;
    if (input?.iformat?.name?.startsWith('mpeg') && input.startTime > 0n) {
      this.#start = input.startTime;
    }
    await this.#openEncoder();
    await this.#openOutput();
    return this;
  }

  async #openEncoder(): Promise<void> {
    const av = this.#av;
    const { width, height, channels, timeBase, fps } = this.like;
    const encoding = encodingFor(this.#container, channels === 4);
    const codec = av.Codec.findEncoderByName(encoding.name as never);
    if (!codec) throw mediaError(op, `FFmpeg to have the encoder ${encoding.name}`, 'none');
    const encoder = new av.CodecContext();
    this.#encoder = encoder;
    encoder.allocContext3(codec);
    encoder.width = width;
    encoder.height = height;
    encoder.timeBase = new av.Rational(timeBase.num, timeBase.den);
    const par = this.#source?.stream.codecpar;
    const source = par ? formatName(av, par.format) : 'rgb24';
    encoder.pixelFormat = pixelFormatFor(av, encoding, source, this.like);
    if (par && this.#source) {
      const { avgFrameRate, rFrameRate, sampleAspectRatio } = this.#source.stream;
      // The grid on which a varying rate lies, where it has a usual one.
      const hasGrid = rFrameRate.num > 0 && rFrameRate.toDouble() <= 120;
      encoder.framerate = hasGrid || avgFrameRate.num <= 0 ? rFrameRate : avgFrameRate;
      const isTold = sampleAspectRatio.num > 0;
      encoder.sampleAspectRatio = isTold ? sampleAspectRatio : par.sampleAspectRatio;
      encoder.colorRange = source.startsWith('yuvj') ? av.AVCOL_RANGE_JPEG : par.colorRange;
      encoder.colorSpace = par.colorSpace;
      encoder.colorPrimaries = par.colorPrimaries;
      encoder.colorTrc = par.colorTrc;
      encoder.chromaLocation = par.chromaLocation;
    } else {
      encoder.framerate = new av.Rational(Math.round(fps * 1000), 1000);
      encoder.colorPrimaries = av.AVCOL_PRI_BT709;
      encoder.colorTrc = av.AVCOL_TRC_BT709;
    }
    // RGB has no matrix to keep, and its range says nothing of YUV's.
    if (/rgb|bgr|gbr|pal8/.test(source) || encoder.colorSpace === av.AVCOL_SPC_RGB) {
      encoder.colorSpace = av.AVCOL_SPC_BT709;
      encoder.colorRange = av.AVCOL_RANGE_MPEG;
    }
    // Every container here wants the codec's headers apart from the frames.
    encoder.setFlags(av.AV_CODEC_FLAG_FRAME_DURATION, av.AV_CODEC_FLAG_GLOBAL_HEADER);
    const options = av.Dictionary.fromObject(encoding.options);
    const expected = `${encoding.name} to encode ${width} x ${height}`;
    this.#must(await encoder.open2(codec, options), expected);
  }

  /** Opens the output with all streams of the source but those that the container does not take. */
  async #openOutput(): Promise<void> {
    const av = this.#av;
    const others = (this.#source?.input.streams ?? []).filter(({ index, codecpar }) => {
      const isTimecode = codecpar.codecTagString === 'tmcd'; // written anew from the metadata
      return index !== this.#source?.stream.index && !isTimecode;
    });
    const code = await this.#writeHeader(others);
    if (code >= 0) return;
    if (!others.length) this.#must(code);
    const kept: Stream[] = [];
    const dropped = this.dropped as string[];
    for (const stream of others) {
      if ((await this.#writeHeader([stream])) >= 0) {
        kept.push(stream);
        continue;
      }
      const { codecId, codecType } = stream.codecpar;
      const kind = av.avGetMediaTypeString(codecType) ?? 'unknown';
      const what = `${kind} stream ${stream.index} (${av.avGetCodecName(codecId) ?? 'unknown'})`;
      if (codecType === av.AVMEDIA_TYPE_AUDIO) {
        const expected = `a container that holds ${what} of ${this.like.path} as it is`;
        throw mediaError(op, expected, `${extname(this.path)}; .mkv does`);
      }
      dropped.push(what);
    }
    this.#must(await this.#writeHeader(kept));
  }

  /**
   * Starts the output with copies of these streams. A container that does not take them says so.
   */
  async #writeHeader(others: readonly Stream[]): Promise<number> {
    const av = this.#av;
    const encoder = this.#encoder as CodecContext;
    await this.#closeOutput();
    const output = new av.FormatContext();
    this.#output = output;
    const url = `file:${this.temporary}`;
    this.#must(output.allocOutputContext2(null, this.#container, url));
    const video = output.newStream(null);
    this.#video = video;
    this.#must(video.codecpar.fromContext(encoder));
    video.timeBase = encoder.timeBase;
    video.avgFrameRate = this.#source?.stream.avgFrameRate ?? encoder.framerate;
    video.sampleAspectRatio = encoder.sampleAspectRatio;
    const keys = this.#source ? copyTags(av, this.#source.input, output) : [];
    if (this.#source) this.#describeVideo(video, this.#source.stream);
    this.#copies = new Map();
    for (const stream of others) {
      const copy = output.newStream(null);
      this.#must(stream.codecpar.copy(copy.codecpar));
      copy.codecpar.codecTag = 0; // the container chooses its own
      copy.timeBase = stream.timeBase;
      copy.disposition = stream.disposition;
      copyTags(av, stream, copy);
      this.#copies.set(stream.index, copy);
    }
    this.#must(await output.openOutput());
    // Keys with dots (com.apple.quicktime...) survive in MP4 only as the newer kind of tags.
    const tags = keys.some((key) => key.includes('.')) ? '+use_metadata_tags' : '';
    return output.writeHeader(av.Dictionary.fromObject({ movflags: `+faststart${tags}` }));
  }

  /** Copies what is told beside the frames: tags, rotation, brightness, projection, profile. */
  #describeVideo(video: Stream, source: Stream): void {
    const av = this.#av;
    copyTags(av, source, video);
    if (this.#encoder?.pixelFormat === av.AV_PIX_FMT_YUVA420P) {
      video.metadata?.set('alpha_mode', '1');
    }
    video.disposition = source.disposition;
    for (const type of [
      av.AV_PKT_DATA_DISPLAYMATRIX,
      av.AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
      av.AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
      av.AV_PKT_DATA_AMBIENT_VIEWING_ENVIRONMENT,
      av.AV_PKT_DATA_SPHERICAL,
      av.AV_PKT_DATA_STEREO3D,
      av.AV_PKT_DATA_ICC_PROFILE,
    ]) {
      const data = source.codecpar.getCodedSideData(type);
      if (data) video.codecpar.addCodedSideData(type, data);
    }
  }

  protected override async encode(image: Image): Promise<void> {
    const av = this.#av;
    const encoder = this.#encoder as CodecContext;
    const { pixelFormat, colorRange, colorSpace } = encoder;
    const { width, height } = image;
    if (image.channels === 4 && !hasAlpha(av, pixelFormat) && !isOpaque(image)) {
      const places = '.mov, .mkv, .webm or a folder';
      const expected = `an output that keeps the alpha of ${this.like.path} (${places})`;
      throw mediaError(op, expected, extname(this.path));
    }
    // Its memory is used again: fresh pages cost the event loop more than the copy.
    const rgb = fillFrame(av, image, this.#rgb);
    this.#rgb = rgb;
    using frame = allocateFrame(av, pixelFormat, width, height);
    const isFull = colorRange === av.AVCOL_RANGE_JPEG;
    rgb.colorPrimaries = frame.colorPrimaries = encoder.colorPrimaries;
    rgb.colorTrc = frame.colorTrc = encoder.colorTrc;
    frame.chromaLocation = encoder.chromaLocation;
    frame.colorRange = isFull ? av.AVCOL_RANGE_JPEG : av.AVCOL_RANGE_MPEG;
    frame.colorSpace = matrixOf(av, { width, height, colorSpace });
    await this.#converter.convert(rgb, frame, op);
    // The tags say no more than the source's did.
    frame.colorRange = colorRange;
    frame.colorSpace = colorSpace;
    const { timeBase, timings, fps } = this.like;
    const { pts, duration } = timings.shift() ?? { pts: this.#next, duration: 0 };
    const usual = Math.max(1, Math.round(timeBase.den / (timeBase.num * fps)));
    this.#next = pts + (duration || usual);
    frame.pts = BigInt(pts) - av.avRescaleQ(this.#start, microseconds, timeBase);
    frame.duration = BigInt(this.#next - pts);
    frame.timeBase = encoder.timeBase;
    frame.sampleAspectRatio = encoder.sampleAspectRatio;
    this.#must(await encoder.sendFrame(frame), `to encode frame ${this.frames}`);
    await this.#writePackets();
  }

  /**
   * Writes the packets that the encoder has ready, each after what other streams have before it.
   */
  async #writePackets(): Promise<void> {
    const av = this.#av;
    const encoder = this.#encoder as CodecContext;
    const { index, timeBase } = this.#video as Stream;
    using packet = new av.Packet();
    packet.alloc();
    for (;;) {
      const code = await encoder.receivePacket(packet);
      if (code === av.AVERROR_EAGAIN || code === av.AVERROR_EOF) return;
      this.#must(code, `to encode frame ${this.frames}`);
      packet.streamIndex = index;
      packet.rescaleTs(encoder.timeBase, timeBase);
      await this.#copyUntil((Number(packet.dts) * timeBase.num) / timeBase.den);
      await this.#writePacket(packet);
    }
  }

  async #writePacket(packet: Packet): Promise<void> {
    const output = this.#output as FormatContext;
    this.#must(await output.interleavedWriteFrame(packet));
    this.#must(output.pb?.error ?? 0);
  }

  /** Copies the source's other streams up to a time in seconds. */
  async #copyUntil(seconds: number): Promise<void> {
    if (!this.#source || !this.#copies.size || this.#allCopied) return;
    const av = this.#av;
    const { streams } = this.#source.input;
    if (!this.#waiting) {
      this.#waiting = new av.Packet();
      this.#waiting.alloc();
      for (const stream of streams) {
        if (!this.#copies.has(stream.index)) stream.discard = av.AVDISCARD_ALL;
      }
    }
    const packet = this.#waiting;
    for (;;) {
      if (!packet.size) {
        const code = await this.#source.input.readFrame(packet);
        this.#allCopied = code === av.AVERROR_EOF;
        if (this.#allCopied) return;
        this.#must(code, `to read the other streams of ${this.like.path}`);
      }
      const stream = streams[packet.streamIndex];
      const copy = this.#copies.get(packet.streamIndex);
      if (stream && copy) {
        const { num, den } = stream.timeBase;
        const shift = av.avRescaleQ(this.#start, microseconds, stream.timeBase);
        const time = packet.dts === av.AV_NOPTS_VALUE ? packet.pts : packet.dts;
        const isLater = (Number(time - shift) * num) / den > seconds;
        if (time !== av.AV_NOPTS_VALUE && isLater) return;
        if (packet.pts !== av.AV_NOPTS_VALUE) packet.pts -= shift;
        if (packet.dts !== av.AV_NOPTS_VALUE) packet.dts -= shift;
        packet.rescaleTs(stream.timeBase, copy.timeBase);
        packet.streamIndex = copy.index;
        packet.pos = -1n;
        await this.#writePacket(packet);
      }
      packet.unref();
    }
  }

  protected override async finish(): Promise<void> {
    const output = this.#output as FormatContext;
    if (!this.frames) throw mediaError(op, `at least one frame for ${this.path}`, 'none');
    this.#must(await (this.#encoder as CodecContext).sendFrame(null), 'to end the encoding');
    await this.#writePackets();
    await this.#copyUntil(Number.POSITIVE_INFINITY);
    this.#must(await output.writeTrailer());
    await output.flush();
    this.#must(output.pb?.error ?? 0);
    await this.release();
    const file = await open(this.temporary, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #closeOutput(): Promise<void> {
    const output = this.#output;
    this.#output = undefined;
    await output?.closeOutput();
    output?.freeContext();
  }

  protected override async release(): Promise<void> {
    await this.#closeOutput();
    this.#rgb?.free();
    this.#rgb = undefined;
    this.#waiting?.free();
    this.#waiting = undefined;
    this.#encoder?.freeContext();
    this.#encoder = undefined;
    const source = this.#source;
    this.#source = undefined;
    await source?.input.closeInput();
    this.#converter[Symbol.dispose]();
  }
}
