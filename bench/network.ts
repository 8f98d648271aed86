// Times the whole network, frame by frame and part by part, as lib/video/completion.ts calls it.
import type { Device } from '../lib/device.js';
import { align } from '../lib/network/align.js';
import { flowScale } from '../lib/network/flow.js';
import type { RegistrationFeatures } from '../lib/network/homography.js';
import { type Encoded, margin, type Network, type Previous } from '../lib/network/network.js';
import { grow } from '../lib/network/region.js';
import { type Anchor, makeUp } from '../lib/network/synthesis.js';
import { composite, flowWarp, type Region, type Size, unshuffle } from '../lib/ops/index.js';
import { pushPull } from '../lib/ops/push_pull.js';
import { scope } from '../lib/scope.js';
import type { Tensor } from '../lib/tensor.js';
import { Random } from '../test/random.js';
import { ms, percent, type Stopwatch, table } from './harness.js';
import { boundsOf, holeOf, share, text, references as usual } from './shapes.js';

/** All that the network knows of a frame. */
type Known = Encoded & RegistrationFeatures;

/** A frame with previous outputs, ready to be completed. */
export interface Scene {
  readonly target: { readonly frame: Tensor; readonly known: Known };
  readonly references: readonly Known[];
  readonly previous: Previous;
  readonly anchor: Anchor;
  readonly window: Region;
  /** Packs and encodes the target anew. */
  encode(): unknown;
  /** Relates the target to the frame before it. */
  track(): Tensor;
  /** Relates the target to its references. */
  estimateHomographies(): Tensor;
  /** Everything that a frame takes. */
  whole(): Tensor;
}

/** A still: the transforms come out as the identity, and all that is hidden is borrowed. */
export function sceneOf(
  device: Device,
  network: Network,
  size: Size,
  count: number = usual,
): Scene {
  const { h, w } = size;
  const picture = new Random(1).smooth(h, w, 3);
  const bytes = Uint8Array.from(picture, (value) => 127.5 * (value + 1));
  const encode = (shift: number): { frame: Tensor; known: Known } => {
    const frame = device.uploadLater(bytes, [1, h, w, 3]);
    const mask = device.uploadLater(holeOf(size, shift), [1, h, w, 1]);
    const packed = network.pack(frame, mask, { dilate: 0, scaled: size, plane: size });
    mask.dispose();
    return { frame, known: { ...network.registrationFeatures(packed), ...network.encode(packed) } };
  };
  const others = Array.from({ length: count }, (_, i) => encode((i / count - 0.5) / 2));
  const references = others.map(({ known }) => known);
  const output = () => device.upload(Float32Array.from(picture), [1, h, w, 3]);
  const previous = { y1: output(), y2: output() };
  const anchor = {
    frame: output(),
    visibility: device.upload(new Float32Array(h * w).fill(1), [1, h, w, 1]),
    theta: device.upload(new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]), [1, 3, 3]),
  };
  const window = boundsOf(size);
  const target = encode(0);
  const trackOf = (known: Known) => network.track(known, references[0] as Known);
  // The target is behind its references, each frame registered with the one before it.
  const track = {
    steps: Array.from({ length: count }, () => trackOf(target.known)),
    target: count,
    references: references.map((_, i) => i),
  };
  const estimateHomographies = () =>
    network.refineHomographies(network.chainHomographies(track), target.known, references, window);
  return {
    target,
    references,
    previous,
    anchor,
    window,
    encode: () => encode(0),
    track: () => trackOf(target.known),
    estimateHomographies,
    whole: () => {
      // What is encoded and tracked with a frame is one of those to come.
      trackOf(encode(0).known);
      const inputs = {
        frame: target.frame,
        target: target.known,
        references,
        starts: network.chainHomographies(track),
        previous,
        anchor,
      };
      return network.programs.run(`paint ${text(size)} ${count}`, inputs, (it) => {
        const theta = network.refineHomographies(it.starts, it.target, it.references, window);
        const options = { ...it, theta, window };
        const completion = makeUp(network.complete(options), it);
        const finished = network.finish(completion, options);
        return composite(finished.y, completion.covered, it.frame, it.target.nativeVisibility)
          .frame;
      });
    },
  };
}

/** Prints the parts of a frame with previous outputs, and the frame as a whole. */
export async function timeNetwork(
  device: Device,
  network: Network,
  watch: Stopwatch,
  size: Size,
): Promise<void> {
  const scene = sceneOf(device, network, size);
  const { references: sources, previous, window, whole } = scene;
  const { frame, known: target } = scene.target;
  const region = grow(window, margin, size);
  const cells = { scaleX: flowScale.cells, scaleY: flowScale.cells };
  const { attention, flow, decoder } = network.parts;

  // What the parts hand on.
  const theta = scene.estimateHomographies();
  const coarse = align(target, sources, theta, network.poolScale);
  const { featuresVisibility, featuresHole } = target;
  const guess = () => {
    const { filled, known } = coarse;
    return pushPull(filled, known, attention.guess(coarse, featuresHole));
  };
  const filled = guess();
  const { motion, features } = flow.estimate(target.features, previous.y1, previous.y2);
  const warped = flowWarp(features, motion, cells);
  const completion = network.complete({ target, references: sources, theta, previous, window });

  const parts: Readonly<Record<string, () => unknown>> = {
    encode: scene.encode,
    track: scene.track,
    estimateHomographies: scene.estimateHomographies,
    align: () => align(target, sources, theta, network.poolScale),
    attend: guess,
    flow: () => {
      const made = flow.estimate(target.features, previous.y1, previous.y2);
      return flowWarp(made.features, made.motion, cells);
    },
    decoder: () =>
      decoder.decode(
        {
          target: target.features,
          coarse: coarse.features,
          previous: warped,
          borrowed: coarse.borrowed,
          featuresHole,
          copy: unshuffle([filled, coarse.known], 4),
          frame: filled,
          known: coarse.known,
        },
        region,
      ),
    'make up': () => makeUp(completion, { target, anchor: scene.anchor }),
    'blend and composite': () => {
      const { y } = network.finish(completion, { target, previous, window });
      return composite(y, completion.covered, frame, target.nativeVisibility);
    },
  };

  const sum = async (tensor: Tensor) =>
    Float32Array.from(await tensor.read()).reduce((a, value) => a + value, 0);
  const queries = await sum(coarse.borrowed);
  const visible = await sum(featuresVisibility);
  console.log(
    `\n${text(size)}, ${sources.length} references, ${percent(share)} hole: ` +
      `${queries} of ${featuresVisibility.size} cells ask (${visible} are seen), ` +
      `${text(region)} pixels are decoded\n`,
  );
  const row = table(['part', -22], ['ms', 9], ['least ms', 9], ['of all', 7], ['', 16]);
  const times: [string, number, number][] = [];
  for (const [name, run] of Object.entries(parts)) {
    const { median, min } = await watch.warm(run);
    times.push([name, median, min]);
  }
  const all = times.reduce((total, [, time]) => total + time, 0);
  for (const [name, median, min] of times) row(name, ms(median), ms(min), percent(median / all));
  row('together', ms(all));

  // As a video runs: each frame is read before the next is queued.
  const [{ median, min } = { median: 0, min: 0 }] = await watch.compare(async (frames) => {
    for (let i = 0; i < frames; i++) {
      using output = scope(whole);
      await output.read();
    }
  });
  row('whole frame, read back', ms(median), ms(min), '', `${(1000 / median).toFixed(2)} frames/s`);
}
