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
