// Where the package is loaded in ways of its own: another context, a bundle.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { kind } from './child.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

// Nothing here depends on the device.
describe.skipIf(kind !== 'cpu')(
  `another place${kind === 'cpu' ? '' : ': run once, on the CPU'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'align-and-attend-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    it('a context without Symbol.dispose, as that of vmThreads', () => {
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
      const at = (path: string) => JSON.stringify(join(root, 'dist', path));
      writeFileSync(
        join(folder, 'context.test.mjs'),
        `import { expect, it } from 'vitest';
      const before = typeof Symbol.dispose;
      const { Inpainter } = await import(${at('index.js')});
      const { createWriter, openVideo } = await import(${at('video/index.js')});
      it('works', async () => {
        console.log('before:', before);
        const inpainter = await Inpainter.create({ device: 'cpu', workSize: 64 });
        const image = (channels) =>
          ({ data: new Uint8Array(48 * 32 * channels).fill(1), width: 48, height: 32, channels });
        const frames = [];
        const source = [{ frame: image(3), mask: image(1) }, { frame: image(3), mask: image(1) }];
        for await (const frame of inpainter.inpaint(source)) frames.push(frame);
        expect(frames).toHaveLength(2);
        await inpainter[Symbol.asyncDispose]();
        await expect(openVideo('nothing.mp4')).rejects.toThrow('no such file');
      });`,
      );
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const args = [vitest, 'run', '--pool', 'vmThreads', '--root', folder];
      const env = { ...process.env, VITEST: undefined, VITEST_MODE: undefined };
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: folder,
        encoding: 'utf8',
        env,
      });
      expect(status, stdout + stderr).toBe(0);
    });

    it('a bundle, which has no addon beside it', () => {
      const outfile = join(folder, 'bundle.mjs');
      buildSync({
        stdin: {
          contents: `import { devices } from ${JSON.stringify(join(root, 'dist/index.js'))};
          try { devices(); } catch (error) { console.log(error.code, error.message); }`,
          resolveDir: root,
        },
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile,
      });
      const { stdout } = spawnSync(process.execPath, [outfile], {
        encoding: 'utf8',
        env: { ...process.env, ALIGN_AND_ATTEND_PREBUILD: undefined },
      });
      expect(stdout).toMatch(/ERR_ADDON .*code in a bundle; tell the bundler .* is external/);
      expect(stdout).not.toMatch(/cmake/);
    });
  },
);
