// What the page and the server tell each other. Pixels are those of the frame as displayed.

/** A place that was pointed at. */
export interface Point {
  readonly frame: number;
  readonly x: number;
  readonly y: number;
  /** Whether the object is not there. */
  readonly not: boolean;
}

/** A mask that was painted for one frame; the picture is known by its id. */
export interface Paint {
  readonly frame: number;
  readonly mask: string;
}

/**
 * A rectangle: around an object in its first frame, or in all of its frames to be removed as a
 * whole, or to be searched for text and overlays.
 */
export interface Zone {
  readonly kind: 'object' | 'whole' | 'text';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly from: number;
  /** Last frame, itself included. */
  readonly to: number;
}

/** All that was said of what is to be removed. */
export interface Said {
  readonly points: readonly Point[];
  readonly paints: readonly Paint[];
  readonly zones: readonly Zone[];
  /** Whether shadows, and what else belongs to the object, go with it. */
  readonly attached: boolean;
}

/** A project file: what was said of a video, with the masks that were painted. */
export interface Project {
  readonly format: 'align-and-attend studio';
  readonly version: 1;
  readonly video: Readonly<{ name: string; width: number; height: number; frames: number }>;
  readonly said: Said;
  /** PNG in base64, by their ids. */
  readonly masks: Readonly<Record<string, string>>;
}

/** What there is to do. */
export type JobKind = 'track' | 'look' | 'preview' | 'clip' | 'mask' | 'run';

/** A job that can be asked for. */
export interface JobRequest {
  readonly kind: Exclude<JobKind, 'look'>;
  /** Of a preview, or in the middle of a clip. */
  readonly frame: number;
}

/** A video in which the frame before is above the one after. */
export interface Pair {
  readonly id: string;
  /** Of one picture. */
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
}

/** All that a page shows, apart from pictures. */
export interface State {
  /** Rises with what is said. */
  readonly revision: number;
  readonly device: string;
  readonly video:
    | Readonly<{
        id: string;
        name: string;
        width: number;
        height: number;
        frames: number;
        fps: number;
      }>
    | undefined;
  readonly said: Said;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** How many frames, from the first, have masks for what is said now. */
  readonly ready: number;
  /** The frame whose mask was made ahead of the others, and how often that was done. */
  readonly ahead: Readonly<{ frame: number; count: number }>;
  readonly job:
    | Readonly<{
        kind: JobKind;
        done: number;
        of: number;
        /** Seconds left, when that can be told. */
        left: number | undefined;
      }>
    | undefined;
  readonly waiting: readonly JobKind[];
  /** What the user should know. */
  readonly notes: readonly string[];
  readonly error: string | undefined;
  /**
   * Of parts of the video, of one length. Share of the picture that is hole, -1 where it is not
   * known.
   */
  readonly holes: readonly number[];
  /**
   * The least share of a hole that other frames show, -1 where it is not known; an estimate, until it
   * is known of all frames.
   */
  readonly coverage: readonly number[];
  /** Whether some of that is an estimate. */
  readonly isEstimate: boolean;
  readonly preview: Readonly<{ id: string; frame: number; coverage: number }> | undefined;
  readonly clip: Pair | undefined;
  readonly mask: string | undefined;
  readonly result:
    | Readonly<{
        id: string;
        name: string;
        pair: Pair;
        coverage: number;
        encoding: string;
        /** Whether something else was said since. */
        isOld: boolean;
      }>
    | undefined;
}
