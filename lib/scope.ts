import { InpaintError } from './errors.js';

const open: Set<Disposable>[] = [];

/** @internal Hands a new tensor to the innermost open scope. */
export function register(tensor: Disposable): void {
  open.at(-1)?.add(tensor);
}

/** Takes out of `tensors` what can be reached from `value` through arrays and plain objects. */
function keep(value: unknown, tensors: Set<Disposable>, met = new Set<object>()): void {
  if (typeof value !== 'object' || value === null || met.has(value)) return;
  met.add(value);
  if (tensors.delete(value as Disposable)) return;
  const prototype = Object.getPrototypeOf(value);
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    for (const part of Object.values(value)) keep(part, tensors, met);
  }
}

/**
 * Runs body and disposes of every tensor made inside it, except those in what it returns (a tensor,
 * or arrays and plain objects of them), which pass to the scope around it. When body throws, all
 * are disposed of.
 *
 * @param body synchronous: work is queued, not awaited
 * @throws InpaintError ERR_ARGUMENT when body returns a promise
 */
export function scope<T>(body: () => T): T {
  const tensors = new Set<Disposable>();
  open.push(tensors);
  let kept: Set<Disposable> | undefined;
  try {
    const result = body();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new InpaintError(
        'ERR_ARGUMENT',
        'scope',
        'expected body to queue work and return, got a promise',
      );
    }
    const left = new Set(tensors);
    keep(result, left);
    kept = new Set([...tensors].filter((tensor) => !left.has(tensor)));
    return result;
  } finally {
    open.pop();
    for (const tensor of tensors) {
      if (kept?.has(tensor)) register(tensor);
      else tensor[Symbol.dispose]();
    }
  }
}
