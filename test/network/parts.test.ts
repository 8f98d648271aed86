// Each part of the network alone, with narrow random weights, against the reference in PyTorch. A
// part is given what the reference gave it, so differences do not add up.
import { expect, test } from 'vitest';
import { align, type Coarse } from '../../lib/network/align.js';
import { Network } from '../../lib/network/network.js';
import { composeAffine } from '../../lib/ops/compose_affine.js';
import { pushPull } from '../../lib/ops/push_pull.js';
import type { Region } from '../../lib/ops/window.js';
import type { Tensor } from '../../lib/tensor.js';
import { describeBackends } from '../backends.js';
import { halfMaps } from '../close.js';
import {
  boundsOf,
  encodeShot,
  Fixture,
  fixturePath,
  type Known,
  readShot,
  relativeDifference,
} from './fixtures.js';

const fixture = await Fixture.open('parts.safetensors');
const shot = readShot(fixture, 'shot');

/**
 * How many maps are stored one behind another on the longest way to what is compared, from the
 * frames or from what a part is given, which is stored too. What is not here is as it is in float32
 * on any backend: 0 or 1, or a homography that thousands of pixels had their say in.
 */
const maps: Readonly<Record<string, number>> = {
  'homography.square': 2, // input, resized
  'homography.unit': 11, // as above, eight layers, normalized
  'homography.match': 2, // unit, matched
  'homography.regress': 6, // as above, four layers
  'homography.estimate': 21, // as above, square warped 1, encoded 9, matched 1, four layers
  'levels.0': 2, // colour, level
  'levels.1': 2,
  'levels.2': 2,
  'levels.near': 1,
  'inpainter.features': 7, // input, six layers
  'aligned.features': 2, // features, sampled
  'aligned.colours': 3, // colour, cellColours, sampled
  'aligned.distance': 3, // colour, sampled, compared
  'aligned.offset': 3,
  'align.features': 4, // as above, pooled
  'align.filled': 4,
  'align.known': 4,
  'attend.colour': 2, // features, attended
  'attend.trust': 4, // as above, two layers
  'attend.frame': 5, // as above, filled in
  'residual.features': 6, // features, five layers
  'flow.features': 7, // colour, six layers
  'flow.motion': 14, // as above, seven layers
  'first.frame': 17, // aligned 4, attended 1, trusted 2, filled in 1, decoded 7, blended, put in
  'later.frame': 24, // motion 14, warped 1, decoded 7, blended, put in
};

const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** What is estimated of transforms, which is what they differ from the identity by. */
const estimated = (values: Float32Array) => values.map((x, i) => x - (identity[i % 9] as number));

describeBackends('parts of the network', (backend) => {
  const recorded = (name: string, index?: number) => fixture.tensor(backend.device, name, index);

  /** Compares tensors with the recorded ones of the same name; `name/2` is that of frame 2. */
  async function expectRecorded(
    body: (network: Network, known: readonly Known[]) => Record<string, Tensor>,
  ): Promise<void> {
    using network = await Network.load(backend.device, fixturePath('narrow.safetensors'));
    const made = await backend.run(() => body(network, encodeShot(network, backend.device, shot)));
    for (const [key, actual] of Object.entries(made)) {
      const [name = '', index] = key.split('/');
      const expected = fixture.values(name, index === undefined ? undefined : Number(index));
      const difference = /regress|estimate/.test(name)
        ? relativeDifference(estimated(actual), estimated(expected))
        : relativeDifference(actual, expected);
      expect(difference, key).toBeLessThanOrEqual(1e-4 + halfMaps(maps[name] ?? 0));
    }
  }

  const byFrame = (name: string, tensors: readonly Tensor[]) =>
    Object.fromEntries(tensors.map((tensor, i) => [`${name}/${i}`, tensor]));

  /** What the reference made of a frame for the matching. */
  const matching = (index: number) => ({
    unit: recorded('homography.unit', index),
    visibility: recorded('homography.visibility', index),
    square: recorded('homography.square', index),
    squareVisibility: recorded('homography.shown', index),
  });

  const matched = () => {
    const references = [1, 2, 3].map(matching);
    return [
      matching(0),
      references.map((it) => it.unit),
      references.map((it) => it.visibility),
    ] as const;
  };

  /** A frame with the features that the reference made. */
  const withFeatures = (frame: Known, index: number): Known => ({
    ...frame,
    features: recorded('inpainter.features', index),
    featuresVisibility: recorded('inpainter.visibility', index),
  });

  test('homography: encoder', () =>
    expectRecorded((_, encoded) => ({
      ...byFrame(
        'homography.unit',
        encoded.map(({ matching }) => matching.unit),
      ),
      ...byFrame(
        'homography.visibility',
        encoded.map(({ matching }) => matching.visibility),
      ),
      ...byFrame(
        'homography.square',
        encoded.map(({ matching }) => matching.square),
      ),
      ...byFrame(
        'homography.shown',
        encoded.map(({ matching }) => matching.squareVisibility),
      ),
    })));

  test('homography: masked matching', () =>
    expectRecorded(({ parts }) => ({ 'homography.match': parts.homography.match(...matched()) })));

  test('homography: estimator', () =>
    expectRecorded(({ parts }) => ({
      'homography.regress': composeAffine(undefined, parts.homography.regress(...matched())),
    })));

  test('homography: iterated', () =>
    expectRecorded(({ parts }) => ({
      'homography.estimate': parts.homography.estimate(matching(0), [1, 2, 3].map(matching)),
    })));

  test('homography: levels', () =>
    expectRecorded((_, known) => ({
      ...Object.fromEntries(
        known.flatMap(({ levels }, frame) =>
          levels.map((level, i) => [`levels.${i}/${frame}`, level]),
        ),
      ),
      ...byFrame(
        'levels.near',
        known.map(({ near }) => near),
      ),
    })));

  test('homography: track', () =>
    expectRecorded(({ parts }, [target, before]) => ({
      'track.step': parts.homography.track(
        { ...(target as Known), matching: matching(0) },
        { ...(before as Known), matching: matching(1) },
      ),
    })));

  test('a frame that only leads to others is registered to the same bits', async () => {
    using network = await Network.load(backend.device, fixturePath('narrow.safetensors'));
    // Queued one by one, recorded, and played.
    for (let round = 0; round < 3; ++round) {
      const made = await backend.run(() => {
        const [before, frame] = encodeShot(network, backend.device, shot) as [Known, Known];
        const size = { h: shot.h, w: shot.w };
        const image = backend.device.upload(shot.frames[1] as Uint8Array, [1, size.h, size.w, 3]);
        const mask = backend.device.upload(shot.masks[1] as Uint8Array, [1, size.h, size.w, 1]);
        const options = { dilate: 0, scaled: size, plane: size };
        const { features, step } = network.register(image, mask, options, before);
        return {
          step,
          level: features.levels[0] as Tensor,
          unit: features.matching.unit,
          ownStep: network.track(frame, before),
          ownLevel: frame.levels[0] as Tensor,
          ownUnit: frame.matching.unit,
        };
      });
      expect(made.step).toEqual(made.ownStep);
      expect(made.level).toEqual(made.ownLevel);
      expect(made.unit).toEqual(made.ownUnit);
    }
  });

  test('homography: refinement', () =>
    expectRecorded(({ parts }, [target, ...references]) => {
      const hole = boundsOf(shot.masks[0] as Uint8Array, shot.w) as Region;
      const starts = recorded('refine.theta');
      const levels = references.map((it) => it.levels);
      return { 'refine.refined': parts.homography.refine(starts, target as Known, levels, hole) };
    }));

  test('inpainter: encoder', () =>
    expectRecorded((_, encoded) => ({
      ...byFrame(
        'inpainter.features',
        encoded.map(({ features }) => features),
      ),
      ...byFrame(
        'inpainter.visibility',
        encoded.map(({ featuresVisibility }) => featuresVisibility),
      ),
    })));

  test('inpainter: what is hidden is what is not seen', async () => {
    using network = await Network.load(backend.device, fixturePath('narrow.safetensors'));
    const { visibility, featuresHole } = await backend.run(() => {
      const [{ featuresVisibility, featuresHole }] = encodeShot(network, backend.device, shot) as [
        Known,
      ];
      return { visibility: featuresVisibility, featuresHole };
    });
    expect(featuresHole).toEqual(visibility.map((value) => 1 - value));
  });

  test('align', () =>
    expectRecorded((network, encoded) => {
      const [target, ...references] = encoded.map(withFeatures) as [Known, ...Known[]];
      const coarse = align(target, references, recorded('align.theta'), network.poolScale);
      return {
        'align.features': coarse.features,
        'align.borrowed': coarse.borrowed,
        'align.filled': coarse.filled,
        ...Object.fromEntries(
          Object.entries({
            ...coarse.aligned,
            distance: coarse.distance,
            offset: coarse.offset,
          }).map(([name, tensor]) => [`aligned.${name}`, tensor]),
        ),
        'align.known': coarse.known,
      };
    }));

  test('attend', () =>
    expectRecorded(({ parts }, [target]) => {
      const aligned = {
        features: recorded('aligned.features'),
        visibility: recorded('aligned.visibility'),
        colours: recorded('aligned.colours'),
      };
      const [filled, known] = [recorded('align.filled'), recorded('align.known')];
      const coarse: Coarse = {
        aligned,
        distance: recorded('aligned.distance'),
        offset: recorded('aligned.offset'),
        features: recorded('align.features'),
        borrowed: recorded('align.borrowed'),
        covered: recorded('align.known'),
        filled,
        known,
      };
      const guess = parts.attention.guess(coarse, (target as Known).featuresHole);
      return {
        'attend.colour': guess.colour,
        'attend.trust': guess.trust,
        'attend.frame': pushPull(filled, known, guess),
      };
    }));

  test('residual pathway', () =>
    expectRecorded(({ parts }) => {
      const features = recorded('inpainter.features', 0);
      const [, h = 0, w = 0] = features.shape;
      return { 'residual.features': parts.decoder.residual(features, { y: 0, x: 0, h, w }).tensor };
    }));

  test('flow', () =>
    expectRecorded(({ parts }, [, y1, y2]) => {
      const target = recorded('inpainter.features', 0);
      const { motion, features } = parts.flow.estimate(
        target,
        y1?.colour as Tensor,
        y2?.colour as Tensor,
      );
      return { 'flow.motion': motion, 'flow.features': features };
    }));

  test.each(['first', 'later'])('decoder and output: %s frame of a shot', (name) =>
    expectRecorded((network, encoded) => {
      const [target, ...references] = encoded.map(withFeatures) as [Known, Known, Known];
      const [y1, y2] = references;
      const previous = name === 'later' ? { y1: y1.colour, y2: y2.colour } : undefined;
      const window = boundsOf(shot.masks[0] as Uint8Array, shot.w) as Region;
      const theta = recorded('align.theta');
      const completion = network.complete({ target, references, theta, previous, window });
      return { [`${name}.frame`]: network.finish(completion, { target, previous, window }).frame };
    }),
  );
});
