import type { Round } from '../close.js';

/** Sizes of the source and the flow, and where the flow lies. */
export interface FlowWarp {
  readonly sourceH: number;
  readonly sourceW: number;
  readonly sourceC: number;
  readonly h: number;
  readonly w: number;
  readonly flowC: number;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly y: number;
  readonly x: number;
}

/** `channels` of the source at each pixel plus its flow, border repeated: [h w channels]. */
export function flowWarp(
  source: ArrayLike<number>,
  flow: ArrayLike<number>,
  p: FlowWarp,
  channels: number,
  round: Round,
): Float64Array {
  const out = new Float64Array(p.h * p.w * channels);
  for (let i = 0; i < p.h * p.w; i++) {
    const dx = round(p.scaleX * (flow[i * p.flowC] as number));
    const dy = round(p.scaleY * (flow[i * p.flowC + 1] as number));
    const x = Math.min(Math.max(round(p.x + (i % p.w) + dx), 0), p.sourceW - 1);
    const y = Math.min(Math.max(round(p.y + Math.floor(i / p.w) + dy), 0), p.sourceH - 1);
    const [row, column] = [Math.floor(y), Math.floor(x)];
    for (const [down, across] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const weight = (down ? y - row : 1 - (y - row)) * (across ? x - column : 1 - (x - column));
      if (weight === 0) continue;
      const at = ((row + down) * p.sourceW + column + across) * p.sourceC;
      for (let k = 0; k < channels; k++) {
        const part = round(round(weight) * (source[at + k] as number));
        out[i * channels + k] = round((out[i * channels + k] as number) + part);
      }
    }
  }
  return out;
}
