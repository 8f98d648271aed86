import { InpaintError } from '../errors.js';
import { expectInteger, expectNumber, expectObject } from '../expect.js';
import { type Image, type ImageLike, toImage } from '../video/image.js';

const op = 'trackMask';

/** Something said of one frame: pixels are those of the frame as given, frames count from 0. */
export type Prompt =
  | {
      readonly kind: 'point';
      readonly frame: number;
      readonly x: number;
      readonly y: number;
      /** Whether the object is not there; if left out, it is. */
      readonly not?: boolean | undefined;
    }
  | {
      readonly kind: 'box';
      readonly frame: number;
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    }
  | {
      readonly kind: 'mask';
      readonly frame: number;
      /** Any pixel that is not black is the object. */
      readonly image: ImageLike;
    };

/** @internal A mask as an {@link Image}, others as they came. */
export type Checked =
  | Exclude<Prompt, { kind: 'mask' }>
  | Readonly<{ kind: 'mask'; frame: number; image: Image }>;

/** @internal Judges prompts; sorted by frame. */
export function expectPrompts(prompts: readonly Prompt[]): Checked[] {
  if (!Array.isArray(prompts) || !prompts.length) {
    const got = Array.isArray(prompts) ? 'none' : typeof prompts;
    throw new InpaintError('ERR_ARGUMENT', op, `expected an array of prompts, got ${got}`);
  }
  const checked = prompts.map((prompt, i): Checked => {
    const name = `prompt ${i}`;
    expectObject(op, name, prompt);
    const { kind, frame } = prompt;
    expectInteger(op, `the frame of ${name}`, frame, 0, 1_000_000_000);
    if (kind === 'mask')
      return { kind, frame, image: toImage(op, `the mask of ${name}`, prompt.image) };
    if (kind === 'point' || kind === 'box') {
      expectNumber(op, `x of ${name}`, prompt.x, -32768, 32767);
      expectNumber(op, `y of ${name}`, prompt.y, -32768, 32767);
    }
    if (kind === 'point') return prompt;
    if (kind === 'box') {
      expectNumber(op, `the width of ${name}`, prompt.width, 1, 65535);
      expectNumber(op, `the height of ${name}`, prompt.height, 1, 65535);
      return prompt;
    }
    const expected = `the kind of ${name} to be point, box or mask`;
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got ${String(kind)}`);
  });
  checked.sort((a, b) => a.frame - b.frame);
  const [first] = checked as [Checked];
  const start = checked.filter(({ frame }) => frame === first.frame);
  if (start.every((it) => it.kind === 'point' && it.not)) {
    const expected = `a point, box or mask of the object in frame ${first.frame}, the first spoken of`;
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got points that are not it`);
  }
  return checked;
}

/** @internal Points and boxes have to touch the frame, masks have to fit it. */
export function expectInside(prompt: Checked, width: number, height: number): void {
  const fail = (expected: string, got: string) => {
    const message = `expected a ${prompt.kind} of frame ${prompt.frame} ${expected}, got ${got}`;
    throw new InpaintError(prompt.kind === 'mask' ? 'ERR_SHAPE' : 'ERR_ARGUMENT', op, message);
  };
  if (prompt.kind === 'mask') {
    const { width: w, height: h } = prompt.image;
    if (w !== width || h !== height)
      fail(`to be ${width} x ${height} like the frame`, `${w} x ${h}`);
    return;
  }
  const { x, y } = prompt;
  const [right, bottom] =
    prompt.kind === 'box' ? [x + prompt.width, y + prompt.height] : [x + 0.5, y + 0.5];
  const [left, top] = prompt.kind === 'box' ? [0, 0] : [x, y];
  if (right <= 0 || bottom <= 0 || x >= width || y >= height || left < 0 || top < 0)
    fail(`inside ${width} x ${height}`, `one at ${x}, ${y}`);
}

const pointText = /^\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*(?:@\s*(\d+)\s*)?$/;
const boxText = /^\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:@\s*(\d+)\s*)?$/;

/**
 * Reads a point from text: `310,120@40` is x and y in frame 40; without `@`, in frame 0.
 *
 * @param not whether the object is not there
 * @throws InpaintError ERR_ARGUMENT
 */
export function parsePoint(text: string, not = false): Prompt {
  const [, x, y, frame = '0'] = pointText.exec(text) ?? [];
  if (x === undefined || y === undefined) {
    const expected = 'a point as x,y or x,y@frame';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got '${text}'`);
  }
  return { kind: 'point', frame: Number(frame), x: Number(x), y: Number(y), not };
}

/**
 * Reads a box around the object from text: `10,20,64,48@40` is x, y, width and height in frame 40.
 *
 * @throws InpaintError ERR_ARGUMENT
 */
export function parseObjectBox(text: string): Prompt {
  const [, x, y, width, height, frame = '0'] = boxText.exec(text) ?? [];
  if (height === undefined) {
    const expected = 'a box as x,y,width,height or x,y,width,height@frame';
    throw new InpaintError('ERR_ARGUMENT', op, `expected ${expected}, got '${text}'`);
  }
  const [left, top] = [Number(x), Number(y)];
  return {
    kind: 'box',
    frame: Number(frame),
    x: left,
    y: top,
    width: Number(width),
    height: Number(height),
  };
}
