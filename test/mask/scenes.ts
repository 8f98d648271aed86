import type { Image } from '../../lib/video/image.js';
import { texture } from '../video/scenes.js';

/** How a clip with one object is made. */
export interface ObjectScene {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Pixels the camera moves to the right each frame. */
  readonly pan?: number;
  /** Centre and radius of the object in frame t; none where undefined. */
  readonly object: (t: number) => readonly [x: number, y: number, radius: number] | undefined;
  /** A bar before everything, of the background's picture: first and last column. */
  readonly bar?: readonly [first: number, last: number];
  /** Share of light, from 0 to 1, that reaches a place of frame t. */
  readonly light?: (x: number, y: number, t: number) => number;
  /** The scene that is behind, for frame t. */
  readonly scene?: (t: number) => number;
}

/** A clip of a disc with a picture of its own, moving before another picture. */
export function objectClip(scene: ObjectScene): { frame: Image; mask: Image }[] {
  const {
    width,
    height,
    frames,
    pan = 0,
    object,
    bar,
    light = () => 1,
    scene: behind = () => 1,
  } = scene;
  return Array.from({ length: frames }, (_, t) => {
    const data = new Uint8Array(width * height * 3);
    const mask = new Uint8Array(width * height);
    const [cx, cy, radius] = object(t) ?? [0, 0, -1];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = y * width + x;
        const hidden = bar !== undefined && x >= bar[0] && x <= bar[1];
        const inside = radius > 0 && !hidden && Math.hypot(x - cx, y - cy) <= radius;
        mask[at] = inside ? 255 : 0;
        for (let c = 0; c < 3; c++) {
          const own = texture(4, 3 * (x - cx), 3 * (y - cy), c) * (c === 0 ? 1 : 0.4);
          const other = texture(behind(t), x + pan * t, y, c, 12);
          // Bytes are about the square root of light.
          data[3 * at + c] = inside ? own : other * Math.sqrt(light(x, y, t));
        }
      }
    }
    return {
      frame: { data, width, height, channels: 3 },
      mask: { data: mask, width, height, channels: 1 },
    };
  });
}

/** Intersection over union. */
export function overlap(a: Image, b: Image): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.data.length; i++) {
    if (a.data[i] && b.data[i]) both += 1;
    if (a.data[i] || b.data[i]) either += 1;
  }
  return either ? both / either : 1;
}
