// Boxes and moments as text, and frames with masks as they come into the window.
import { InpaintError } from '../../lib/errors.js';
import type { FramePair } from '../../lib/video/image.js';
import { parseBox, parseMoment } from '../../lib/video/masks.js';
import { FrameWindow } from '../../lib/video/window.js';
import type { Random } from '../random.js';
import { pick } from './mutate.js';

const texts = [
  '10,20,64,48',
  '10,20,64,48@30-59',
  '-5,0,1,1@30-',
  '1,2,3,4@-59',
  '90',
  '12.5s',
  '1:02:03',
  '0:12.5',
];
const parts = [
  ...'0123456789,@-:.s ',
  '99999999999999999999',
  '1e9',
  'NaN',
  '\u0000',
  '\u0661',
  '\n',
];

const isWhole = (value: number | undefined) => value === undefined || Number.isSafeInteger(value);

export function fuzzMasks(random: Random): void {
  let text = pick(random, texts);
  for (let n = pick(random, [0, 1, 2, 5, 20]); n > 0; n--) {
    const at = Math.floor(random.next() * (text.length + 1));
    text = text.slice(0, at) + pick(random, parts) + text.slice(at + pick(random, [0, 1, 3]));
  }
  try {
    const { x, y, width, height, from, to } = parseBox(text);
    if (![x, y, width, height, from, to].every(isWhole))
      throw new Error(`takes the box ${JSON.stringify(text)}`);
  } catch (error) {
    if (!(error instanceof InpaintError)) throw error;
  }
  try {
    const moment = parseMoment(text);
    const value = typeof moment === 'number' ? moment : moment.seconds;
    if (!(value >= 0)) throw new Error(`takes the moment ${JSON.stringify(text)}`);
  } catch (error) {
    if (!(error instanceof InpaintError)) throw error;
  }
}

/** Frames whose sizes, channels, types and memory do not fit, or that change while they are copied. */
export async function fuzzWindow(random: Random): Promise<void> {
  const [width, height] = [pick(random, [1, 7, 8, 33]), pick(random, [1, 2, 9])];
  const odd = () => random.next() < 0.05;
  const image = (channels: number) => {
    const count = width * height * channels + (odd() ? pick(random, [-1, 1]) : 0);
    const offset = pick(random, [0, 0, 1, 3]);
    const buffer = (
      odd() ? new SharedArrayBuffer(count + offset) : new ArrayBuffer(count + offset)
    ) as ArrayBuffer;
    const Bytes = pick(random, [Uint8Array, Uint8ClampedArray]);
    const data = new Bytes(buffer, offset, count);
    data.set(random.bytes(count));
    const size = {
      width: odd() ? pick(random, [0, -1, 0.5, Number.NaN, 2 ** 31]) : width,
      height,
      channels,
    };
    return random.next() < 0.5 ? { data, ...size } : { data, info: size };
  };
  const given: FramePair[] = [];
  function* source() {
    for (let n = 0; n < 3; n++) {
      const pair = { frame: image(odd() ? 2 : 3), mask: image(pick(random, [1, 1, 3, 4])) };
      given.push(pair);
      yield pair;
    }
  }
  const window = new FrameWindow(source());
  try {
    const pulling = window.pull(3);
    if (odd()) {
      await Promise.resolve();
      const { buffer } = given[0]?.frame.data ?? {};
      if (buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] });
    }
    if (odd()) await window.close();
    await pulling;
  } catch (error) {
    if (!(error instanceof InpaintError)) throw error;
  } finally {
    await window.close();
  }
}
