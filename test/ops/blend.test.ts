import { it } from 'vitest';
import { blend } from '../../lib/ops/index.js';
import { describeBackends } from '../backends.js';
import { expectClose, expectSame } from '../close.js';
import { cut, type Plane, Random } from '../random.js';
import { blend as reference } from '../reference/blend.js';

describeBackends('blend', (backend) => {
  const random = new Random(15);
  const make = (h: number, w: number) => ({
    decoded: random.plane(1, h, w, 4),
    coarse: random.plane(1, h, w, 3),
    known: { ...random.plane(1, h, w, 1), data: random.values(h * w, 0, 1) },
    previous: random.plane(1, h, w, 3),
    motion: { ...random.plane(1, h, w, 3), data: random.values(h * w * 3, -8, 8) },
  });
  type Case = Record<keyof ReturnType<typeof make>, Plane>;
  type Region = { y: number; x: number; h: number; w: number };
  const maps = <T extends Partial<Case>>(p: T) =>
    Object.fromEntries(
      Object.entries(p).map(([name, plane]) => [name, backend.map(plane as Plane)]),
    ) as { [K in keyof T]: { tensor: ReturnType<typeof backend.upload>; y: number; x: number } };
  const check = async (p: Case, region: Region) => {
    const { previous, motion, ...first } = p;
    const data = (plane: Plane) => cut(plane, region.y, region.x, region.h, region.w).data;
    const out = await backend.run(() => ({
      later: blend({ ...maps(p), region }),
      first: blend({ ...maps(first), region }),
    }));
    const [decoded, coarse, known] = [data(p.decoded), data(p.coarse), data(p.known)];
    expectClose(out.later, (round) =>
      reference(decoded, coarse, known, data(previous), data(motion), round),
    );
    expectClose(out.first, (round) =>
      reference(decoded, coarse, known, undefined, undefined, round),
    );
  };

  it.each([
    [1, 1],
    [1, 17],
    [13, 1],
    [7, 11],
    [16, 33],
  ])('matches the reference on %i x %i', async (h, w) => {
    await check(make(h, w), { y: 0, x: 0, h, w });
  });

  it('makes a region of windows that each lie elsewhere', async () => {
    const p = make(20, 24);
    const windows = {
      decoded: cut(p.decoded, 5, 6, 9, 11),
      coarse: cut(p.coarse, 4, 7, 12, 10),
      known: cut(p.known, 0, 0, 20, 24),
      previous: cut(p.previous, 5, 7, 9, 17),
      motion: cut(p.motion, 3, 2, 15, 22),
    };
    await check(windows, { y: 5, x: 7, h: 8, w: 9 });
  });

  it('keeps what is known under an open gate, and corrects what is not', async () => {
    const p = make(2, 3);
    p.decoded.data.forEach((_, i) => {
      if (i % 4 === 3) p.decoded.data[i] = 1;
    });
    const { decoded, coarse, known } = p;
    known.data.set([0, 1, 1, 0, 1, 0]);
    const out = await backend.run(() =>
      blend({ ...maps({ decoded, coarse, known }), region: { y: 0, x: 0, h: 2, w: 3 } }),
    );
    const expected = coarse.data.map((value, i) => {
      const pixel = Math.floor(i / 3);
      return known.data[pixel] ? value : value + decoded.data[pixel * 4 + (i % 3)]!;
    });
    expectClose(out, () => expected);
    // Nor does what came before count there, however much it would.
    p.motion.data.fill(-200);
    const later = await backend.run(() =>
      blend({ ...maps(p), region: { y: 0, x: 0, h: 2, w: 3 } }),
    );
    const shown = (_: number, i: number) => known.data[Math.floor(i / 3)] === 1;
    expectSame(later.filter(shown), coarse.data.filter(shown));
  });

  it('takes the previous output, or none of it, at the ends of the logit', async () => {
    const p = make(2, 3);
    p.known.data.fill(0);
    p.motion.data.fill(-200);
    const region = { y: 0, x: 0, h: 2, w: 3 };
    expectSame(await backend.run(() => blend({ ...maps(p), region })), p.previous.data);
    p.motion.data.fill(200);
    const { decoded, coarse, known } = p;
    const { later, first } = await backend.run(() => ({
      later: blend({ ...maps(p), region }),
      first: blend({ ...maps({ decoded, coarse, known }), region }),
    }));
    expectSame(later, first);
  });

  it('rejects what it cannot take', () => {
    const from = () => {
      const { decoded, coarse, known } = make(2, 3);
      return { ...maps({ decoded, coarse, known }), region: { y: 0, x: 0, h: 2, w: 3 } };
    };
    const rejects = (body: () => unknown, code: 'ERR_SHAPE' | 'ERR_ARGUMENT', message: string) =>
      backend.rejects(body, code, `blend: expected ${message}`);
    rejects(
      () => blend({ ...from(), previous: from().coarse }),
      'ERR_ARGUMENT',
      'previous and motion together, got one of them',
    );
    rejects(
      () => blend({ ...from(), decoded: from().coarse }),
      'ERR_SHAPE',
      'decoded to have shape [1, h, w, 4], got [1, 2, 3, 3]',
    );
    rejects(
      () => blend({ ...from(), region: { y: 0, x: 1, h: 2, w: 3 } }),
      'ERR_SHAPE',
      'decoded to cover rows 0 to 1 and columns 1 to 3, got rows 0 to 1 and columns 0 to 2',
    );
    rejects(
      () => blend({ ...from(), known: undefined as never }),
      'ERR_ARGUMENT',
      'known to be a Tensor, got undefined',
    );
  });
});
