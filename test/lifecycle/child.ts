import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fixturePath } from '../network/fixtures.js';

/** The device that processes of this project have: the emulated GPU, where it is the addon's. */
export const kind: 'cpu' | 'cuda' = process.env.AA_PROJECT === 'emulator' ? 'cuda' : 'cpu';

/** How a child process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/**
 * Runs a module in a process of its own, against the built package: `Device`, `Inpainter`, `ops`,
 * `FrameWindow`, `frames(count, width, height)`, the device's `kind`, `narrow` (small weights) and, where that is
 * `cuda`, the probe of the emulator are in scope.
 */
export function runChild(
  body: string,
  { flags = [] as string[], timeout = 60_000 } = {},
): Promise<Ended> {
  const at = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
  const code = `
    import { Device } from ${at('device.js')};
    import { Inpainter } from ${at('index.js')};
    import * as ops from ${at('ops/index.js')};
    import { FrameWindow } from ${at('video/window.js')};
    import { createRequire } from 'node:module';
    import { Worker } from 'node:worker_threads';
    const kind = ${JSON.stringify(kind)};
    const narrow = ${JSON.stringify(fixturePath('narrow.safetensors'))};
    const emulator = kind === 'cuda' && createRequire(import.meta.url)(${JSON.stringify(fileURLToPath(new URL('../../build/emulator/probe.node', import.meta.url)))});
    const frames = (count, width, height) => Array.from({ length: count }, (_, t) => ({
      frame: { data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + t * 31) % 256), width, height, channels: 3 },
      mask: { data: Uint8Array.from({ length: width * height }, (_, i) => (i % width > 4 && i % width < 20 ? 255 : 0)), width, height, channels: 1 },
    }));
    const collect = async (inpainter, source) => { const out = []; for await (const f of inpainter.inpaint(source)) out.push(f); return out; };
    ${body}`;
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', code], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}
