import { expect } from 'vitest';

/**
 * What a reference does to every intermediate number: nothing, which gives the truth in float64, or
 * rounding to float32, which shows how far plain float32 arithmetic strays from it.
 */
export type Round = (x: number) => number;

/** How the backend under test stores maps; set by describeBackends. */
let storage: 'f16' | 'f32' = 'f32';

export function setStorage(to: 'f16' | 'f32'): void {
  storage = to;
}

/**
 * What storing a number as float16 may change it by: half of its last place, or of the smallest.
 */
export const halfRounding = (x: number) => 2 ** -11 * Math.abs(x) + 2 ** -25;

/**
 * What float16 may add to the error of a part of the network, as a share of the largest value of
 * what it makes; 0 on a backend that stores float32. `maps` were stored one behind another on the
 * longest way there, what is only copied not counted. Each rounds by up to 2^-11 of its values, and
 * a layer is taken to hand on as large a share as it gets: at most these add up. They do not all
 * point the same way: even within their bounds they have a standard deviation of 2^-11 / sqrt(3),
 * many of them add up as the root of their number, and of four standard deviations one value in
 * 16000 is beyond. So deep parts are granted less than the plain sum.
 */
export function halfMaps(maps: number): number {
  return storage === 'f16' ? 2 ** -11 * Math.min(maps, 4 * Math.sqrt(maps / 3)) : 0;
}

const exact: Round = (x) => x;

/** A reference run in both precisions, and the error that float32 arithmetic is granted. */
function judge(reference: (round: Round) => ArrayLike<number>, factor: number) {
  const truth = reference(exact);
  const single = reference(Math.fround);
  let error = 0;
  let scale = 0;
  for (let i = 0; i < truth.length; i++) {
    error = Math.max(error, Math.abs((single[i] as number) - (truth[i] as number)));
    scale = Math.max(scale, Math.abs(truth[i] as number));
  }
  return { truth, tolerance: factor * Math.max(error, 2 ** -23 * scale) };
}

function fail(i: number, actual: number | undefined, wanted: number | undefined, detail: string) {
  expect.fail(`value ${i}: got ${actual}, expected ${wanted} ${detail}`);
}

/**
 * Every value within a tolerance of the reference in float64: `factor` times the largest error of
 * the reference run in float32, which adds one by one (or one unit in the last place of the largest
 * value, if that is more), and where maps are float16 the rounding of the result and what a
 * backend that rounds within may add to value i.
 */
export function expectClose(
  actual: ArrayLike<number>,
  reference: (round: Round) => ArrayLike<number>,
  factor = 4,
  within: (i: number) => number = () => 0,
): void {
  const { truth, tolerance } = judge(reference, factor);
  const half = storage === 'f16';
  expect(actual.length).toBe(truth.length);
  for (let i = 0; i < truth.length; i++) {
    const difference = Math.abs((actual[i] as number) - (truth[i] as number));
    const granted = tolerance + (half ? halfRounding(truth[i] as number) + within(i) : 0);
    if (!(difference <= granted)) fail(i, actual[i], truth[i], `within ${granted}`);
  }
}

/**
 * Values that are steps of a number, such as a threshold or a rounding to bytes: exactly those of
 * the reference, except where the number is so close to a step (1e-5, or its float32 error) that
 * rounding decides; of those there may be three, or 1 %.
 */
export function expectSteps(
  actual: ArrayLike<number>,
  reference: (round: Round) => ArrayLike<number>,
  step: (value: number) => number,
): void {
  const { truth, tolerance } = judge(reference, 4);
  const margin = Math.max(1e-5, tolerance);
  let undecided = 0;
  expect(actual.length).toBe(truth.length);
  for (let i = 0; i < truth.length; i++) {
    const value = truth[i] as number;
    if (actual[i] === step(value)) continue;
    if (actual[i] !== step(value - margin) && actual[i] !== step(value + margin)) {
      fail(i, actual[i], step(value), `from ${value}`);
    }
    undecided++;
  }
  expect(undecided).toBeLessThanOrEqual(Math.max(3, truth.length / 100));
}

/** Every value the same; for what is only moved. */
export function expectSame(actual: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(actual[i], wanted[i])) fail(i, actual[i], wanted[i], 'exactly');
  }
}
