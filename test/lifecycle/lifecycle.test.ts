import { describe, expect, it } from 'vitest';
import * as emulator from '../emulator/probe.js';
import { kind, runChild } from './child.js';

const fine = { code: 0, signal: null };

const skipped = kind === 'cuda' && !emulator.available ? `: ${emulator.reason}` : '';

/** What a processor does in no time takes the emulator long. */
const side = (cpu: number, emulated: number) => (kind === 'cpu' ? cpu : emulated);

describe.skipIf(skipped)(`the life of a process with the device ${kind}${skipped}`, () => {
  it('ends at once with work queued', async () => {
    const ended = await runChild(`
      const device = Device.create(kind);
      const n = ${side(256, 4)};
      const x = device.upload(new Float32Array(n * n * 64), [1, n, n, 64]);
      const conv = ops.packConv2d(device, new Float32Array(64 * 64 * 9), [64, 64, 3, 3], new Float32Array(64));
      for (let i = 0; i < 10000; ++i) ops.conv2d(x, conv).dispose();
      console.log('queued');`);
    expect(ended).toMatchObject({ ...fine, output: 'queued\n' });
  });

  it('ends by process.exit in the middle of a video', async () => {
    const ended = await runChild(`
      const inpainter = await Inpainter.create({ device: kind, referenceStride: 2, weights: narrow });
      setTimeout(() => process.exit(0), 150);
      for (;;) await collect(inpainter, frames(20, ${side(128, 32)}, ${side(96, 32)}));`);
    expect(ended).toMatchObject({ ...fine, output: '' });
  });

  it('ends by process.exit, and of itself, while frames are copied into the window', async () => {
    const body = (end: string) => `
      const [pair] = frames(1, 2048, 2048);
      const window = new FrameWindow((function* () { for (let i = 0; i < 40; ++i) yield pair; })());
      const pulling = window.pull(40);
      for (let i = 0; i < 20; ++i) await Promise.resolve();
      ${end}`;
    const exit = await runChild(body('process.exit(0);'));
    expect(exit).toMatchObject({ ...fine, output: '' });
    const left = await runChild(body('pulling.then(() => console.log(window.pulled));'));
    expect(left).toMatchObject({ ...fine, output: '40\n' });
  });

  it('survives worker threads that end while frames are copied into their windows', async () => {
    const ended = await runChild(`
      const source = \`
        import { parentPort, workerData } from 'node:worker_threads';
        const { FrameWindow } = await import(workerData);
        const [pair] = (\${frames})(1, 2048, 2048);
        const window = new FrameWindow((function* () { for (;;) yield pair; })());
        const first = window.pull(1);
        for (let i = 0; i < 20; ++i) await Promise.resolve();
        parentPort.postMessage('copying');
        await first;
        for (;;) { await window.pull(window.pulled + 1); window.drop(() => false); }\`;
      const url = ${JSON.stringify(new URL('../../dist/video/window.js', import.meta.url).href)};
      for (let i = 0; i < 8; ++i) {
        const worker = new Worker(source, { eval: true, workerData: url });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        await new Promise((resolve) => setTimeout(resolve, i));
        await worker.terminate();
      }
      const window = new FrameWindow(frames(2, 64, 48));
      await window.pull(3);
      console.log(window.pulled);`);
    expect(ended).toMatchObject({ ...fine, output: '2\n' });
  });

  it('stays for a read that is awaited, and goes when it has settled', async () => {
    const ended = await runChild(`
      const device = Device.create(kind);
      const x = device.upload(Float32Array.of(3, 4), [1, 1, 1, 2]);
      ops.normalize(x).read().then((y) => console.log(Math.round(y[1] * 10)));`);
    expect(ended).toMatchObject({ ...fine, output: '8\n' });
  });

  it('keeps what queued work reads when its tensors are disposed of or collected', async () => {
    const ended = await runChild(
      `
      const device = Device.create(kind);
      const conv = ops.packConv2d(device, new Float32Array(32 * 32 * 9).fill(0.01), [32, 32, 3, 3], new Float32Array(32));
      const sums = new Set(), n = ${side(64, 16)};
      for (let round = 0; round < ${side(20, 6)}; ++round) {
        let x = device.upload(new Float32Array(n * n * 32).fill(1), [1, n, n, 32]);
        for (let i = 0; i < 6; ++i) { const y = ops.conv2d(x, conv); if (i % 2) x.dispose(); x = y; }
        const read = x.read();
        x = undefined;
        globalThis.gc();
        device.upload(new Float32Array(n * n * 32).fill(NaN), [1, n, n, 32]).dispose();
        sums.add((await read).reduce((a, b) => a + b, 0));
      }
      console.log(sums.size, Number.isFinite([...sums][0]));`,
      { flags: ['--expose-gc'] },
    );
    expect(ended).toMatchObject({ ...fine, output: '1 true\n' });
  });

  it('gives memory back when tensors and devices are dropped instead of disposed of', async () => {
    const ended = await runChild(
      `
      const device = Device.create(kind);
      for (let i = 0; i < 200; ++i) {
        device.upload(new Float32Array(1 << 20), [1 << 20]);
        Device.create(kind, { threads: 1 }).upload(new Float32Array(1 << 16), [1 << 16]);
        if (i % 10 === 0) { globalThis.gc(); await new Promise(setImmediate); }
      }
      globalThis.gc(); await new Promise(setImmediate); globalThis.gc();
      console.log(device.memory().used < 40 * 2 ** 20, process.memoryUsage().rss < ${side(400, 1000)} * 2 ** 20);`,
      { flags: ['--expose-gc'] },
    );
    expect(ended).toMatchObject({ ...fine, output: 'true true\n' });
  });

  it('takes disposing twice, and tells what is used after it', async () => {
    const ended = await runChild(`
      const device = Device.create(kind);
      const x = device.upload(new Float32Array(4), [1, 1, 1, 4]);
      x.dispose(); x.dispose();
      try { ops.normalize(x); } catch (error) { console.log(error.message); }
      await x.read().catch((error) => console.log(error.code));
      const y = device.upload(new Float32Array(4), [1, 1, 1, 4]);
      device.dispose(); device.dispose();
      try { ops.normalize(y); } catch (error) { console.log(error.message); }
      await y.read().catch((error) => console.log(error.message));
      y.dispose();
      try { device.upload(new Float32Array(1), [1]); } catch (error) { console.log(error.code); }`);
    expect(ended).toMatchObject(fine);
    expect(ended.output.trim().split('\n')).toEqual([
      'normalize: expected a tensor in use, got one that was disposed of',
      'ERR_DISPOSED',
      'normalize: expected a device in use, got one that was disposed of',
      'read: expected a device in use, got one that was disposed of',
      'ERR_DISPOSED',
    ]);
  });

  it('rejects reads that are pending when the device is disposed of', async () => {
    const ended = await runChild(`
      const device = Device.create(kind);
      const n = ${side(128, 24)};
      const x = device.upload(new Float32Array(n * n * 64), [1, n, n, 64]);
      const conv = ops.packConv2d(device, new Float32Array(64 * 64 * 9), [64, 64, 3, 3], new Float32Array(64));
      const reads = Array.from({ length: 50 }, () => ops.conv2d(x, conv).read());
      setTimeout(() => device.dispose(), 5);
      const codes = (await Promise.allSettled(reads)).map((r) => r.reason?.code ?? 'read');
      console.log(codes.at(-1), codes.length);`);
    expect(ended).toMatchObject({ ...fine, output: 'ERR_DISPOSED 50\n' });
  });

  it('works in worker threads, several at once, and survives their termination', async () => {
    const ended = await runChild(`
      const source = \`
        import { parentPort, workerData } from 'node:worker_threads';
        const { url, kind, narrow } = workerData;
        const { Inpainter } = await import(url);
        const inpainter = await Inpainter.create({ device: kind, threads: 1, referenceStride: 2, weights: narrow });
        const pairs = (\${frames})(${side(6, 2)}, 64, 48);
        for (;;) {
          let sum = 0;
          for await (const { data } of inpainter.inpaint(pairs)) sum += data.reduce((a, b) => a + b, 0);
          parentPort.postMessage(sum);
        }\`;
      const url = ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
      const workers = [0, 1].map(() => new Worker(source, { eval: true, workerData: { url, kind, narrow } }));
      const sums = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
      })));
      await Promise.all(workers.map((worker) => worker.terminate()));
      const inpainter = await Inpainter.create({ device: kind, threads: 1, referenceStride: 2, weights: narrow });
      let sum = 0;
      for (const { data } of await collect(inpainter, frames(${side(6, 2)}, 64, 48))) sum += data.reduce((a, b) => a + b, 0);
      console.log(sums[0] === sum, sums[1] === sum);
      await inpainter.dispose();`);
    expect(ended).toMatchObject({ ...fine, output: 'true true\n' });
  });

  it('survives every allocation failing in turn, and works when they no longer do', async () => {
    const ended = await runChild(`
      const codes = new Set();
      let failures = 0;
      for (let n = 0; ; ++n) {
        const inpainter = await Inpainter.create({ device: kind, referenceStride: 1, maxReferences: 2, workSize: 32 });
        inpainter.device.handle.failAfter(n);
        try {
          await collect(inpainter, frames(3, 64, 64));
          inpainter.device.handle.failAfter(-1);
          console.log('worked', failures > 3, [...codes].join());
          await inpainter.dispose();
          break;
        } catch (error) {
          ++failures;
          codes.add(error.code);
          if (!/^[\\w.]+: expected \\d+ bytes .*more, got none: \\d+ of \\d+ are in use(, \\d+ of the GPU's \\d+ are free)?$/.test(error.message)) console.log(error.message);
        }
        inpainter.device.handle.failAfter(-1);
        await inpainter.dispose();
        await inpainter.dispose();
      }`);
    expect(ended).toMatchObject({ ...fine, output: 'worked true ERR_OUT_OF_MEMORY\n' });
  });

  it('poisons the stream when queued work fails, and names the operation', async () => {
    const ended = await runChild(`
      const device = Device.create(kind);
      const x = device.upload(new Float32Array(64 * 64 * 3), [1, 64, 64, 3]);
      const seen = device.upload(new Float32Array(64 * 64), [1, 64, 64, 1]);
      await Promise.all([device.upload(new Float32Array(1), [1]).read(), x.read()]);
      device.handle.failAfter(0); // the pool has room: what fails is the kernel's own memory
      const bad = ops.localDistance(x, seen, x, seen, 8).distance;
      for (const tensor of [bad, x]) await tensor.read().catch((error) => console.log(error.code, error.op));
      try { ops.normalize(x); } catch (error) { console.log(error.code, error.op); }`);
    expect(ended).toMatchObject(fine);
    expect(ended.output.trim().split('\n')).toEqual(
      Array(3).fill('ERR_OUT_OF_MEMORY local_distance'),
    );
  });
});
