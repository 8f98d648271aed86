/**
 * Tells how many seconds the latest frames took each: those without a hole pass in no time, so the
 * mean since the start says little of what is to come.
 */
export function pace(): (frame: number) => number | undefined {
  let last: { frame: number; time: number } | undefined;
  let seconds: number | undefined;
  return (frame) => {
    const time = performance.now();
    if (last) {
      const each = (time - last.time) / 1000 / Math.max(1, frame - last.frame);
      seconds = seconds === undefined ? each : 0.9 * seconds + 0.1 * each;
    }
    last = { frame, time };
    return seconds;
  };
}
