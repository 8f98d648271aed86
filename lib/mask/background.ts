import type { Device } from '../device.js';
import { homographySample } from '../ops/homography_sample.js';
import { windowMatch } from '../ops/window_match.js';
import { scope } from '../scope.js';
import type { Scene, View } from './scene.js';

/** How far the background may be from where the camera's motion takes it, in pixels of a view. */
const radius = 3;
/** What a label costs that rules a pixel out: more than any difference of colours. */
const never = 16;

/** Of a frame, the numbers of those others of its shot that are there. */
export async function neighbours(
  scene: Scene,
  { index, shot }: View,
  offsets: readonly number[],
): Promise<number[]> {
  const indices: number[] = [];
  for (const offset of offsets) {
    const other = index + offset;
    const isThere = other >= 0 && other < scene.count;
    if (isThere && (await scene.shotOf(other)) === shot) indices.push(other);
  }
  return indices;
}

/**
 * How far each pixel's surroundings are from the background that other frames show there, the camera's
 * motion taken out: a root mean square of colours, see `toLab`. What stands still is near,
 * what moves is far, unless it has no texture. Infinite where no other frame shows anything.
 *
 * @param offsets which frames, counted from the target; those beyond its shot are left out
 * @param objectOf what is known not to be background there
 */
export async function distanceToBackground(
  device: Device,
  scene: Scene,
  target: View,
  offsets: readonly number[],
  objectOf: (index: number) => Float32Array | undefined = () => undefined,
): Promise<Float32Array> {
  const { h, w } = scene.size;
  const indices = await neighbours(scene, target, offsets);
  if (!indices.length) return new Float32Array(h * w).fill(Number.POSITIVE_INFINITY);
  const thetas = await scene.relate(target.index, indices);
  const others = await scene.views(indices);
  const out = scope(() => {
    const map = (data: Float32Array) => device.upload(data, [1, h, w, 1]);
    const theta = device.upload(Float32Array.from(thetas.flat()), [thetas.length, 3, 3]);
    const visibility = map(new Float32Array(h * w).fill(1));
    const none = map(new Float32Array(h * w));
    const each = others.map(() => visibility);
    const objects = indices.map((index) => {
      const object = objectOf(index);
      return object ? map(object) : none;
    });
    const frames = homographySample(
      others.map((it) => it.half),
      each,
      theta,
    );
    const labels = homographySample(objects, each, theta).output;
    return windowMatch(target.half, frames.output, frames.visibility, labels, {
      radius,
      slope: 0,
      toll: never,
    });
  });
  const values = await out.read();
  out.dispose();
  return Float32Array.from({ length: h * w }, (_, i) => {
    const square = values[2 * i] as number;
    return square < never / 2 ? Math.sqrt(square) : Number.POSITIVE_INFINITY;
  });
}
