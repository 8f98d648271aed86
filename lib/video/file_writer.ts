import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { type Chapter, readChapters, writeChapters } from './chapters.js';
import {
  type Copies,
  canBeCopied,
  decodingTime,
  freeSetId,
  joinHeaders,
  planCopies,
  type Range,
  videoPackets,
  withLengths,
} from './copies.js';
import { chooseEncoding, type Encoding, type Source, type WriteOptions } from './encoding.js';
import {
  type CodecContext,
  check,
  type FFmpeg,
  type FormatContext,
  fieldFlags,
  formatName,
  hasAlpha,
  isRgb,
  matrixOf,
  mediaError,
  type Packet,
  type Stream,
} from './ffmpeg.js';
import type { Image } from './image.js';
import { Originals } from './originals.js';
import { isStream, type OpenFile, openFile, urlOf, type VideoReader } from './reader.js';
import type { StoredPacket, WorkFolder } from './work.js';
import { isOpaque, VideoWriter } from './writer.js';

const op = 'createWriter';
const microseconds = { num: 1, den: 1_000_000 };

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

/** @internal How and where a {@link FileWriter} writes. */
export interface Destination extends WriteOptions {
  /** FFmpeg's name. */
  readonly container: string;
  /** Whether it is a file, which can be read again and replaced. */
  readonly isFile: boolean;
  /** The frames that are worked on; others are copied where that goes. */
  readonly range: Range | undefined;
}

/** What a frame tells of its brightness, and the same of a stream. */
function brightness(av: FFmpeg) {
  return [
    [av.AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, av.AV_PKT_DATA_MASTERING_DISPLAY_METADATA],
    [av.AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, av.AV_PKT_DATA_CONTENT_LIGHT_LEVEL],
    [av.AV_FRAME_DATA_AMBIENT_VIEWING_ENVIRONMENT, av.AV_PKT_DATA_AMBIENT_VIEWING_ENVIRONMENT],
  ] as const;
}

/** A packet as it is kept in a work folder; of its side data, that which is a part of the video. */
function storedPacket(av: FFmpeg, packet: Packet): StoredPacket {
  const { pts, duration, flags } = packet;
  const kinds = [av.AV_PKT_DATA_MATROSKA_BLOCKADDITIONAL, av.AV_PKT_DATA_NEW_EXTRADATA];
  const sideData = kinds.flatMap((kind): [number, Uint8Array][] => {
    const bytes = packet.getSideData(kind);
    return bytes ? [[kind, bytes]] : [];
  });
  return { pts, duration, flags, data: packet.data ?? Buffer.alloc(0), sideData };
}

/** @internal Writes a video file; what else the source holds is copied beside the video. */
export class FileWriter extends VideoWriter {
  readonly #av: FFmpeg;
  readonly #destination: Destination;
  /** The source, open a second time: its other streams are copied as the video advances. */
  #source: OpenFile | undefined;
  #encoder: CodecContext | undefined;
  /** Whether the encoder is at its end, and the next frame needs another. */
  #isFlushed = false;
  #originals: Originals | undefined;
  /** What the first frame of HDR tells of its brightness, by the type that a stream has for it. */
  readonly #brightness = new Map<number, Buffer>();
  #encoding = '';
  #changesCodec: string | undefined;
  /** What of the video is copied. */
  #around: Copies | undefined;
  /** The number of the encoder's parameter sets beside those of what is copied. */
  #setId: number | undefined;
  #packets: AsyncGenerator<Packet, void, void> | undefined;
  /** Packets of the video written so far. */
  #written = 0;
  /** Packets of the source's video gone past so far. */
  #passed = 0;
  #chapters: readonly Chapter[] = [];
  #dropsChapters = false;
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

  constructor(
    av: FFmpeg,
    path: string,
    like: VideoReader,
    destination: Destination,
    work: WorkFolder | undefined,
  ) {
    super(path, like, work, destination.isFile);
    this.#av = av;
    this.#destination = destination;
  }

  override get encoding(): string {
    return this.#encoding;
  }

  override get dropsChapters(): boolean {
    return this.#dropsChapters;
  }

  override get changesCodec(): string | undefined {
    return this.#changesCodec;
  }

  override get copies(): Copies | undefined {
    return this.#around;
  }

  override get headers(): string {
    return (this.#video?.codecpar.extradata ?? Buffer.alloc(0)).toString('base64');
  }

  override async whole(): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  #must(code: number, expected = `to write ${this.path}`): void {
    check(this.#av, code, op, expected);
  }

  async start(): Promise<this> {
    const av = this.#av;
    const { like } = this;
    this.#originals = await Originals.open(av, like);
    if (isStream(like.path)) {
      like.others = [];
      this.#source = like.file;
    } else if (!like.images) this.#source = await openFile(av, op, like.path);
    // Broadcast streams start anywhere; other files start where their maker wants.
    const input = this.#source?.input;
    if (input?.iformat?.name?.startsWith('mpeg') && input.startTime > 0n) {
      this.#start = input.startTime;
    }
    await this.#readBrightness();
    await this.#readChapters();
    const encoding = await this.#openEncoder();
    await this.#planCopies(encoding);
    await this.#openOutput();
    if (this.#around && !this.work) await this.#copyVideo(this.#around.from);
    return this;
  }

  /** Frames are copied where they are encoded as the source is. */
  async #planCopies({ name, pixelFormat }: Encoding): Promise<void> {
    const av = this.#av;
    const { range } = this.#destination;
    const { path, keepsErrors, storedFields } = this.like;
    if (!range || !this.#source || isStream(path) || keepsErrors) return;
    const { codecId, extradata, format } = this.#source.stream.codecpar;
    const isSame = av.avGetCodecName(codecId) === name && format === pixelFormat;
    if (!isSame || storedFields !== 'progressive') return;
    if (!canBeCopied(av, this.#source)) return;
    this.#around = await planCopies(av, path, range);
    if (!this.#around || name !== 'h264') return;
    this.#setId = freeSetId(extradata as Buffer);
    await this.#openEncoder();
  }

  async #readChapters(): Promise<void> {
    const { path, images } = this.like;
    const found = images || isStream(path) ? undefined : await readChapters(path);
    if (!found) return;
    const { container, isFile } = this.#destination;
    if (isFile && ['matroska', 'mp4', 'mov'].includes(container)) this.#chapters = found;
    this.#dropsChapters = !this.#chapters.length;
  }

  /** Most files tell the brightness of HDR in their frames alone. */
  async #readBrightness(): Promise<void> {
    const av = this.#av;
    const transfer = this.#source?.stream.codecpar.colorTrc;
    const isHdr = transfer === av.AVCOL_TRC_SMPTE2084 || transfer === av.AVCOL_TRC_ARIB_STD_B67;
    if (!isHdr || isStream(this.like.path)) return;
    await using again = await this.like.again(op);
    for await (const frame of again.decoded(op)) {
      for (const [ofFrame, ofStream] of brightness(av)) {
        const data = frame.getSideData(ofFrame);
        if (data) this.#brightness.set(ofStream, Buffer.from(data));
      }
      return;
    }
  }

  async #openEncoder(): Promise<Encoding> {
    const av = this.#av;
    const { width, height, timeBase, fps } = this.like;
    const par = this.#source?.stream.codecpar;
    const source: Source = {
      codec: par && (av.avGetCodecName(par.codecId) ?? undefined),
      profile: par?.profile ?? -1,
      format: par ? formatName(av, par.format) : 'rgb24',
    };
    const { container } = this.#destination;
    const chosen = chooseEncoding(av, container, source, this.like, this.#destination);
    this.#encoding = chosen.text;
    if (source.codec !== chosen.name) this.#changesCodec = source.codec;
    const encoder = new av.CodecContext();
    this.#encoder?.freeContext();
    this.#encoder = encoder;
    encoder.allocContext3(chosen.codec);
    encoder.width = width;
    encoder.height = height;
    encoder.timeBase = new av.Rational(timeBase.num, timeBase.den);
    encoder.pixelFormat = chosen.pixelFormat as CodecContext['pixelFormat'];
    if (par && this.#source) {
      const { avgFrameRate, rFrameRate, sampleAspectRatio } = this.#source.stream;
      // The grid on which a varying rate lies, where it has a usual one.
      const hasGrid = rFrameRate.num > 0 && rFrameRate.toDouble() <= 120;
      encoder.framerate = hasGrid || avgFrameRate.num <= 0 ? rFrameRate : avgFrameRate;
      const isTold = sampleAspectRatio.num > 0;
      encoder.sampleAspectRatio = isTold ? sampleAspectRatio : par.sampleAspectRatio;
      encoder.colorRange = source.format.startsWith('yuvj') ? av.AVCOL_RANGE_JPEG : par.colorRange;
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
    if (isRgb(av, encoder.pixelFormat)) {
      encoder.colorSpace = av.AVCOL_SPC_RGB;
      encoder.colorRange = av.AVCOL_RANGE_JPEG;
    } else if (/rgb|bgr|gbr|pal8/.test(source.format) || encoder.colorSpace === av.AVCOL_SPC_RGB) {
      encoder.colorSpace = av.AVCOL_SPC_BT709;
      encoder.colorRange = av.AVCOL_RANGE_MPEG;
    }
    // Every container here wants the codec's headers apart from the frames.
    encoder.setFlags(av.AV_CODEC_FLAG_FRAME_DURATION, av.AV_CODEC_FLAG_GLOBAL_HEADER);
    if (this.like.fieldOrder !== 'progressive') {
      encoder.setFlags(av.AV_CODEC_FLAG_INTERLACED_DCT, av.AV_CODEC_FLAG_INTERLACED_ME);
    }
    process.env.SVT_LOG ??= '1'; // errors; FFmpeg does not silence it
    const set = this.#setId === undefined ? '' : `:sps-id=${this.#setId}`;
    const params = chosen.options['x264-params'];
    const options = av.Dictionary.fromObject({
      ...chosen.options,
      ...(params && { 'x264-params': params + set }),
    });
    const expected = `${chosen.text} to encode ${width} x ${height}`;
    this.#must(await encoder.open2(chosen.codec, options), expected);
    return chosen;
  }

  /** Opens the output with all streams of the source but those that the container does not take. */
  async #openOutput(): Promise<void> {
    const av = this.#av;
    const others = (this.#source?.input.streams ?? []).filter(({ index, codecpar }) => {
      // Timecode is written anew from the metadata; a track of chapters' titles is none without them.
      const { codecTagString, codecType } = codecpar;
      const isTold =
        codecType === av.AVMEDIA_TYPE_DATA && /^(tmcd|text)$/.test(codecTagString ?? '');
      return index !== this.#source?.stream.index && !isTold;
    });
    // What is no file is begun once only: a device that takes everything stands in for it before.
    const { isFile } = this.#destination;
    const code = await this.#writeHeader(others, !isFile && others.length > 0);
    if (code >= 0 && (isFile || !others.length)) return;
    if (code >= 0) return this.#must(await this.#writeHeader(others));
    if (!others.length) this.#must(code);
    const kept: Stream[] = [];
    const dropped = this.dropped as string[];
    for (const stream of others) {
      if ((await this.#writeHeader([stream], !isFile)) >= 0) {
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
  async #writeHeader(others: readonly Stream[], isTrial = false): Promise<number> {
    const av = this.#av;
    const encoder = this.#encoder as CodecContext;
    await this.#closeOutput();
    const output = new av.FormatContext();
    this.#output = output;
    const { container } = this.#destination;
    const url = isTrial ? 'file:/dev/null' : urlOf(this.temporary, 'pipe:1');
    this.#must(output.allocOutputContext2(null, container, url));
    output.strictStdCompliance = -1; // Y4M of more than 8 bits
    const video = output.newStream(null);
    this.#video = video;
    this.#must(video.codecpar.fromContext(encoder));
    this.#tellRange(video);
    if (this.#setId !== undefined) {
      const [source, own] = [this.#source?.stream.codecpar.extradata, video.codecpar.extradata];
      video.codecpar.extradata = joinHeaders(source as Buffer, own as Buffer);
    }
    // Apple's players know no other tag of HEVC.
    const isMp4 = container === 'mp4' || container === 'mov';
    if (isMp4 && video.codecpar.codecId === av.AV_CODEC_ID_HEVC) video.codecpar.codecTag = 'hvc1';
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
    // The index is at the start, but for chapters, which are put into it afterwards.
    const place = this.#chapters.length ? '' : '+faststart';
    return output.writeHeader(av.Dictionary.fromObject({ movflags: `${place}${tags}` || '0' }));
  }

  /** x264 tells the narrow range only beside other colours; a filter puts it into the headers. */
  #tellRange({ codecpar }: Stream): void {
    const av = this.#av;
    const { codecId, colorRange, colorSpace, colorPrimaries, colorTrc } = codecpar;
    const isLone = [colorSpace, colorPrimaries, colorTrc].every((tag) => tag === 2); // not told
    if (codecId !== av.AV_CODEC_ID_H264 || colorRange !== av.AVCOL_RANGE_MPEG || !isLone) return;
    const filter = av.BitStreamFilter.getByName('h264_metadata');
    if (!filter) return;
    using context = new av.BitStreamFilterContext();
    this.#must(context.alloc(filter));
    if (context.inputCodecParameters) this.#must(codecpar.copy(context.inputCodecParameters));
    this.#must(
      context.setOption(
        'video_full_range_flag',
        '0',
        av.AV_OPT_TYPE_STRING,
        av.AV_OPT_SEARCH_CHILDREN,
      ),
    );
    this.#must(context.init());
    codecpar.extradata = context.outputCodecParameters?.extradata ?? codecpar.extradata;
  }

  /** Copies what is told beside the frames: tags, rotation, brightness, projection, profile. */
  #describeVideo(video: Stream, source: Stream): void {
    const av = this.#av;
    copyTags(av, source, video);
    const { codecId = 0, pixelFormat = -1 } = this.#encoder ?? {};
    if (codecId === av.AV_CODEC_ID_VP9 && hasAlpha(av, pixelFormat)) {
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
    for (const [type, data] of this.#brightness) {
      if (!source.codecpar.getCodedSideData(type as never)) {
        video.codecpar.addCodedSideData(type as never, data);
      }
    }
  }

  protected override async encode(
    image: Image,
    _index: number,
    isOriginal: boolean,
  ): Promise<void> {
    const av = this.#av;
    if (this.#isFlushed) await this.#openEncoder();
    this.#isFlushed = false;
    const encoder = this.#encoder as CodecContext;
    const originals = this.#originals as Originals;
    const { pixelFormat, colorRange, colorSpace } = encoder;
    const { width, height } = image;
    if (image.channels === 4 && !hasAlpha(av, pixelFormat) && !isOpaque(image)) {
      const places = '.mov, .mkv, .webm or a folder';
      const expected = `an output that keeps the alpha of ${this.like.path} (${places})`;
      throw mediaError(op, expected, extname(this.path));
    }
    using original = await originals.next();
    const isFull = colorRange === av.AVCOL_RANGE_JPEG;
    using frame = await originals.merge(original, image, isOriginal, {
      format: pixelFormat,
      range: isFull ? av.AVCOL_RANGE_JPEG : av.AVCOL_RANGE_MPEG,
      space: matrixOf(av, { width, height, colorSpace }),
      primaries: encoder.colorPrimaries,
      transfer: encoder.colorTrc,
      chromaLocation: encoder.chromaLocation,
    });
    // The tags say no more than the source's did.
    frame.colorRange = colorRange;
    frame.colorSpace = colorSpace;
    frame.colorPrimaries = encoder.colorPrimaries;
    frame.colorTrc = encoder.colorTrc;
    frame.chromaLocation = encoder.chromaLocation;
    frame.pictType = av.AV_PICTURE_TYPE_NONE; // the encoder's choice
    const { timeBase } = this.like;
    const { pts, fields } = this.#timing();
    frame.flags = (frame.flags & ~fieldFlags(av)) | fields;
    frame.pts = BigInt(pts) - av.avRescaleQ(this.#start, microseconds, timeBase);
    frame.duration = BigInt(this.#next - pts);
    frame.timeBase = encoder.timeBase;
    frame.sampleAspectRatio = encoder.sampleAspectRatio;
    this.#must(await encoder.sendFrame(frame), `to encode frame ${this.frames}`);
    await this.#takePackets();
  }

  /** When the next frame is shown. */
  #timing() {
    const { timeBase, timings, fps } = this.like;
    const timing = timings.shift() ?? { pts: this.#next, duration: 0, fields: 0 };
    const usual = Math.max(1, Math.round(timeBase.den / (timeBase.num * fps)));
    this.#next = timing.pts + (timing.duration || usual);
    return timing;
  }

  protected override async skip(): Promise<void> {
    (await this.#originals?.next())?.free();
    this.#timing();
  }

  /** The next segment is encoded for itself. */
  protected override async flush(): Promise<void> {
    this.#must(await (this.#encoder as CodecContext).sendFrame(null), 'to end the encoding');
    await this.#takePackets();
    this.#isFlushed = true;
  }

  /** Takes the packets that the encoder has ready. */
  async #takePackets(): Promise<void> {
    const av = this.#av;
    const encoder = this.#encoder as CodecContext;
    using packet = new av.Packet();
    packet.alloc();
    for (;;) {
      const code = await encoder.receivePacket(packet);
      if (code === av.AVERROR_EAGAIN || code === av.AVERROR_EOF) return;
      this.#must(code, `to encode frame ${this.frames}`);
      if (this.#setId !== undefined) {
        const { pts, dts, duration, flags, data } = packet;
        packet.data = withLengths(data ?? Buffer.alloc(0)); // all else is gone with it
        Object.assign(packet, { pts, dts, duration, flags });
      }
      if (this.work) await this.work.add(storedPacket(av, packet));
      else await this.#writeVideo(packet);
    }
  }

  /** Writes a packet of the encoder's after what other streams have before it. */
  async #writeVideo(packet: Packet): Promise<void> {
    const { index, timeBase } = this.#video as Stream;
    if (this.#around) packet.dts = this.#turn(this.#around);
    this.#written += 1;
    packet.streamIndex = index;
    packet.rescaleTs((this.#encoder as CodecContext).timeBase, timeBase);
    await this.#copyUntil((Number(packet.dts) * timeBase.num) / timeBase.den);
    await this.#writePacket(packet);
  }

  /** When the next packet is decoded. */
  #turn({ times, delay }: Copies): bigint {
    const most = Math.max(delay, (this.#encoder as CodecContext).hasBFrames);
    return decodingTime(times, most, this.#written);
  }

  /** Copies the video's packets up to one; what was encoded meanwhile is passed by. */
  async #copyVideo(end: number): Promise<void> {
    this.#packets ??= videoPackets(this.#av, op, this.like.path);
    for (; this.#passed < end; this.#passed++) {
      const { value: packet } = await this.#packets.next();
      if (!packet) throw mediaError(op, `${this.like.path} to stay as it is`, 'fewer packets');
      if (this.#passed === this.#written) await this.#writeVideo(packet);
    }
  }

  /** Writes the segments, one behind the other. */
  async #join(work: WorkFolder): Promise<void> {
    using packet = new this.#av.Packet();
    packet.alloc();
    if (this.#around) await this.#copyVideo(this.#around.from);
    for await (const { data, pts, dts, duration, flags, sideData } of work.packets()) {
      packet.data = Buffer.from(data);
      [packet.pts, packet.dts, packet.duration] = [pts, dts, duration];
      packet.flags = flags as Packet['flags'];
      for (const [kind, bytes] of sideData) {
        this.#must(packet.addSideData(kind as never, Buffer.from(bytes)));
      }
      await this.#writeVideo(packet);
      packet.unref();
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
      for (const stream of this.like.others ? [] : streams) {
        if (!this.#copies.has(stream.index)) stream.discard = av.AVDISCARD_ALL;
      }
    }
    const packet = this.#waiting;
    for (;;) {
      if (!packet.size && !(await this.#readOther(packet))) return;
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

  /** Reads the next packet of the other streams; false when there is none, or none yet. */
  async #readOther(packet: Packet): Promise<boolean> {
    if (this.like.others) {
      using next = this.like.others.shift();
      return next !== undefined && packet.ref(next) >= 0;
    }
    const code = (await this.#source?.input.readFrame(packet)) ?? this.#av.AVERROR_EOF;
    this.#allCopied = code < 0;
    // What can be read of a damaged file, its reader decides.
    if (this.#allCopied && code !== this.#av.AVERROR_EOF && !this.like.keepsErrors) {
      this.#must(code, `to read the other streams of ${this.like.path}`);
    }
    return !this.#allCopied;
  }

  protected override async finish(): Promise<void> {
    const output = this.#output as FormatContext;
    if (!(this.work?.next ?? this.frames))
      throw mediaError(op, `at least one frame for ${this.path}`, 'none');
    if (this.work) await this.#join(this.work);
    else await this.flush();
    if (this.#around) await this.#copyVideo(this.#around.times.length);
    await this.#copyUntil(Number.POSITIVE_INFINITY);
    this.#must(await output.writeTrailer());
    await output.flush();
    this.#must(output.pb?.error ?? 0);
    await this.release();
    const { container, isFile } = this.#destination;
    if (!isFile) return;
    if (this.#chapters.length) await writeChapters(this.temporary, container, this.#chapters);
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
    await this.#packets?.return();
    await this.#closeOutput();
    await this.#originals?.[Symbol.asyncDispose]();
    this.#originals = undefined;
    this.#waiting?.free();
    this.#waiting = undefined;
    this.#encoder?.freeContext();
    this.#encoder = undefined;
    const source = this.#source;
    this.#source = undefined;
    if (!isStream(this.like.path)) await source?.input.closeInput();
  }
}
