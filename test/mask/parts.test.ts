import { describe, expect, it } from 'vitest';
import { binsOf, ColourModel, colourBins, toLab } from '../../lib/mask/colours.js';
import { chain, identity, inverse, type Matrix, multiply } from '../../lib/mask/homographies.js';
import { dilate, parts, placeOf } from '../../lib/mask/regions.js';
import { Random } from '../random.js';

describe('colours', () => {
  it('are L*a*b* over 50', () => {
    // From the definition, with the white of D65.
    const known: [number[], number[]][] = [
      [
        [255, 255, 255],
        [100, 0, 0],
      ],
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [255, 0, 0],
        [53.24, 80.09, 67.2],
      ],
      [
        [0, 0, 255],
        [32.3, 79.19, -107.86],
      ],
      [
        [90, 120, 60],
        [47.1, -22.5, 29.3],
      ],
    ];
    for (const [rgb, lab] of known) {
      const got = toLab(Uint8Array.from(rgb));
      lab.forEach((v, k) => {
        expect(50 * (got[k] as number)).toBeCloseTo(v, -0.3);
      });
    }
  });

  it('tell an object from what is around it', () => {
    const [red, green] = [
      [200, 40, 40],
      [60, 140, 60],
    ];
    const bin = binsOf(toLab(Uint8Array.from([...red, ...green] as number[])));
    const model = new ColourModel();
    model.learn(bin, Float32Array.of(1, 0), Uint8Array.of(1, 1), 0);
    const logits = model.logits();
    expect(logits).toHaveLength(colourBins);
    expect(logits[bin[0] as number]).toBe(3);
    expect(logits[bin[1] as number]).toBe(-3);
  });
});

describe('homographies', () => {
  const random = new Random(3);
  const some = (): Matrix =>
    identity.map((v, i) => v + (i === 8 ? 0 : 0.05 * (random.values(1)[0] as number)));
  const same = (a: Matrix, b: Matrix) => {
    a.forEach((v, i) => {
      expect(v / (a[8] as number)).toBeCloseTo((b[i] as number) / (b[8] as number), 12);
    });
  };

  it('are undone by their inverse', () => {
    const m = some();
    same(multiply(inverse(m), m), identity);
  });

  it('are chained both ways', () => {
    const steps = [identity, some(), some(), some()];
    const step = (t: number) => steps[t] as Matrix;
    same(chain(step, 3, 1), multiply(step(2), step(3)));
    same(multiply(chain(step, 0, 3), chain(step, 3, 0)), identity);
    expect(chain(step, 2, 2)).toEqual(identity);
  });
});

describe('regions', () => {
  const size = { h: 7, w: 9 };
  const region = (...pixels: number[]) => {
    const bits = new Uint8Array(63);
    for (const i of pixels) bits[i] = 1;
    return bits;
  };

  it.each([0, 1, 2, 5, 20])('grow by %i in either direction', (radius) => {
    const from = region(0, 31, 62);
    const grown = dilate(from, size, radius);
    for (let i = 0; i < 63; i++) {
      const near = [0, 31, 62].some(
        (j) =>
          Math.abs(Math.floor(i / 9) - Math.floor(j / 9)) <= radius &&
          Math.abs((i % 9) - (j % 9)) <= radius,
      );
      expect(grown[i]).toBe(near ? 1 : 0);
    }
  });

  it('fall into parts, which touch at corners', () => {
    const { part, count } = parts(region(0, 10, 20, 8, 53, 62), size);
    expect(count).toBe(3);
    expect([part[0], part[10], part[20], part[8], part[53], part[62], part[5]]).toEqual([
      1, 1, 1, 2, 3, 3, 0,
    ]);
  });

  it('have a place', () => {
    const object = Float32Array.from(region(10, 11, 19, 20));
    expect(placeOf(object, size)).toEqual({ x: 2, y: 2, area: 4 });
    expect(placeOf(new Float32Array(63), size)).toBeUndefined();
  });
});
