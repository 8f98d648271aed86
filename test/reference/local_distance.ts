import type { Round } from '../close.js';

/** One aligned frame [h w 3] and the target. */
export interface LocalDistance {
  readonly h: number;
  readonly w: number;
  readonly aligned: ArrayLike<number>;
  readonly visibility: ArrayLike<number>;
  readonly target: ArrayLike<number>;
  readonly targetVisibility: ArrayLike<number>;
  readonly sigma: number;
}

const clamp = (x: number, limit: number) => Math.min(Math.max(x, -limit), limit);

/** distance [h/4 w/4], offset [h/4 w/4 3]. */
export function localDistance(p: LocalDistance, round: Round) {
  const [h, w] = [p.h / 4, p.w / 4];
  const radius = Math.floor((2.5 * p.sigma) / 4 + 0.5);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp((-8 * (i - radius) ** 2) / p.sigma ** 2),
  );
  const whole = kernel.reduce((a, b) => a + b);
  const weights = kernel.map((v) => round(v / whole));

  /** The mean over each cell of `value`, of the pixels that both show. */
  const means = (value: (pixel: number, cell: number) => number) =>
    Float64Array.from({ length: h * w }, (_, cell) => {
      let sum = 0;
      for (let i = 0; i < 16; i++) {
        const y = 4 * Math.floor(cell / w) + Math.floor(i / 4);
        const pixel = y * p.w + 4 * (cell % w) + (i % 4);
        if (p.visibility[pixel] && p.targetVisibility[pixel]) sum = round(sum + value(pixel, cell));
      }
      return round(sum / 16);
    });
  /** The window along an axis. */
  const along = (map: Float64Array, dy: number, dx: number) =>
    map.map((_, cell) => {
      let sum = 0;
      weights.forEach((weight, i) => {
        const y = Math.floor(cell / w) + dy * (i - radius);
        const x = (cell % w) + dx * (i - radius);
        if (y < 0 || y >= h || x < 0 || x >= w) return;
        sum = round(sum + round(weight * (map[y * w + x] as number)));
      });
      return sum;
    });
  const blur = (map: Float64Array) => along(along(map, 0, 1), 1, 0);
  const sum = (map: Float64Array) => map.reduce((a, b) => round(a + b), 0);

  const both = means(() => 1);
  const count = Math.max(sum(both), 1e-6);
  const near = blur(both);
  const windowed = (map: Float64Array, prior: number) => {
    const mean = round(sum(map) / count);
    return blur(map).map((v, cell) =>
      round(round(v + round(prior * mean)) / round((near[cell] as number) + prior)),
    );
  };

  const colour = (frame: ArrayLike<number>, pixel: number, k: number) =>
    frame[3 * pixel + k] as number;
  const channels = [0, 1, 2].map((k) =>
    windowed(
      means((pixel) => clamp(round(colour(p.target, pixel, k) - colour(p.aligned, pixel, k)), 0.3)),
      0.03,
    ),
  );
  const offset = Float64Array.from(
    { length: h * w * 3 },
    (_, i) => channels[i % 3]?.[Math.floor(i / 3)] as number,
  );
  const far = means((pixel, cell) => {
    let size = 0;
    for (let k = 0; k < 3; k++) {
      const moved = round(colour(p.aligned, pixel, k) + (offset[3 * cell + k] as number));
      size = round(size + Math.abs(round(moved - colour(p.target, pixel, k))));
    }
    return Math.min(round(size / 3), 0.5);
  });
  return { distance: windowed(far, 0.001), offset };
}
