import { readFile } from 'node:fs/promises';
import { InpaintError } from './errors.js';

const bytes: Readonly<Record<string, number>> = { F16: 2, BF16: 2, F32: 4 };
const longestHeader = 100_000_000; // the format's own limit

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Every float16 as the float32 of the same value. */
const halves = (() => {
  let table: Float32Array | undefined;
  return () => {
    table ??= Float32Array.from({ length: 65536 }, (_, bits) => {
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      const size =
        exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : exponent
            ? (1024 + fraction) * 2 ** (exponent - 25)
            : fraction * 2 ** -24;
      return bits & 0x8000 ? -size : size;
    });
    return table;
  };
})();

/**
 * The first key that an object in this JSON text, known to be valid, gives twice. JSON.parse keeps
 * the last and says nothing.
 */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (string && colon) {
      const key: string = JSON.parse(string);
      if (open.at(-1)?.has(key)) return key;
      open.at(-1)?.add(key);
    }
  }
  return undefined;
}

/** A value of the header, for people. */
function brief(value: unknown): string {
  try {
    return JSON.stringify(value)?.slice(0, 40) ?? 'none';
  } catch {
    return 'something nested too deep'; // the text can be longer than the call stack
  }
}

/**
 * A safetensors file in memory: named tensors of float16, bfloat16 or float32, and metadata.
 *
 * The whole header is checked when the file is opened: nothing in it is trusted.
 */
export class Safetensors {
  /** What the file was read from, for messages. */
  readonly file: string;
  /** The strings of `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #entries = new Map<string, Entry>();
  readonly #data: Uint8Array;

  /**
   * Reads a file's content.
   *
   * @param file its name, for messages
   * @throws InpaintError ERR_WEIGHTS
   */
  constructor(content: Uint8Array, file: string) {
    this.file = file;
    if (content.length < 8)
      throw this.#error('to be a safetensors file', `${content.length} bytes`);
    const length = Number(new DataView(content.buffer, content.byteOffset).getBigUint64(0, true));
    const most = Math.min(content.length - 8, longestHeader);
    if (length > most) throw this.#error(`to have a header of at most ${most} bytes`, `${length}`);
    this.#data = content.subarray(8 + length);
    const header = this.#header(content.subarray(8, 8 + length));
    this.metadata = this.#metadata(header.__metadata__);
    for (const [name, value] of Object.entries(header)) {
      if (name !== '__metadata__') this.#entries.set(name, this.#entry(name, value));
    }
    this.#expectTiled();
  }

  /**
   * Opens a file.
   *
   * @throws InpaintError (rejects) ERR_WEIGHTS when it cannot be read or is not a whole, valid file
   */
  static async open(file: string): Promise<Safetensors> {
    let content: Uint8Array;
    try {
      content = await readFile(file);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new InpaintError(
        'ERR_WEIGHTS',
        'weights',
        `expected ${file} to be readable, got ${reason}`,
        { cause },
      );
    }
    return new Safetensors(content, file);
  }

  /** The names of the tensors. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** The shape of a tensor, if there is one of this name. */
  shape(name: string): readonly number[] | undefined {
    return this.#entries.get(name)?.shape;
  }

  /**
   * A tensor's values.
   *
   * @param shape what it has to be
   * @throws InpaintError ERR_WEIGHTS when it is missing, has another shape, or holds a value that
   *   is not finite
   */
  tensor(name: string, shape: readonly number[]): Float32Array {
    const entry = this.#entries.get(name);
    if (!entry) throw this.#error(`to hold tensor ${name}`, 'none of that name');
    if (entry.shape.join() !== shape.join()) {
      throw this.#error(
        `tensor ${name} to have shape [${shape.join(', ')}]`,
        `[${entry.shape.join(', ')}]`,
      );
    }
    const values = this.#values(entry);
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0)
      throw this.#error(`tensor ${name} to hold finite numbers`, `${values[wrong]} at ${wrong}`);
    return values;
  }

  /**
   * A single number, from min to max.
   *
   * @throws InpaintError ERR_WEIGHTS
   */
  number(name: string, min: number, max: number): number {
    const [value] = this.tensor(name, []) as unknown as [number];
    if (value >= min && value <= max) return value;
    throw this.#error(`${name} to be a number from ${min} to ${max}`, `${value}`);
  }

  #values({ dtype, begin, end }: Entry): Float32Array {
    const view = new DataView(this.#data.buffer, this.#data.byteOffset + begin, end - begin);
    const values = new Float32Array(view.byteLength / (bytes[dtype] as number));
    if (dtype === 'F32') {
      for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
    } else if (dtype === 'F16') {
      const table = halves();
      for (let i = 0; i < values.length; i++)
        values[i] = table[view.getUint16(2 * i, true)] as number;
    } else {
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < values.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
    }
    return values;
  }

  #header(content: Uint8Array): Record<string, unknown> {
    let header: unknown;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(content);
      header = JSON.parse(text);
    } catch {
      throw this.#error('to have a header of JSON', 'something else');
    }
    if (typeof header !== 'object' || header === null || Array.isArray(header)) {
      throw this.#error('to have a header that is an object', brief(header));
    }
    const repeated = repeatedKey(text);
    if (repeated !== undefined) throw this.#error('to name everything once', `${repeated} twice`);
    return header as Record<string, unknown>;
  }

  #metadata(value: unknown): Map<string, string> {
    if (value === undefined) return new Map();
    if (
      typeof value !== 'object' ||
      value === null ||
      !Object.values(value).every((text) => typeof text === 'string')
    ) {
      throw this.#error('__metadata__ to hold strings', brief(value));
    }
    return new Map(Object.entries(value));
  }

  #entry(name: string, value: unknown): Entry {
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    const size =
      typeof dtype === 'string' && Object.hasOwn(bytes, dtype) ? bytes[dtype] : undefined;
    if (size === undefined) {
      throw this.#error(`tensor ${name} to have dtype F16, BF16 or F32`, brief(dtype));
    }
    const counts = (list: unknown): list is number[] =>
      Array.isArray(list) && list.every((side) => Number.isSafeInteger(side) && side >= 0);
    if (!counts(shape))
      throw this.#error(`tensor ${name} to have a shape of whole numbers`, brief(shape));
    if (!counts(offsets) || offsets.length !== 2) {
      throw this.#error(`tensor ${name} to have data_offsets [begin, end]`, brief(offsets));
    }
    const [begin, end] = offsets as [number, number];
    if (begin > end || end > this.#data.length) {
      throw this.#error(
        `the data_offsets of tensor ${name} to lie in ${this.#data.length} bytes`,
        `[${begin}, ${end}]`,
      );
    }
    // A product too large to be exact is far above any size of data, so it cannot pass for one.
    const needed = shape.reduce((product, side) => product * side, size);
    if (needed !== end - begin) {
      throw this.#error(
        `tensor ${name} of shape [${shape.join(', ')}] to have ${needed} bytes`,
        `${end - begin}`,
      );
    }
    return { dtype: dtype as string, shape, begin, end };
  }

  /** The tensors have to fill the data, each beginning where another ends. */
  #expectTiled(): void {
    let at = 0;
    for (const [name, { begin, end }] of [...this.#entries].sort(
      ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
    )) {
      if (begin !== at)
        throw this.#error(
          `tensor ${name} to begin at byte ${at}, where the one before it ends`,
          `${begin}`,
        );
      at = end;
    }
    if (at !== this.#data.length)
      throw this.#error(`to have ${at} bytes of data, as its header says`, `${this.#data.length}`);
  }

  #error(expected: string, got: string): InpaintError {
    const what = expected.startsWith('to ')
      ? `${this.file} ${expected}`
      : `${expected} in ${this.file}`;
    return new InpaintError('ERR_WEIGHTS', 'weights', `expected ${what}, got ${got}`);
  }
}
