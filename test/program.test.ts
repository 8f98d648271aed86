import { expect, it } from 'vitest';
import { conv2d, packConv2d, resize, unshuffle } from '../lib/ops/index.js';
import { Programs } from '../lib/program.js';
import { scope } from '../lib/scope.js';
import type { Tensor } from '../lib/tensor.js';
import { describeBackends } from './backends.js';
import { Random } from './random.js';

const [h, w, c] = [12, 20, 8];

describeBackends('programs', (backend) => {
  const random = new Random(7);
  const conv = () => {
    const { device } = backend;
    const weight = random.values(c * c * 9).map((value) => value / 9);
    return packConv2d(device, weight, [c, c, 3, 3], random.values(c));
  };
  const input = () => backend.upload(random.values(h * w * c), 1, h, w, c);

  /** Intermediates of several sizes, one of them read again at the end; two outputs. */
  const body = (layer: ReturnType<typeof conv>) => (it: { readonly maps: readonly Tensor[] }) => {
    const [a, b] = it.maps as [Tensor, Tensor];
    const first = conv2d(a, layer, { activation: 'leaky_relu' });
    const small = resize(conv2d(b, layer), { h: h / 4, w: w / 4, mode: 'area' });
    const large = resize(small, { h, w, mode: 'nearest' });
    const sum = conv2d(large, layer, { residual: first });
    return { sum, parts: [unshuffle([conv2d(sum, layer), first], 4)], name: 'kept' };
  };

  it('give what their operations give, on other tensors each time', async () => {
    using programs = new Programs(backend.device);
    const layer = conv();
    for (let round = 0; round < 5; ++round) {
      const maps = [input(), input()];
      const results = [
        programs.run('body', { maps }, body(layer)),
        scope(() => body(layer)({ maps })),
      ];
      const [played = [], queued] = await Promise.all(
        results.map(async ({ sum, parts, name }) => [
          await sum.read(),
          await parts[0]?.read(),
          name,
        ]),
      );
      expect(played).toEqual(queued);
      expect((played[0] as Float32Array).every(Number.isFinite)).toBe(true);
      for (const { sum, parts } of results) for (const it of [sum, ...parts]) it.dispose();
      for (const map of maps) map.dispose();
    }
    layer.dispose();
  });

  it('are played by one call from the third time on', () => {
    using programs = new Programs(backend.device);
    const layer = conv();
    const maps = [input(), input()];
    let calls = 0;
    for (let round = 0; round < 5; ++round) {
      const { sum, parts } = programs.run('body', { maps }, (it) => {
        calls += 1;
        return body(layer)(it);
      });
      for (const it of [sum, ...parts]) it.dispose();
    }
    expect(calls).toBe(2);
    for (const map of maps) map.dispose();
    layer.dispose();
  });

  it('are not recorded where a tensor is given twice', async () => {
    using programs = new Programs(backend.device);
    const layer = conv();
    const maps = [input(), input()] as const;
    const read = async (...list: Tensor[]) => {
      const { sum, parts } = programs.run('body', { maps: list }, body(layer));
      for (const it of parts) it.dispose();
      const values = await sum.read();
      sum.dispose();
      return values;
    };
    for (let round = 0; round < 3; ++round) await read(maps[0], maps[0]);
    const expected = scope(() => body(layer)({ maps }));
    expect(await read(...maps)).toEqual(await expected.sum.read());
    for (const it of [...maps, expected.sum, ...expected.parts]) it.dispose();
    layer.dispose();
  });

  it('keep the last 64', () => {
    using programs = new Programs(backend.device);
    const map = input();
    let calls = 0;
    const run = (key: number) => {
      const half = (it: Tensor[]) => {
        calls += 1;
        return resize(it[0] as Tensor, { h: 6, w: 10, mode: 'area' });
      };
      programs.run(`${key}`, [map], half).dispose();
    };
    for (let round = 0; round < 3; ++round) for (let key = 0; key < 64; ++key) run(key);
    expect(calls).toBe(128);
    run(64);
    run(0); // was played the longest ago
    expect(calls).toBe(130);
    map.dispose();
  });

  it('refuse tensors that are not like those of the recording, or are gone', () => {
    using programs = new Programs(backend.device);
    const layer = conv();
    const maps = [input(), input()];
    const other = backend.upload(random.values(h * w * c), 1, w, h, c);
    const run = (...list: Tensor[]) => {
      const { sum, parts } = programs.run('body', { maps: list }, body(layer));
      for (const it of [sum, ...parts]) it.dispose();
    };
    for (let round = 0; round < 3; ++round) run(...maps);
    expect(() => run(maps[0] as Tensor, other)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    );
    other.dispose();
    expect(() => run(maps[0] as Tensor, other)).toThrow(
      expect.objectContaining({ code: 'ERR_DISPOSED' }),
    );
    run(...maps);
    layer.dispose();
    expect(() => run(...maps)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    for (const map of maps) map.dispose();
  });

  it('are not kept when body throws, or makes what it did not queue', () => {
    using programs = new Programs(backend.device);
    const map = input();
    const fail = () =>
      programs.run('fails', [map], () => {
        throw new Error('no');
      });
    for (let round = 0; round < 3; ++round) expect(fail).toThrow('no');
    const same = () => programs.run('same', [map], ([it]) => it as Tensor);
    expect(same()).toBe(map);
    expect(same).toThrow(expect.objectContaining({ code: 'ERR_DEVICE' }));
    expect(map.disposed).toBe(false);
    map.dispose();
  });
});
