import type { Device } from '../device.js';
import { type PackedConv, packConv2d } from '../ops/conv2d.js';
import { type PackedLinear, packLinear } from '../ops/linear.js';
import type { Safetensors } from '../safetensors.js';

/** The weights of a network on a device: takes layers from a file by name, and owns all it made. */
export class Weights {
  readonly #device: Device;
  readonly #file: Safetensors;
  readonly #layers: { dispose(): void }[] = [];

  constructor(device: Device, file: Safetensors) {
    this.#device = device;
    this.#file = file;
  }

  /** A convolution with a k x k kernel, of inputs with these channels. */
  conv(name: string, channels: readonly number[], o: number, k = 3): PackedConv {
    const i = channels.reduce((a, b) => a + b, 0);
    const shape = [o, i, k, k];
    const layer = packConv2d(
      this.#device,
      this.#file.tensor(`${name}.weight`, shape),
      shape,
      this.#file.tensor(`${name}.bias`, [o]),
      channels,
    );
    this.#layers.push(layer);
    return layer;
  }

  /**
   * A linear layer on a flattened map of c channels: PyTorch flattens it c h w, here it is h w c.
   */
  linear(name: string, cells: number, c: number, o: number): PackedLinear {
    const weight = this.#file.tensor(`${name}.weight`, [o, c * cells]);
    const rows = new Float32Array(weight.length);
    for (let row = 0, read = 0; row < o; row++) {
      for (let channel = 0; channel < c; channel++) {
        for (let cell = 0; cell < cells; cell++)
          rows[(row * cells + cell) * c + channel] = weight[read++] as number;
      }
    }
    const layer = packLinear(
      this.#device,
      rows,
      [o, c * cells],
      this.#file.tensor(`${name}.bias`, [o]),
    );
    this.#layers.push(layer);
    return layer;
  }

  /** A single number, in the range that the operations take. */
  scalar(name: string, min = 0, max = 1e6): number {
    return this.#file.number(name, min, max);
  }

  /** Frees every layer. */
  dispose(): void {
    for (const layer of this.#layers.splice(0)) layer.dispose();
  }
}
