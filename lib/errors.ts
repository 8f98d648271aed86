// First, as classes are disposed of by its symbols.
import './symbols.js';

/** What went wrong, for programs. */
export type ErrorCode =
  | 'ERR_ARGUMENT'
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DISPOSED'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_DEVICE'
  | 'ERR_WEIGHTS'
  | 'ERR_ADDON'
  | 'ERR_MEDIA'
  | 'ERR_ABORTED';

/**
 * The one error of this package. Its message reads `op: expected ..., got ...`. Its name is
 * `InpaintError`, or `AbortError` where the work was aborted, as other libraries name that.
 */
export class InpaintError extends Error {
  override readonly name: 'InpaintError' | 'AbortError';
  /** What went wrong. */
  readonly code: ErrorCode;
  /** The operation, function or command that says so. */
  readonly op: string;

  constructor(code: ErrorCode, op: string, message: string, options?: ErrorOptions) {
    super(`${op}: ${message}`, options);
    this.name = code === 'ERR_ABORTED' ? 'AbortError' : 'InpaintError';
    this.code = code;
    this.op = op;
  }
}
