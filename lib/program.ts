import { type NativeProgram, native } from './addon.js';
import type { Device } from './device.js';
import { InpaintError } from './errors.js';
import { scope } from './scope.js';
import { listen, Tensor } from './tensor.js';

/** Programs that are kept, those played last. */
const most = 64;

/** The shape of a tree of arrays and plain objects: a number stands for an output. */
type Shape = { readonly output: number } | { readonly value: unknown } | ShapeOf;
interface ShapeOf {
  readonly parts: Readonly<Record<string, Shape>>;
  readonly isArray: boolean;
}

/** What a key stands for. */
interface Program {
  readonly handle: NativeProgram;
  readonly constants: readonly Tensor[];
  readonly outputs: readonly Pick<Tensor, 'shape' | 'dtype'>[];
  readonly shape: Shape;
}

function collect(value: unknown, tensors: Tensor[]): Tensor[] {
  if (value instanceof Tensor) tensors.push(value);
  else if (Array.isArray(value)) for (const part of value) collect(part, tensors);
  else if (typeof value === 'object' && value !== null)
    for (const name in value) collect((value as Record<string, unknown>)[name], tensors);
  return tensors;
}

function numbersOf(op: string, tensors: readonly Tensor[]): Int32Array {
  const numbers = new Int32Array(tensors.length);
  for (const [i, tensor] of tensors.entries()) numbers[i] = tensor.number(op);
  return numbers;
}

/** Puts the tensors of a tree into `outputs`, each once. */
function shapeOf(value: unknown, outputs: Tensor[]): Shape {
  if (value instanceof Tensor) {
    if (!outputs.includes(value)) outputs.push(value);
    return { output: outputs.indexOf(value) };
  }
  if (typeof value !== 'object' || value === null) return { value };
  const parts = Object.entries(value).map(([name, part]) => [name, shapeOf(part, outputs)]);
  return { parts: Object.fromEntries(parts), isArray: Array.isArray(value) };
}

function build(shape: Shape, outputs: readonly Tensor[]): unknown {
  if ('output' in shape) return outputs[shape.output];
  if ('value' in shape) return shape.value;
  if (shape.isArray) return Object.values(shape.parts).map((part) => build(part, outputs));
  const made: Record<string, unknown> = {};
  for (const name in shape.parts) made[name] = build(shape.parts[name] as Shape, outputs);
  return made;
}

/**
 * Sequences of operations that come again. The first time a key is seen its operations are queued
 * one by one; the second time too, and the addon writes down what is queued; from then on that is
 * played by one call. What is given a tensor twice is not written down. The last 64 are kept. See
 * Note [programs] in binding/program.h.
 */
export class Programs implements Disposable {
  readonly #device: Device;
  /** Undefined where a key was seen once; the one used last is last. */
  readonly #programs = new Map<string, Program | undefined>();
  #recording = false;

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * What body makes of the inputs: in a program that was recorded for the key, or as body queues it.
   *
   * @param key names the body, the shapes of the inputs, and every number that body uses
   * @param inputs arrays and objects of tensors; all that body reads of them, in the same order
   * @param body makes its outputs by operations on the inputs and on tensors that outlive the
   *   program (weights); it must not look at anything that the key does not name
   * @returns arrays and plain objects of tensors and values
   */
  run<I extends object, O>(key: string, inputs: I, body: (inputs: I) => O): O {
    // Of a program in a program, the outer one is recorded.
    if (this.#recording) return scope(() => body(inputs));
    const wasSeen = this.#programs.has(key);
    const program = this.#programs.get(key);
    if (program) {
      this.#keep(key, program);
      return this.#play(program, inputs) as O;
    }
    const given = collect(inputs, []);
    // Where a tensor is given twice, what reads the one is not told from what reads the other.
    if (wasSeen && new Set(given).size === given.length)
      return this.#record(key, inputs, given, body);
    this.#keep(key, undefined);
    return scope(() => body(inputs));
  }

  /** Makes it the one used last. */
  #keep(key: string, program: Program | undefined): void {
    this.#programs.delete(key);
    this.#programs.set(key, program);
    for (const oldest of this.#programs.keys()) {
      if (this.#programs.size <= most) break;
      this.#programs.delete(oldest);
    }
  }

  /** Queues what body does, and writes it down. */
  #record<I extends object, O>(
    key: string,
    inputs: I,
    given: readonly Tensor[],
    body: (inputs: I) => O,
  ): O {
    const op = 'record';
    const { handle: device } = this.#device;
    const met = new Set(given);
    const constants: Tensor[] = [];
    const hear = (read: readonly (Tensor | undefined)[], made: readonly Tensor[]) => {
      for (const tensor of read) {
        if (!tensor || met.has(tensor)) continue;
        met.add(tensor);
        constants.push(tensor);
      }
      for (const tensor of made) met.add(tensor);
    };
    native(op, () => device.record());
    this.#recording = true;
    let finished = false;
    try {
      return scope(() => {
        const result = listen(hear, () => body(inputs));
        const outputs: Tensor[] = [];
        const shape = shapeOf(result, outputs);
        if (outputs.some((tensor) => given.includes(tensor) || constants.includes(tensor))) {
          const expected = 'expected outputs that operations make';
          throw new InpaintError('ERR_DEVICE', op, `${expected}, got an input`);
        }
        const handle = native(op, () =>
          device.finish(numbersOf(op, given), numbersOf(op, constants), numbersOf(op, outputs)),
        );
        finished = true;
        this.#keep(key, {
          handle,
          constants,
          outputs: outputs.map(({ shape, dtype }) => ({ shape, dtype })),
          shape,
        });
        return result;
      });
    } finally {
      this.#recording = false;
      if (!finished) device.finish();
    }
  }

  #play({ handle, constants, outputs, shape }: Program, inputs: object): unknown {
    const op = 'program';
    const given = numbersOf(op, collect(inputs, []));
    for (const tensor of constants) tensor.number(op);
    const made = new Int32Array(outputs.length);
    const owner = native(op, () => this.#device.handle.play(handle, given, made));
    return build(
      shape,
      outputs.map(
        (it, i) => new Tensor(this.#device, owner, made[i] as number, it.shape, it.dtype),
      ),
    );
  }

  /** Drops all programs. */
  forget(): void {
    this.#programs.clear();
  }

  /** Drops all programs, and the memory of their intermediates. */
  dispose(): void {
    this.forget();
    this.#device.trim();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
