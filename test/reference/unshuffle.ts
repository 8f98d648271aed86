import type { Plane } from '../random.js';

/** Pixels of factor x factor into channels, inputs after each other. */
export function unshuffle(inputs: readonly Plane[], factor: number): Float64Array {
  const { n = 0, h = 0, w = 0 } = inputs[0] ?? {};
  const out: number[] = [];
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < h; y += factor) {
      for (let x = 0; x < w; x += factor) {
        for (const { data, c } of inputs) {
          for (let channel = 0; channel < c; channel++) {
            for (let dy = 0; dy < factor; dy++) {
              for (let dx = 0; dx < factor; dx++) {
                out.push(data[((image * h + y + dy) * w + x + dx) * c + channel] as number);
              }
            }
          }
        }
      }
    }
  }
  return Float64Array.from(out);
}
