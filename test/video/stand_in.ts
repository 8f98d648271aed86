// What takes the place of the inpainter where only files matter: paints the hole green.

import { InpaintError } from '../../lib/errors.js';
import { type FrameInpainter, inpaintFile } from '../../lib/video/file.js';
import { toImage } from '../../lib/video/image.js';

export { inpaintFile };

const carried = { outputs: [], anchor: undefined, windows: [] };

/** Paints holes green, a frame every `milliseconds`. */
export function standIn(milliseconds = 0): FrameInpainter {
  return {
    async *inpaint(source, { signal, onProgress, frames, from = 0, to = 1e9, segmented }) {
      let index = -1;
      for await (const pair of source) {
        index += 1;
        if (index < from) continue;
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        if (signal?.aborted) throw new InpaintError('ERR_ABORTED', 'inpaint', 'expected to finish');
        const { width, height, channels, data } = toImage('inpaint', 'frame', pair.frame);
        const mask = toImage('inpaint', 'mask', pair.mask);
        const painted = Uint8Array.from(data);
        mask.data.forEach((hole, i) => {
          if (hole) painted.set([0, 255, 0], i * channels);
        });
        const coverage = mask.data.includes(255) ? 0.5 : 1;
        onProgress?.({ frame: index + 1, frames, fps: 10, coverage });
        yield {
          data: painted,
          width,
          height,
          channels: channels as 3 | 4,
          index,
          coverage,
          shot: 0,
          ...(segmented?.endsBefore(index + 1, 0) && { ended: { carried } }),
        };
        if (index === to) return;
      }
    },
  };
}
