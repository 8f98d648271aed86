import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Masks of the frames of a video, one bit a pixel, packed: some hundred bytes each. */
export class MaskLayer {
  readonly #size: number;
  readonly #masks: (Buffer | undefined)[] = [];
  readonly #shares: number[] = [];

  /** @param size pixels of a mask */
  constructor(size: number) {
    this.#size = size;
  }

  set(index: number, mask: Uint8Array): void {
    const bits = Buffer.alloc(Math.ceil(this.#size / 8));
    let count = 0;
    for (let i = 0; i < mask.length; i++) {
      if (!mask[i]) continue;
      bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
      count += 1;
    }
    this.#masks[index] = count ? deflateRawSync(bits, { level: 1 }) : undefined;
    this.#shares[index] = count / this.#size;
  }

  /** Share of the picture that a frame's mask covers. */
  share(index: number): number {
    return this.#shares[index] ?? 0;
  }

  /** Sets 255 in an image of the same size wherever a frame's mask is. */
  addTo(image: Uint8Array, index: number): void {
    const packed = this.#masks[index];
    if (!packed) return;
    const bits = inflateRawSync(packed);
    for (let i = 0; i < image.length; i++)
      if ((bits[i >> 3] as number) & (1 << (i & 7))) image[i] = 255;
  }

  clear(): void {
    this.#masks.length = 0;
    this.#shares.length = 0;
  }
}
