import type { FramePair, Image } from '../../lib/video/image.js';

/**
 * A smooth picture without end: the level at a position, per channel, for a scene number; `detail`
 * is the height of fine waves.
 */
export function texture(scene: number, x: number, y: number, channel: number, detail = 3): number {
  const a = Math.sin(x * 0.11 + scene * 1.7 + channel) * Math.cos(y * 0.07 - scene * 2.3);
  const b = Math.sin((x + 2 * y) * 0.031 * (1 + scene) + channel * 2.1);
  const fine = detail * Math.sin(x * 1.9 + y * 0.7);
  return Math.max(0, Math.min(255, Math.round(128 + 70 * a + 45 * b + fine)));
}

/** How a synthetic clip is made. */
export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly channels?: 3 | 4;
  readonly scene?: number;
  /** Height of waves of 3 pixels, in levels of 255. */
  readonly detail?: number;
  /** Pixels the camera moves to the right each frame. */
  readonly pan?: number;
  /** The hole of frame t, as left, top, right, bottom; none where undefined. */
  readonly hole?: (t: number) => readonly [number, number, number, number] | undefined;
}

/**
 * A clip of a moving camera over a picture, with the hole's pixels painted over in the frames
 * (magenta).
 */
export function clip({
  width,
  height,
  frames,
  channels = 3,
  scene = 0,
  pan = 0,
  detail,
  hole,
}: Scene): (FramePair & { frame: Image; mask: Image; truth: Uint8Array })[] {
  return Array.from({ length: frames }, (_, t) => {
    const truth = new Uint8Array(width * height * channels);
    const data = new Uint8Array(width * height * channels);
    const mask = new Uint8Array(width * height);
    const [left, top, right, bottom] = hole?.(t) ?? [0, 0, 0, 0];
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x) {
        const inside = x >= left && x < right && y >= top && y < bottom;
        const at = y * width + x;
        mask[at] = inside ? 255 : 0;
        for (let c = 0; c < channels; ++c) {
          const value =
            c === 3 ? (x * 7 + y * 3 + t) % 256 : texture(scene, x + pan * t, y, c, detail);
          truth[at * channels + c] = value;
          data[at * channels + c] = inside && c < 3 ? (c === 1 ? 0 : 255) : value;
        }
      }
    }
    return {
      frame: { data, width, height, channels },
      mask: { data: mask, width, height, channels: 1 as const },
      truth,
    };
  });
}
