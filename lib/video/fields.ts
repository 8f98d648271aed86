import type { FrameInpainter } from './file.js';
import { type FramePair, type Image, toImage } from './image.js';
import type { FieldOrder } from './reader.js';

/** Every second row of an image, from row `first` on. */
function fieldOf({ data, width, height, channels }: Image, first: number): Image {
  const row = width * channels;
  const rows = height >> 1;
  const field = new Uint8Array(row * rows);
  for (let y = 0; y < rows; y++) {
    const from = (2 * y + first) * row;
    field.set(data.subarray(from, from + row), y * row);
  }
  return { data: field, width, height: rows, channels };
}

/** Puts a field back into every second row. */
function putField(field: Uint8Array, into: Uint8Array, row: number, first: number): void {
  for (let y = 0; y * row < field.length; y++) {
    into.set(field.subarray(y * row, (y + 1) * row), (2 * y + first) * row);
  }
}

/** What inpaints the frames of a video as they were filmed: whole, or by fields. */
export function asFilmed(
  inpainter: FrameInpainter,
  { fieldOrder, height }: { readonly fieldOrder: FieldOrder; readonly height: number },
): FrameInpainter {
  const hasFields = fieldOrder !== 'progressive' && height % 2 === 0;
  return hasFields ? byFields(inpainter, fieldOrder) : inpainter;
}

/**
 * Has interlaced frames inpainted field by field, as they were filmed: two fields of a frame in one
 * picture do not fit each other, nor those of other frames, where the camera or an object moves.
 * Frames have an even number of rows.
 */
export function byFields(inpainter: FrameInpainter, order: FieldOrder): FrameInpainter {
  const rows = order === 'top first' ? [0, 1] : [1, 0];
  async function* split(source: AsyncIterable<FramePair>): AsyncGenerator<FramePair, void, void> {
    for await (const pair of source) {
      const frame = toImage('inpaintFile', 'a frame', pair.frame);
      const mask = toImage('inpaintFile', 'a mask', pair.mask);
      for (const first of rows) {
        yield { frame: fieldOf(frame, first), mask: fieldOf(mask, first) };
      }
    }
  }
  return {
    async *inpaint(source, { signal, onProgress, frames, from, to }) {
      let woven: Uint8Array<ArrayBuffer> | undefined;
      let coverage = 0;
      const options = {
        ...(signal && { signal }),
        ...(frames !== undefined && { frames: 2 * frames }),
        ...(from !== undefined && { from: 2 * from }),
        ...(to !== undefined && { to: 2 * to + 1 }),
        onProgress: (progress: Parameters<NonNullable<typeof onProgress>>[0]) => {
          const { frame, fps } = progress;
          if (frame % 2) return;
          onProgress?.({ ...progress, frame: frame / 2, frames, fps: fps / 2 });
        },
      };
      for await (const field of inpainter.inpaint(split(source), options)) {
        const { data, width, height, channels } = field;
        const [index, shot] = [field.index >> 1, field.shot >> 1];
        woven ??= new Uint8Array(2 * data.length);
        putField(data, woven, width * channels, rows[field.index % 2] as number);
        coverage += field.coverage / 2;
        if (field.index % 2 === 0) continue;
        yield { data: woven, width, height: 2 * height, channels, index, coverage, shot };
        woven = undefined;
        coverage = 0;
      }
    },
  };
}
