import { InpaintError } from './errors.js';
import { type DType, Tensor } from './tensor.js';

const shown = (value: unknown): string =>
  typeof value === 'string'
    ? `'${value}'`
    : Array.isArray(value)
      ? `[${value.map(shown).join(', ')}]`
      : typeof value === 'object' && typeof value?.toString !== 'function' && value !== null
        ? 'object'
        : String(value);

/** @internal An array: a shape. */
export function expectArray(op: string, name: string, value: readonly unknown[]): void {
  if (Array.isArray(value)) return;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be an array, got ${shown(value)}`,
  );
}

/** @internal An object: options, or the sides of something. */
export function expectObject(op: string, name: string, value: object): void {
  if (typeof value === 'object' && value !== null) return;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be an object, got ${shown(value)}`,
  );
}

/**
 * @internal Options with no names but these: a misspelt one would be left unread.
 *
 * @param own further ones, which users are not told of
 */
export function expectOptions(
  op: string,
  name: string,
  value: object,
  known: readonly string[],
  own: readonly string[] = [],
): void {
  expectObject(op, name, value);
  const wrong = Object.keys(value).find((key) => !known.includes(key) && !own.includes(key));
  if (wrong === undefined) return;
  const like = known.find((key) => key.toLowerCase() === wrong.toLowerCase().replaceAll('_', ''));
  const expected = like ?? known.join(', ');
  throw new InpaintError('ERR_ARGUMENT', op, `expected ${name} named ${expected}, got ${wrong}`);
}

/** @internal A tensor in use, of a type. */
export function expectTensor(
  op: string,
  name: string,
  value: unknown,
  dtype: DType = 'f32',
): Tensor {
  if (!(value instanceof Tensor)) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      `expected ${name} to be a Tensor, got ${shown(value)}`,
    );
  }
  value.number(op);
  if (value.dtype !== dtype) {
    throw new InpaintError('ERR_DTYPE', op, `expected ${name} to be ${dtype}, got ${value.dtype}`);
  }
  return value;
}

/** @internal The letters and numbers of a pattern. */
export type Sides<P extends string> = P extends `${infer First} ${infer Rest}`
  ? First | Sides<Rest>
  : P;

/**
 * @internal Checks a tensor against a pattern such as `'r h w 3'` and returns the sides its letters
 *   stand for.
 *
 * @param known sides that letters must have
 */
export function expectShape<P extends string>(
  op: string,
  name: string,
  value: unknown,
  pattern: P,
  known: Readonly<Record<string, number>> = {},
  dtype: DType = 'f32',
): Record<Sides<P>, number> {
  const { shape } = expectTensor(op, name, value, dtype);
  const sides: Record<string, number> = {};
  const parts = pattern.split(' ');
  const fits =
    shape.length === parts.length &&
    parts.every((part, i) => {
      const side = shape[i] as number;
      const wanted = /^\d+$/.test(part) ? Number(part) : (known[part] ?? sides[part]);
      if (wanted === undefined) sides[part] = side;
      return wanted === undefined || wanted === side;
    });
  if (!fits) {
    const wanted = parts.map((part) =>
      known[part] === undefined ? part : `${part}=${known[part]}`,
    );
    throw new InpaintError(
      'ERR_SHAPE',
      op,
      `expected ${name} to have shape [${wanted.join(', ')}], got [${shape.join(', ')}]`,
    );
  }
  return { ...known, ...sides } as Record<Sides<P>, number>;
}

/** @internal An integer from min to max. */
export function expectInteger(
  op: string,
  name: string,
  value: unknown,
  min: number,
  max: number,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max)
    return value;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be an integer from ${min} to ${max}, got ${shown(value)}`,
  );
}

/** @internal A finite number from min to max. */
export function expectNumber(
  op: string,
  name: string,
  value: unknown,
  min: number,
  max: number,
): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new InpaintError(
    'ERR_ARGUMENT',
    op,
    `expected ${name} to be a number from ${min} to ${max}, got ${shown(value)}`,
  );
}

/** @internal All tensors on one device. */
export function expectSameDevice(op: string, tensors: readonly (Tensor | undefined)[]): void {
  const devices = new Set(tensors.flatMap((tensor) => (tensor ? [tensor.device] : [])));
  if (devices.size > 1) {
    throw new InpaintError(
      'ERR_ARGUMENT',
      op,
      'expected tensors of one device, got tensors of several',
    );
  }
}
