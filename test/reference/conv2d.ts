import type { Round } from '../close.js';
import type { Plane } from '../random.js';

/** A convolution's parameters; weight [o i k k]. */
export interface Conv {
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
  readonly o: number;
  readonly i: number;
  readonly k: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly upsample?: boolean;
  readonly activation?: 'none' | 'leaky_relu' | 'rgb_gate';
}

/** A value of a plane that is zero outside its window. */
function read(plane: Plane, n: number, y: number, x: number, c: number): number {
  const row = y - plane.y;
  const column = x - plane.x;
  if (row < 0 || row >= plane.h || column < 0 || column >= plane.w) return 0;
  return plane.data[((n * plane.h + row) * plane.w + column) * plane.c + c] as number;
}

function activate(name: Conv['activation'], x: number, channel: number, round: Round): number {
  if (name === 'leaky_relu') return x < 0 ? round(0.2 * x) : x;
  if (name === 'rgb_gate')
    return channel < 3 ? round(1.1 * Math.tanh(x)) : round(1 / (1 + Math.exp(-x)));
  return x;
}

/** The region of the output plane at y, x. */
export function conv2d(
  inputs: readonly Plane[],
  conv: Conv,
  region: { readonly y: number; readonly x: number; readonly h: number; readonly w: number },
  residual: Plane | undefined,
  round: Round,
): Float64Array {
  const { weight, bias, o, i, k, stride = 1, dilation = 1, upsample = false, activation } = conv;
  const pad = (dilation * (k - 1)) / 2;
  const n = inputs[0]?.n ?? 0;
  const out = new Float64Array(n * region.h * region.w * o);
  const taps = new Float64Array(i * k * k);
  let at = 0;
  for (let image = 0; image < n; image++) {
    for (let y = region.y; y < region.y + region.h; y++) {
      for (let x = region.x; x < region.x + region.w; x++) {
        let tap = 0;
        for (const plane of inputs) {
          for (let c = 0; c < plane.c; c++) {
            for (let ky = 0; ky < k; ky++) {
              for (let kx = 0; kx < k; kx++) {
                let sy = y * stride + ky * dilation - pad;
                let sx = x * stride + kx * dilation - pad;
                if (upsample) {
                  sy = Math.floor(sy / 2);
                  sx = Math.floor(sx / 2);
                }
                taps[tap++] = read(plane, image, sy, sx, c);
              }
            }
          }
        }
        for (let channel = 0; channel < o; channel++) {
          let sum = bias[channel] as number;
          const first = channel * taps.length;
          for (let t = 0; t < taps.length; t++) {
            sum = round(sum + round((taps[t] as number) * (weight[first + t] as number)));
          }
          sum = activate(activation, sum, channel, round);
          out[at++] = residual ? round(sum + read(residual, image, y, x, channel)) : sum;
        }
      }
    }
  }
  return out;
}
