import { InpaintError } from '../errors.js';

/** An 8-bit image: rows packed, top to bottom; 3 channels RGB, 4 RGBA, 1 grey (masks). */
export interface Image {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

/** The size of an image that is accepted. */
interface Size {
  readonly width: number;
  readonly height: number;
  /** 1, 3 or 4; 2, grey with alpha, is a mask by its grey. */
  readonly channels: number;
}

/** What is accepted as an image: an {@link Image}, sharp's `{ data, info }`, or ImageData. */
export type ImageLike =
  | ({ readonly data: Uint8Array | Uint8ClampedArray } & Size)
  | { readonly data: Uint8Array | Uint8ClampedArray; readonly info: Size }
  | { readonly data: Uint8ClampedArray; readonly width: number; readonly height: number };

/** @internal A frame as it was decoded, which takes less memory than its bytes. */
export interface StoredFrame {
  readonly bytes: number;
  /** Bytes that its source takes, and what becomes of the frames. */
  readonly besides: number;
  /** Writes the frame's bytes, the same as when it was read. */
  read(into: Uint8Array): Promise<void>;
  free(): void;
}

const stored = new WeakMap<object, StoredFrame>();

/** @internal Tells of a frame how it is stored. Who takes it, owns that. */
export function tellStored(frame: ImageLike, as: StoredFrame): void {
  stored.set(frame, as);
}

/** @internal How a frame is stored, if its source tells. */
export function storedOf(frame: ImageLike): StoredFrame | undefined {
  return stored.get(frame);
}

/** One frame of a source with its mask: any non-zero pixel of the mask is a hole. */
export interface FramePair {
  readonly frame: ImageLike;
  readonly mask: ImageLike;
}

/**
 * Reads an {@link ImageLike}.
 *
 * @throws InpaintError ERR_ARGUMENT when it is no image, ERR_SHAPE when its data does not fill its
 *   size.
 */
export function toImage(op: string, name: string, value: unknown): Image {
  const fail = (expected: string, got: string): never => {
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${name} ${expected}, got ${got}`);
  };
  if (typeof value !== 'object' || value === null) return fail('to be an image', String(value));
  const given = value as { data?: unknown; info?: unknown };
  const size = (given.info ?? given) as { width?: unknown; height?: unknown; channels?: unknown };
  const { data } = given;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    return fail(
      'to have 8-bit data (Uint8Array, Uint8ClampedArray or Buffer)',
      typeof data === 'object' && data !== null ? data.constructor.name : typeof data,
    );
  }
  const { width, height, channels = 4 } = size;
  for (const [key, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(side) || (side as number) < 1 || (side as number) > 32768) {
      return fail(`to have a ${key} from 1 to 32768`, String(side));
    }
  }
  if (channels !== 1 && channels !== 2 && channels !== 3 && channels !== 4)
    return fail('to have 1 to 4 channels', String(channels));
  const image = { data, width: width as number, height: height as number };
  const bytes = image.width * image.height * channels;
  if (data.length !== bytes) {
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected ${name} of ${image.width} x ${image.height} x ${channels} to have ${bytes} bytes, got ${data.length}`,
    );
  }
  if (channels !== 2) return { ...image, channels };
  // The alpha of grey does not count, as that of colours does not.
  const grey = new Uint8Array(bytes / 2);
  for (let i = 0; i < grey.length; i++) grey[i] = data[2 * i] as number;
  return { ...image, data: grey, channels: 1 };
}
