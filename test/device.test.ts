import { afterAll, describe, expect, it } from 'vitest';
import { Device, scope, type Tensor } from '../lib/ops/index.js';

describe('Device', () => {
  const device = Device.create('cpu', { threads: 1 });
  afterAll(() => device.dispose());

  it('uploads from shared memory', async () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
    const floats = new Float32Array(new SharedArrayBuffer(8)).fill(0.5);
    expect(await device.upload(bytes, [3]).read()).toEqual(Uint8Array.of(7, 7, 7));
    expect(await device.upload(floats, [2]).read()).toEqual(Float32Array.of(0.5, 0.5));
  });

  it('refuses a shape that is none', () => {
    expect(() => device.upload(new Float32Array(4), 4 as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT',
        message: 'upload: expected shape to be an array, got 4',
      }),
    );
  });
});

describe('uploads', () => {
  it('are copied at once, or when their turn comes', async () => {
    using device = Device.create('cpu', { threads: 1 });
    const before = device.copied();
    expect(before()).toBe(true);
    const data = new Uint8Array(1 << 20);
    using atOnce = device.upload(data, [data.length]);
    using later = device.uploadLater(data, [data.length]);
    const copied = device.copied();
    expect((await later.read()).every((value) => value === 0)).toBe(true);
    expect(copied()).toBe(true);
    data.fill(1);
    for (const tensor of [atOnce, later])
      expect((await tensor.read()).every((value) => value === 0)).toBe(true);
    // What is not copied when a device goes is let go of.
    for (let i = 0; i < 9; ++i) device.uploadLater(data, [data.length]);
  });
});

describe('scope', () => {
  const device = Device.create('cpu', { threads: 1 });
  afterAll(() => device.dispose());
  const tensor = () => device.upload(new Float32Array(1), [1]);

  it('keeps what is returned, also from objects that hold themselves', () => {
    const made: { lost?: Tensor; kept?: Tensor; self?: unknown } = {};
    const { kept } = scope(() => {
      made.lost = tensor();
      const result: typeof made = { kept: tensor() };
      result.self = result;
      return result;
    });
    expect([made.lost?.disposed, kept?.disposed]).toEqual([true, false]);
    kept?.dispose();
  });

  it('refuses to wait', () => {
    let made: Tensor | undefined;
    const body = async () => {
      made = tensor();
    };
    expect(() => scope(body)).toThrow(
      'scope: expected body to queue work and return, got a promise',
    );
    expect(made?.disposed).toBe(true);
  });
});
