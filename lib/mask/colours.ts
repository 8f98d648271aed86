// Colours as they are compared: CIE L*a*b* over 50, in which a difference of 0.1 is seen.

const steps = 4096;
const linear = Float32Array.from({ length: 256 }, (_, v) => {
  const s = v / 255;
  return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
});
const root = Float32Array.from({ length: steps + 1 }, (_, i) => {
  const t = i / steps;
  return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
});

/** L*a*b* over 50 of bytes red, green, blue. */
export function toLab(rgb: Uint8Array): Float32Array {
  const lab = new Float32Array(rgb.length);
  const cube = (t: number) => root[Math.min(steps, (t * steps + 0.5) | 0)] as number;
  for (let i = 0; i < rgb.length; i += 3) {
    const r = linear[rgb[i] as number] as number;
    const g = linear[rgb[i + 1] as number] as number;
    const b = linear[rgb[i + 2] as number] as number;
    const x = cube((0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.950456);
    const y = cube(0.212671 * r + 0.71516 * g + 0.072169 * b);
    const z = cube((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754);
    lab[i] = (116 * y - 16) / 50;
    lab[i + 1] = (500 * (x - y)) / 50;
    lab[i + 2] = (200 * (y - z)) / 50;
  }
  return lab;
}

/** Bins along L*, a* and b*. */
const bins = 16;
/** How many bins there are. */
export const colourBins = bins ** 3;

/** The bin of each pixel: L* from 0 to 100, a* and b* from -50 to 50, what is beyond in the last. */
export function binsOf(lab: Float32Array): Uint16Array {
  const place = (v: number) => Math.min(bins - 1, Math.max(0, Math.floor(v * bins)));
  return Uint16Array.from(
    { length: lab.length / 3 },
    (_, i) =>
      (place((lab[3 * i] as number) / 2) * bins + place(((lab[3 * i + 1] as number) + 1) / 2)) *
        bins +
      place(((lab[3 * i + 2] as number) + 1) / 2),
  );
}

/** Blurred by 1 2 1 over 4 along each axis, and brought to a sum of 1. */
function smooth(histogram: Float32Array): Float32Array {
  let from = histogram;
  for (const step of [1, bins, bins * bins]) {
    const to = new Float32Array(colourBins);
    for (let i = 0; i < colourBins; i++) {
      const place = Math.floor(i / step) % bins;
      const before = place > 0 ? (from[i - step] as number) : 0;
      const after = place < bins - 1 ? (from[i + step] as number) : 0;
      to[i] = 0.25 * before + 0.5 * (from[i] as number) + 0.25 * after;
    }
    from = to;
  }
  const sum = from.reduce((a, b) => a + b, 1e-6);
  return from.map((v) => v / sum);
}

/** What colours an object and what is around it have had: first, and lately. */
export class ColourModel {
  #first: readonly [Float32Array, Float32Array] | undefined;
  readonly #recent = [new Float32Array(colourBins), new Float32Array(colourBins)] as const;
  #weight = 0;

  /**
   * Learns from a frame.
   *
   * @param object of each pixel how much it is the object, 0 to 1
   * @param near 1 for the pixels around it that count
   */
  learn(bin: Uint16Array, object: Float32Array, near: Uint8Array, decay: number): void {
    const own = new Float32Array(colourBins);
    const other = new Float32Array(colourBins);
    for (let i = 0; i < bin.length; i++) {
      const [at, share] = [bin[i] as number, object[i] as number];
      own[at] = (own[at] as number) + share;
      if (near[i]) other[at] = (other[at] as number) + 1 - share;
    }
    const made = [smooth(own), smooth(other)] as const;
    this.#first ??= made;
    this.#recent.forEach((recent, k) => {
      for (let i = 0; i < colourBins; i++)
        recent[i] = (recent[i] as number) * decay + (made[k]?.[i] as number);
    });
    this.#weight = this.#weight * decay + 1;
  }

  /** Of each colour, the logit of being the object's; at most 3 either way. */
  logits(): Float32Array {
    const first = this.#first;
    if (!first) return new Float32Array(colourBins);
    const share = (k: 0 | 1, i: number, weight: number) =>
      ((this.#recent[k][i] as number) / this.#weight + weight * (first[k][i] as number)) /
        (1 + weight) +
      1e-5;
    return Float32Array.from({ length: colourBins }, (_, i) =>
      Math.min(3, Math.max(-3, Math.log(share(0, i, 0.5) / share(1, i, 0.2)))),
    );
  }
}
