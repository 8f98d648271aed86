// PyTorch as a peer, in a process of its own; see pytorch.py. PYTHON names the interpreter.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Rival } from '../harness.js';

/**
 * Starts PyTorch on the kind of device; the reason where there is none.
 *
 * @param threads of the CPU; 0: as many as PyTorch takes by itself, a GPU has none to name
 */
export async function startPyTorch(kind: 'cpu' | 'cuda', threads: number): Promise<Rival | string> {
  const script = fileURLToPath(new URL('pytorch.py', import.meta.url));
  const child = spawn(process.env.PYTHON ?? 'python3', [script, kind, String(threads)]);
  let trouble = '';
  child.on('error', ({ message }) => void (trouble = message));
  child.stdin.on('error', () => {}); // the process ended: told by the missing answer
  child.stderr.on('data', (text) => void (trouble += text));
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await answers.next();
    if (done) throw new Error(trouble.trim().split('\n').at(-1) || 'PyTorch ended');
    return value;
  };
  const ask = async (request: object) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    await answer();
  };
  try {
    const { version, device } = JSON.parse(await answer());
    return {
      name: `PyTorch ${version} on ${device}, channels last, ${kind === 'cuda' ? 'float16' : 'float32'}`,
      conv: async (shape) => {
        await ask({ shape });
        return { run: (calls) => ask({ calls }), release: async () => {} };
      },
      close: () => void child.stdin.end(),
    };
  } catch (error) {
    return (error as Error).message;
  }
}
