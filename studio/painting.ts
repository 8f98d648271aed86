import { fetchPicture, maskUrl } from './pictures.js';
import { paint } from './server.js';
import { radius, video } from './view.js';

/** A place in a frame, in pixels of the video. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Strokes on the mask of a frame. */
export class Painting {
  readonly index: number;
  readonly #erases: boolean;
  readonly #strokes = new OffscreenCanvas(video.value?.width ?? 1, video.value?.height ?? 1);
  readonly #painted = new OffscreenCanvas(this.#strokes.width, this.#strokes.height);
  #mask: ImageBitmap | undefined;
  readonly #loaded: Promise<void>;

  /** @param onLoad called when the mask that is painted on has come */
  constructor(index: number, erases: boolean, onLoad: () => void) {
    this.index = index;
    this.#erases = erases;
    this.#loaded = fetchPicture(`${maskUrl(index)}&alone`).then((mask) => {
      this.#mask = mask;
      onLoad();
    });
    this.#loaded.catch(() => {}); // heard at the end
  }

  stroke(from: Place, to: Place): void {
    const context = this.#strokes.getContext('2d');
    if (!context) return;
    context.strokeStyle = '#ff00be';
    context.lineCap = 'round';
    context.lineWidth = 2 * radius.value;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
  }

  /** The mask with the strokes. */
  get picture(): OffscreenCanvas {
    const { width, height } = this.#painted;
    const context = this.#painted.getContext('2d');
    if (!context) return this.#painted;
    context.globalCompositeOperation = 'source-over';
    context.clearRect(0, 0, width, height);
    if (this.#mask) context.drawImage(this.#mask, 0, 0);
    if (this.#erases) context.globalCompositeOperation = 'destination-out';
    context.drawImage(this.#strokes, 0, 0);
    return this.#painted;
  }

  /** Says that this is the mask of the frame. */
  async finish(): Promise<void> {
    await this.#loaded;
    await paint(this.index, await this.picture.convertToBlob({ type: 'image/png' }));
  }
}
