// How frames are encoded: codecs, their options and pixel formats. Internal to lib/video.

import { InpaintError } from '../errors.js';
import { expectNumber } from '../expect.js';
import { type Codec, type FFmpeg, formatName, hasAlpha, mediaError } from './ffmpeg.js';
import type { VideoReader } from './reader.js';

const op = 'createWriter';

/** What a video can be encoded with. */
export type VideoCodec = 'h264' | 'hevc' | 'av1' | 'vp9' | 'prores' | 'dnxhd' | 'ffv1' | 'rawvideo';

/** How an output is encoded; everything may be left out. */
export interface WriteOptions {
  /**
   * By default ProRes, DNxHD and FFV1 stay what they are where the container takes them. Else it
   * is VP9 in .webm, uncompressed in .y4m, and H.264, or HEVC for more than 10 bits; with alpha
   * ProRes 4444 in .mov, VP9 in .mkv.
   */
  readonly codec?: VideoCodec | undefined;
  /**
   * Quality of H.264, HEVC, AV1 and VP9, less is better: by default 16, 18, 24 and 20.
   */
  readonly crf?: number | undefined;
  /**
   * The encoder's own name for how much time it takes: by default `fast` for H.264 and HEVC, `8`
   * for AV1, `3` for VP9.
   */
  readonly preset?: string | undefined;
  /** FFmpeg's name of a pixel format; by default the source's, or the nearest. */
  readonly pixelFormat?: string | undefined;
  /** Container of what has no extension that tells; by default `matroska`. */
  readonly format?: string | undefined;
}

/** @internal FFmpeg's names of the containers, by what paths end in. */
export const containers: Readonly<Record<string, string>> = {
  '.mp4': 'mp4',
  '.m4v': 'mp4',
  '.mov': 'mov',
  '.mkv': 'matroska',
  '.webm': 'webm',
  '.nut': 'nut',
  '.y4m': 'yuv4mpegpipe',
};

interface Encoder {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
  /** Option and default of the quality, if it has one. */
  readonly crf?: readonly [least: number, most: number];
  /** The option that tells how much time it takes. */
  readonly preset?: string;
  /** Those of its pixel formats that are chosen by default. */
  readonly formats?: RegExp;
  /** It takes whatever format the source has, RGB and grey too. */
  readonly isLossless?: boolean;
  readonly holdsFields?: boolean;
}

const planarYuv = /^yuva?4(20|22|44)p(10le|12le)?$/;

const encoders: Readonly<Record<VideoCodec, Encoder>> = {
  h264: {
    name: 'libx264',
    // x264 would tell the units of timestamps as the frame rate. The timestamps themselves are
    // kept, whatever rate it tells. Where it has AVX-512, the same frames would not give the same
    // bits each time, but for the other parameter.
    options: { crf: '16', preset: 'fast', 'x264-params': 'force-cfr=1:cpu-independent=1' },
    crf: [0, 51],
    preset: 'preset',
    holdsFields: true,
  },
  hevc: {
    name: 'libx265',
    options: { crf: '18', preset: 'fast', 'x265-params': 'log-level=none' },
    crf: [0, 51],
    preset: 'preset',
    formats: /^yuv4(20|22|44)p(10le|12le)?$/,
  },
  av1: { name: 'libsvtav1', options: { crf: '24', preset: '8' }, crf: [1, 63], preset: 'preset' },
  vp9: {
    name: 'libvpx-vp9',
    options: { crf: '20', b: '0', deadline: 'good', 'cpu-used': '3', 'row-mt': '1' },
    crf: [0, 63],
    preset: 'cpu-used',
    formats: /^yuv4(20|22|44)p(10le|12le)?$|^yuva420p$/,
  },
  prores: { name: 'prores_ks', options: {}, holdsFields: true },
  dnxhd: { name: 'dnxhd', options: {} },
  ffv1: {
    name: 'ffv1',
    options: { level: '3', slicecrc: '1' },
    isLossless: true,
    holdsFields: true,
  },
  rawvideo: { name: 'rawvideo', options: {}, holdsFields: true },
};

/** Which codecs of a source an output of that container keeps. */
const kept: Readonly<Record<string, readonly string[]>> = {
  mov: ['prores', 'dnxhd'],
  matroska: ['prores', 'dnxhd', 'ffv1'],
  nut: ['ffv1'],
};

/** @internal What is being encoded. */
export interface Source {
  /** FFmpeg's name of its codec; none for images. */
  readonly codec: string | undefined;
  readonly profile: number;
  /** FFmpeg's name of its pixel format. */
  readonly format: string;
}

/** @internal How frames are encoded. */
export interface Encoding {
  readonly codec: Codec;
  readonly name: VideoCodec;
  readonly pixelFormat: number;
  readonly options: Readonly<Record<string, string>>;
  /** For people: `h264 (crf 16, preset fast, yuv420p)`. */
  readonly text: string;
}

/** @internal Bits of a component of a pixel format, by its name. */
export function depthOf(name: string): number {
  if (/^(rgb|bgr)48|^(rgba|bgra)64/.test(name)) return 16;
  if (/^(nv20|y210|x2(rgb|bgr)10|xv30|v30x)/.test(name)) return 10;
  const [, bits] = /^(?:yuva?\d{3}p|gbra?p|gray|ya|p[024])(\d\d)(?:le|be)$/.exec(name) ?? [];
  if (/^p[024]/.test(name) && bits) return Number(bits);
  return bits ? Number(bits) : 8;
}

function codecFor(container: string, source: Source, hasAlphaChannel: boolean): VideoCodec {
  if (container === 'yuv4mpegpipe') return 'rawvideo';
  const { codec } = source;
  if (codec && kept[container]?.includes(codec)) return codec as VideoCodec;
  if (hasAlphaChannel && container === 'mov') return 'prores';
  if (container === 'webm' || (hasAlphaChannel && container === 'matroska')) return 'vp9';
  return depthOf(source.format) > 10 && !/rgb|bgr|gbr|gray|ya/.test(source.format)
    ? 'hevc'
    : 'h264';
}

/**
 * The source's pixel format where the encoder has it, else the nearest; 4:2:0 for RGB and grey
 * sources, as more players take it. Halved chroma has even sizes only, and with fields those that
 * can be divided once more: others get 4:4:4.
 */
function pixelFormatFor(
  av: FFmpeg,
  { name, formats = planarYuv, isLossless = false }: Encoder,
  codec: Codec,
  source: string,
  wantsAlpha: boolean,
  { width, height, fieldOrder }: VideoReader,
): number {
  const offered =
    codec.pixelFormats ??
    ['420p', '422p', '444p'].map((kind) => av.avGetPixFmtFromName(`yuv${kind}`));
  const fitting = offered.filter((format) => {
    const each = formatName(av, format);
    return layoutOf(each) && (isLossless || formats.test(each));
  });
  const withAlpha = fitting.filter((format) => hasAlpha(av, format) === wantsAlpha);
  const choices = withAlpha.length ? withAlpha : fitting;
  const isYuv = /^(yuv|yuyv|uyvy|yvyu|nv\d|[py][024]1\d)/.test(source);
  const like =
    isYuv || isLossless ? source.replace('yuvj', 'yuv') : wantsAlpha ? 'yuva420p' : 'yuv420p';
  const best = formatName(
    av,
    av.avcodecFindBestPixFmtOfList(choices, av.avGetPixFmtFromName(like)),
  );
  const rows = fieldOrder === 'progressive' ? 2 : 4;
  const isOdd = (width % 2 && !best.includes('444')) || (height % rows && best.includes('420'));
  const isStrict = name === 'libx264' || name === 'libx265';
  return av.avGetPixFmtFromName(isStrict && isOdd ? best.replace(/42[02]/, '444') : best);
}

/** Pixels of a frame from which the memory of an encoder matters. */
const largeFrame = 1920 * 1080;

/**
 * What is told of fields, where frames do not tell it, and of memory: of large frames x264 plans 10
 * ahead instead of 30, each of which would take as much memory as the frame and half of that again.
 */
function parametersFor(
  name: VideoCodec,
  { fieldOrder, width, height }: VideoReader,
): Record<string, string> {
  const isProgressive = fieldOrder === 'progressive';
  const isTop = fieldOrder === 'top first';
  if (name !== 'h264') return isProgressive ? {} : { field_order: isTop ? 'tt' : 'bb' };
  const parameters = [
    encoders.h264.options['x264-params'],
    ...(isProgressive || isTop ? [] : ['bff=1']),
    ...(width * height < largeFrame ? [] : ['rc-lookahead=10']),
  ];
  return { 'x264-params': parameters.join(':') };
}

/** Profiles that follow from the source or its format; FFmpeg's numbers for both are the same. */
function profileFor(name: VideoCodec, source: Source, format: string): Record<string, string> {
  const isSame = source.codec === name;
  if (name === 'prores') {
    const isRich = format.includes('444');
    const least = isRich ? 4 : 0;
    const usual = isRich ? 4 : 3;
    const profile = isSame && source.profile >= least && source.profile <= (isRich ? 5 : 3);
    const found = { profile: `${profile ? source.profile : usual}` };
    if (!format.startsWith('yuva')) return found;
    return { ...found, alpha_bits: depthOf(source.format) > 8 ? '16' : '8' };
  }
  if (name === 'dnxhd') {
    const usual = format.includes('444') ? 5 : format.includes('10') ? 4 : 3;
    const isKept = isSame && usual === 3 && (source.profile === 1 || source.profile === 2);
    return {
      profile: ['', 'dnxhr_lb', 'dnxhr_sq', 'dnxhr_hq', 'dnxhr_hqx', 'dnxhr_444'][
        isKept ? source.profile : usual
      ] as string,
    };
  }
  return {};
}

/**
 * @internal Chooses how a source is encoded.
 *
 * @throws InpaintError ERR_ARGUMENT (an option), ERR_MEDIA (no such encoder, fields that it cannot
 *   hold)
 */
export function chooseEncoding(
  av: FFmpeg,
  container: string,
  source: Source,
  like: VideoReader,
  options: WriteOptions,
): Encoding {
  const wrong = (expected: string, got: unknown) =>
    new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${got}`);
  const wantsAlpha = like.channels === 4;
  const chosen = options.codec ?? codecFor(container, source, wantsAlpha);
  const encoder = Object.hasOwn(encoders, chosen) ? encoders[chosen] : undefined;
  if (!encoder) {
    throw wrong(`a codec of ${Object.keys(encoders).join(', ')}`, options.codec);
  }
  const codec = av.Codec.findEncoderByName(encoder.name as never);
  if (!codec) throw mediaError(op, `FFmpeg to have the encoder ${encoder.name}`, 'none');
  if (like.fieldOrder !== 'progressive' && !encoder.holdsFields) {
    const expected =
      'h264, prores or ffv1, which hold fields, or --deinterlace (deinterlace: true)';
    throw mediaError(op, expected, `${chosen} for ${like.path}, which is interlaced`);
  }
  let format = pixelFormatFor(av, encoder, codec, source.format, wantsAlpha, like);
  if (options.pixelFormat !== undefined) {
    const offered = (codec.pixelFormats ?? [format]).map((each) => formatName(av, each));
    const usable = offered.filter((name) => layoutOf(name) && !name.startsWith('yuvj'));
    if (!usable.includes(options.pixelFormat)) {
      throw wrong(`a pixel format of ${chosen}: ${usable.join(', ')}`, options.pixelFormat);
    }
    format = av.avGetPixFmtFromName(options.pixelFormat);
  }
  const name = formatName(av, format);
  const set: Record<string, string> = {
    ...encoder.options,
    ...parametersFor(chosen, like),
    ...profileFor(chosen, source, name),
  };
  if (options.crf !== undefined) {
    if (!encoder.crf) throw wrong(`no crf for ${chosen}, which has none`, options.crf);
    set.crf = `${expectNumber(op, 'crf', options.crf, ...encoder.crf)}`;
  }
  if (options.preset !== undefined) {
    if (!encoder.preset) throw wrong(`no preset for ${chosen}, which has none`, options.preset);
    set[encoder.preset] = options.preset;
  }
  const preset = encoder.preset && set[encoder.preset];
  const details = [
    ...(set.profile ? [`profile ${set.profile}`] : []),
    ...(set.crf ? [`crf ${set.crf}`] : []),
    ...(preset ? [`preset ${preset}`] : []),
    name,
  ];
  const text = `${chosen} (${details.join(', ')})`;
  return { codec, name: chosen, pixelFormat: format, options: set, text };
}

/** @internal A plane of a pixel format: bytes of a sample, and how often chroma is halved. */
export interface Plane {
  readonly bytes: number;
  readonly across: 0 | 1;
  readonly down: 0 | 1;
}

const packed: Readonly<Record<string, number>> = {
  rgb24: 3,
  rgba: 4,
  bgr0: 4,
  bgra: 4,
  rgb48be: 6,
  rgba64be: 8,
  rgb48le: 6,
  rgba64le: 8,
  ya8: 2,
  ya16be: 4,
};

/** @internal The planes of the pixel formats that are written; undefined for others. */
export function layoutOf(name: string): readonly Plane[] | undefined {
  if (packed[name]) return [{ bytes: packed[name], across: 0, down: 0 }];
  const bytes = depthOf(name) > 8 ? 2 : 1;
  const full: Plane = { bytes, across: 0, down: 0 };
  if (/^gray(\d+(le|be))?$/.test(name)) return [full];
  const [, alpha] = /^gbr(a?)p(\d+le)?$/.exec(name) ?? [];
  if (alpha !== undefined) return Array(alpha ? 4 : 3).fill(full);
  const [, more, chroma] = /^yuv(a?)(420|422|440|444)p(?:\d+le)?$/.exec(name) ?? [];
  if (!chroma) return undefined;
  const part: Plane = {
    bytes,
    across: chroma === '420' || chroma === '422' ? 1 : 0,
    down: chroma === '420' || chroma === '440' ? 1 : 0,
  };
  return more ? [full, part, part, full] : [full, part, part];
}
