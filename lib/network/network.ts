import type { Device } from '../device.js';
import { blend } from '../ops/blend.js';
import { chainHomographies } from '../ops/chain_homographies.js';
import { composite } from '../ops/composite.js';
import { flowWarp } from '../ops/flow_warp.js';
import { type PackedFrame, type PackFrameOptions, packFrame } from '../ops/pack_frame.js';
import { pushPull } from '../ops/push_pull.js';
import { resize } from '../ops/resize.js';
import { unshuffle } from '../ops/unshuffle.js';
import type { Region, Size, Window } from '../ops/window.js';
import { Programs } from '../program.js';
import { Safetensors } from '../safetensors.js';
import { scope } from '../scope.js';
import { Tensor } from '../tensor.js';
import { type AlignmentInput, align } from './align.js';
import { Attention } from './attend.js';
import { type NetworkConfig, readConfig } from './config.js';
import { Decoder } from './decoder.js';
import { Encoder } from './encoder.js';
import { Flow, flowScale } from './flow.js';
import { Homography, type Pyramid, type RegistrationFeatures } from './homography.js';
import { grow } from './region.js';
import { Weights } from './weights.js';

/** Frees the tensors it holds. */
export interface Owner extends Disposable {
  dispose(): void;
}

/** A frame at the working size. Owns its tensors. */
export type Packed = PackedFrame & Owner;

/** What registers a frame with others. Owns its tensors. */
export type Registration = RegistrationFeatures & Owner;

/** Everything that is kept of a frame that is completed, or is a reference. Owns its tensors. */
export interface Encoded extends AlignmentInput, Owner {
  /** As {@link PackedFrame.nativeVisibility}. */
  readonly nativeVisibility: Tensor;
  /** [1 h/4 w/4 1]: 1 - featuresVisibility. */
  readonly featuresHole: Tensor;
}

/** Consecutive frames of a shot, each registered with the one before it. */
export interface Track {
  /** From frame i + 1 of them to frame i, each [1 3 3] from {@link Network.track}. */
  readonly steps: readonly Tensor[];
  /** Place of the target among them. */
  readonly target: number;
  /** Places of its references. */
  readonly references: readonly number[];
}

/** The two last outputs, composited; on a shot's second frame both are its only one. */
export interface Previous {
  /** [1 h w 3] Y[t-1] */
  readonly y1: Tensor;
  /** [1 h w 3] Y[t-2] */
  readonly y2: Tensor;
}

/** What {@link Network.complete} is given. */
export interface CompleteOptions {
  readonly target: Encoded;
  /** None when the shot has no other frame. */
  readonly references: readonly Encoded[];
  /** From {@link Network.refineHomographies}, for the same references. */
  readonly theta: Tensor;
  /** Absent on the first frame of a shot. */
  readonly previous?: Previous | undefined;
  /** Bounds of the target's hole. */
  readonly window: Region;
}

/** What the network makes of a target. Owns its tensors. */
export interface Completion extends Owner {
  /**
   * The hole's window and {@link margin} pixels around it, [1 h w 4]: what to add to `coarse`, and
   * the gate that keeps it as it is.
   */
  readonly decoded: Window;
  /** [1 h w 3] the target, its hole filled. */
  readonly coarse: Tensor;
  /** [1 h w 1]: 1 where the target shows something, trust in the coarse frame elsewhere. */
  readonly known: Tensor;
  /** [1 h w 1]: 1 in the hole where a reference shows something. */
  readonly covered: Tensor;
  /** [1 h/4 w/4 3] see {@link flowScale}; absent without previous outputs. */
  readonly motion: Tensor | undefined;
  /** [r h/4 w/4 1] how far each reference is from the target around each cell. */
  readonly distance: Tensor;
  /** [r h/4 w/4 3] what to add to each reference there. */
  readonly offset: Tensor;
}

/** What {@link Network.finish} makes. Owns its tensors. */
export interface Finished extends Owner {
  /** The hole's window of Y, not clamped. */
  readonly y: Window;
  /** [1 h w 3] Y clamped and put into the frame's hole: a previous output of the frames to come. */
  readonly frame: Tensor;
}

/** How many pixels around the hole's window are decoded, so that the window can be resized. */
export const margin = 2;

function tensorsOf(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tensorsOf) : [];
}

function owner<T extends object>(parts: T): T & Owner {
  const dispose = () => {
    for (const tensor of tensorsOf(parts)) tensor.dispose();
  };
  return { ...parts, dispose, [Symbol.dispose]: dispose };
}

/** Of an owner, what programs read. */
function registrationInputs({ levels, near, matching }: RegistrationFeatures) {
  return { levels, near, matching };
}

function packKey(name: string, frame: Tensor, { dilate, scaled, plane }: PackFrameOptions): string {
  return `${name} ${[...frame.shape, dilate, scaled.h, scaled.w, plane.h, plane.w]}`;
}

function planeOf({ shape: [, h = 0, w = 0] }: Tensor): Size {
  return { h, w };
}

/**
 * The Align-and-Attend Network, one frame at a time. Everything is queued on the device; nothing is
 * read back.
 *
 * Source: Woo, Kim, Park, Lee, Kweon: Align-and-Attend Network for Globally and Locally Coherent
 * Video Inpainting, arXiv 1905.13066.
 */
export class Network implements Owner {
  /** Sizes, from the file of weights. */
  readonly config: NetworkConfig;
  /** Inverse temperature of the pooling over references, for whoever pools at another size. */
  readonly poolScale: number;
  /** @internal The parts, for tests. */
  readonly parts: {
    readonly homography: Homography;
    readonly encoder: Encoder;
    readonly attention: Attention;
    readonly flow: Flow;
    readonly decoder: Decoder;
  };
  /** @internal What of it comes again, frame after frame. */
  readonly programs: Programs;
  readonly #device: Device;
  readonly #weights: Weights;

  private constructor(device: Device, file: Safetensors) {
    this.config = readConfig(file);
    this.#device = device;
    this.programs = new Programs(device);
    this.#weights = new Weights(device, file);
    const { homography, inpainter } = this.config;
    try {
      this.poolScale = this.#weights.scalar('inpainter.pool_scale');
      this.parts = {
        homography: new Homography(this.#weights, homography),
        encoder: new Encoder(this.#weights, 'inpainter.encoder', [4], inpainter.width),
        attention: new Attention(this.#weights, inpainter),
        flow: new Flow(this.#weights, inpainter),
        decoder: new Decoder(this.#weights, inpainter),
      };
    } catch (error) {
      this.#weights.dispose();
      throw error;
    }
  }

  /**
   * Loads a network from a safetensors file.
   *
   * @throws InpaintError (rejects) ERR_WEIGHTS, which names the file and what is wrong with it
   */
  static async load(device: Device, file: string): Promise<Network> {
    return new Network(device, await Safetensors.open(file));
  }

  /**
   * Brings an 8-bit frame and its mask to the working size, see {@link packFrame}.
   *
   * @param options plane: height and width have to be multiples of 16
   */
  pack(frame: Tensor, mask: Tensor, options: PackFrameOptions): Packed {
    return owner(
      this.programs.run(packKey('pack', frame, options), { frame, mask }, (it) =>
        packFrame(it.frame, it.mask, options),
      ),
    );
  }

  /**
   * Registers a frame with the one before it, as {@link pack}, {@link registrationFeatures} and
   * {@link track} do, of which nothing else is kept.
   */
  register(
    frame: Tensor,
    mask: Tensor,
    options: PackFrameOptions,
    before: RegistrationFeatures,
  ): { readonly features: Registration; readonly step: Tensor } {
    const inputs = { frame, mask, before: registrationInputs(before) };
    const { step, ...features } = this.programs.run(
      packKey('register', frame, options),
      inputs,
      (it) => {
        const packed = packFrame(it.frame, it.mask, options);
        const made = this.#registrationFeatures(packed);
        return { ...made, step: this.parts.homography.track(made, it.before) };
      },
    );
    return { features: owner(features), step };
  }

  /** Computes what {@link track} and {@link refineHomographies} take of a frame. */
  registrationFeatures({ colour, hole, visibility, input }: Packed): Registration {
    return owner(
      this.programs.run(
        `registrationFeatures ${colour.shape}`,
        { colour, hole, visibility, input },
        (it) => this.#registrationFeatures(it),
      ),
    );
  }

  /** Computes anew what {@link refineHomographies} takes of a frame. */
  pyramid({ colour, hole }: Packed): Pyramid & Owner {
    return owner(
      this.programs.run(`pyramid ${colour.shape}`, { colour, hole }, (it) =>
        this.parts.homography.pyramid(it.colour, it.hole),
      ),
    );
  }

  /**
   * Computes what is kept of a frame that is completed, or is a reference. Takes `packed` over: the
   * answer owns what is still of use of it, the rest is freed.
   */
  encode({ colour, hole, visibility, input, nativeVisibility }: Packed): Encoded {
    const parts = this.programs.run(`encode ${colour.shape}`, { colour, hole, input }, (it) =>
      this.#encode(it),
    );
    input.dispose();
    hole.dispose();
    return owner({ colour, visibility, nativeVisibility, ...parts });
  }

  /** What {@link pack}, {@link encode} and {@link pyramid} make of a frame. */
  prepare(
    frame: Tensor,
    mask: Tensor,
    options: PackFrameOptions,
  ): { readonly encoded: Encoded; readonly pyramid: Pyramid & Owner } {
    const { encoded, pyramid } = this.programs.run(
      packKey('prepare', frame, options),
      { frame, mask },
      (it) => {
        const packed = packFrame(it.frame, it.mask, options);
        const { colour, hole, visibility, nativeVisibility } = packed;
        return {
          encoded: { colour, visibility, nativeVisibility, ...this.#encode(packed) },
          pyramid: this.parts.homography.pyramid(colour, hole),
        };
      },
    );
    return { encoded: owner(encoded), pyramid: owner(pyramid) };
  }

  /** The homography from a frame to the one before it, refined: [1 3 3]. */
  track(frame: RegistrationFeatures, before: RegistrationFeatures): Tensor {
    const inputs = { frame: registrationInputs(frame), before: registrationInputs(before) };
    return this.programs.run(`track ${frame.levels.map((it) => it.shape)}`, inputs, (it) =>
      this.parts.homography.track(it.frame, it.before),
    );
  }

  /**
   * The homographies from the target to its references, [r 3 3]: products of the track's. Without
   * references, the identity, [1 3 3]: a frame that is alone is its own reference, and covers
   * nothing of its hole.
   */
  chainHomographies({ steps, target, references }: Track): Tensor {
    if (references.length === 0)
      return this.#device.upload(new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]), [1, 3, 3]);
    return this.programs.run(`chain ${steps.length} ${target} ${references}`, steps, (it) =>
      chainHomographies(it, target, references),
    );
  }

  /**
   * The homographies from the target to its references, refined: [r 3 3], or `starts` where there
   * are no references.
   *
   * @param starts from {@link chainHomographies}, for the same references
   * @param window bounds of the target's hole
   */
  refineHomographies(
    starts: Tensor,
    target: Pyramid,
    references: readonly Pyramid[],
    window: Region,
  ): Tensor {
    if (references.length === 0) return starts;
    const levels = references.map((it) => it.levels);
    return this.parts.homography.refine(starts, target, levels, window);
  }

  /** Completes the target's hole. */
  complete({ target, references, theta, previous, window }: CompleteOptions): Completion {
    const { attention, flow, decoder } = this.parts;
    const sources = references.length === 0 ? [target] : references;
    return scope(() => {
      const coarse = align(target, sources, theta, this.poolScale);
      const guess = attention.guess(coarse, target.featuresHole);
      const frame = pushPull(coarse.filled, coarse.known, guess);
      const motion = previous && flow.estimate(target.features, previous.y1, previous.y2);
      const region = grow(window, margin, planeOf(target.colour));
      const decoded = decoder.decode(
        {
          target: target.features,
          coarse: coarse.features,
          previous: motion
            ? this.#warp(motion.features, motion.motion)
            : this.#zeros(planeOf(target.features)),
          borrowed: coarse.borrowed,
          featuresHole: target.featuresHole,
          copy: unshuffle([frame, coarse.known], 4),
          frame,
          known: coarse.known,
        },
        region,
      );
      return owner({
        decoded: { tensor: decoded, y: region.y, x: region.x },
        coarse: frame,
        known: coarse.known,
        covered: coarse.covered,
        motion: motion?.motion,
        distance: coarse.distance,
        offset: coarse.offset,
      });
    });
  }

  /**
   * Blends a completion with the previous output and puts it into the target's hole, at the working
   * size.
   */
  finish(
    completion: Completion,
    { target, previous, window }: Pick<CompleteOptions, 'target' | 'previous' | 'window'>,
  ): Finished {
    const { decoded, coarse, known, covered, motion } = completion;
    const { y, x } = window;
    return scope(() => {
      const local =
        motion &&
        resize(motion, {
          ...window,
          mode: 'bilinear',
          inputExtent: planeOf(motion),
          outputExtent: planeOf(coarse),
        });
      const { pixels } = flowScale;
      const warped =
        previous && local && flowWarp(previous.y1, local, { scaleX: pixels, scaleY: pixels, y, x });
      const tensor = blend({
        decoded,
        coarse,
        known,
        previous: warped && { tensor: warped, y, x },
        motion: local && { tensor: local, y, x },
        region: window,
      });
      const result = { tensor, y, x };
      return owner({
        y: result,
        frame: composite(result, covered, target.colour, target.visibility).frame,
      });
    });
  }

  /** Frees the weights. */
  dispose(): void {
    this.programs.dispose();
    this.#weights.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #encode({ colour, hole, input }: Pick<PackedFrame, 'colour' | 'hole' | 'input'>) {
    const features = this.parts.encoder.encode([input]);
    const quarter = { ...planeOf(features), mode: 'area' } as const;
    return {
      features,
      featuresVisibility: resize(hole, { ...quarter, below: 0.01 }),
      featuresHole: resize(hole, { ...quarter, atLeast: 0.01 }),
      cellColours: resize(colour, quarter),
    };
  }

  #registrationFeatures(packed: Pick<PackedFrame, 'colour' | 'hole' | 'visibility' | 'input'>) {
    const { homography } = this.parts;
    return {
      matching: homography.encode(packed.input, packed.visibility),
      ...homography.pyramid(packed.colour, packed.hole),
    };
  }

  #warp(features: Tensor, motion: Tensor): Tensor {
    return flowWarp(features, motion, { scaleX: flowScale.cells, scaleY: flowScale.cells });
  }

  #zeros({ h, w }: Size): Tensor {
    const c = this.parts.flow.channels;
    return this.#device.upload(new Float32Array(h * w * c), [1, h, w, c]);
  }
}
