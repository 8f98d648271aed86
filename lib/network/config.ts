import { InpaintError } from '../errors.js';
import type { Safetensors } from '../safetensors.js';

/** One level of the refinement. */
export interface LevelConfig {
  /** Side of its cells in pixels of the working size. */
  readonly cell: number;
  readonly steps: number;
  /** At how many mean differences a difference counts a quarter. */
  readonly robust: number;
}

/** The sizes of a network, from the metadata of its weights. */
export interface NetworkConfig {
  readonly homography: {
    /** Channels of the encoder's first layer. */
    readonly width: number;
    /** Channels of the estimator. */
    readonly hidden: number;
    /** Side of the square that frames are resized to. */
    readonly size: number;
    /** Side of the square of cells that are matched. */
    readonly grid: number;
    /** How often the transformation is estimated, each time on what the last left over. */
    readonly iterations: number;
    /** What the refinement works on, coarse to fine. */
    readonly levels: readonly LevelConfig[];
  };
  readonly inpainter: {
    /** Channels of the image encoder's first layer. */
    readonly width: number;
    /** Channels of the flow encoder's first layer. */
    readonly flowWidth: number;
  };
}

/**
 * Reads the sizes of the network that a file of weights is for.
 *
 * @throws InpaintError ERR_WEIGHTS
 */
export function readConfig({ file, metadata }: Safetensors): NetworkConfig {
  const fail = (name: string, expected: string, got: unknown): never => {
    throw new InpaintError(
      'ERR_WEIGHTS',
      'weights',
      `expected ${name} of ${file} to be ${expected}, got ${got}`,
    );
  };
  const expectText = (name: string, expected: string) => {
    const got = metadata.get(name);
    if (got !== expected) fail(name, expected, got);
  };
  expectText('format', 'align-and-attend');
  expectText('format_version', '3');

  let given: Record<string, unknown>;
  try {
    given = JSON.parse(metadata.get('config') ?? '');
  } catch {
    return fail('config', 'JSON', metadata.get('config'));
  }
  const part = (name: string) => (given?.[name] ?? {}) as Record<string, unknown>;
  const whole = (name: string, value: unknown, most: number): number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most
      ? value
      : fail(`config.${name}`, `a whole number from 1 to ${most}`, JSON.stringify(value));

  const { width, hidden, size, grid, iterations, levels } = part('homography');
  const inpainter = part('inpainter');
  if (!Array.isArray(levels) || levels.length < 1 || levels.length > 4)
    return fail('config.homography.levels', 'a list of 1 to 4', JSON.stringify(levels));
  const config: NetworkConfig = {
    homography: {
      width: whole('homography.width', width, 1024),
      hidden: whole('homography.hidden', hidden, 4096),
      size: whole('homography.size', size, 1024),
      grid: whole('homography.grid', grid, 128),
      iterations: whole('homography.iterations', iterations, 16),
      levels: levels.map((level: unknown, i) => {
        const name = `homography.levels[${i}]`;
        const [cell, steps, robust] = Array.isArray(level) ? level : [];
        // Working planes are multiples of 16, and four cells are the least that can be refined.
        if (![1, 2, 4].includes(cell)) return fail(`config.${name}`, 'of cells of 1, 2 or 4', cell);
        if (cell > levels[0][0])
          return fail(`config.${name}`, `of cells as small as the first, ${levels[0][0]}`, cell);
        if (!(robust > 0 && robust <= 100))
          return fail(`config.${name}`, 'as robust as 0 to 100', robust);
        return { cell, steps: whole(name, steps, 64), robust };
      }),
    },
    inpainter: {
      width: whole('inpainter.width', inpainter.width, 1024),
      flowWidth: whole('inpainter.flow_width', inpainter.flow_width, 1024),
    },
  };
  const { homography } = config;
  if (homography.size !== 8 * homography.grid || homography.grid % 4) {
    fail(
      'config.homography',
      'of a size 8 times the grid, the grid a multiple of 4',
      `${homography.size} and ${homography.grid}`,
    );
  }
  return config;
}
