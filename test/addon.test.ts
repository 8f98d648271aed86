// Which addon is loaded: from the package itself, or from the package of a platform.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const built = require('node-gyp-build').path(root) as string;
const { version } = require('../package.json') as { version: string };
const here = `${process.platform}-${process.arch}`;

/** What each package of a platform has in it: the addon, or a text. */
type Installed = Readonly<Record<string, 'addon' | 'text'>>;

describe('the addon', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'align-and-attend-'));
  afterAll(() => rmSync(temporary, { recursive: true }));
  let count = 0;

  /** What an installation with these packages says of its addon. */
  function load(installed: Installed, own = version) {
    const modules = join(temporary, String(count++), 'node_modules');
    const main = join(modules, 'align-and-attend');
    mkdirSync(main, { recursive: true });
    cpSync(join(root, 'dist'), join(main, 'dist'), { recursive: true });
    writeFileSync(
      join(main, 'package.json'),
      JSON.stringify({ name: 'align-and-attend', version: own, type: 'module' }),
    );
    symlinkSync(join(root, 'node_modules/node-gyp-build'), join(modules, 'node-gyp-build'));
    for (const [suffix, content] of Object.entries(installed)) {
      const folder = join(modules, '@align-and-attend', suffix);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{ "main": "align_and_attend.node" }');
      const to = join(folder, 'align_and_attend.node');
      if (content === 'addon') copyFileSync(built, to);
      else writeFileSync(to, content);
    }
    const script = `import { addonSource } from ${JSON.stringify(join(main, 'dist/addon.js'))};
      try { console.log(JSON.stringify(addonSource())); }
      catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', script],
      { encoding: 'utf8', env: { ...process.env, ALIGN_AND_ATTEND_PREBUILD: undefined } },
    );
    expect(stderr).toBe('');
    return JSON.parse(stdout);
  }

  it('comes from the package of the platform', () => {
    const { path, passed } = load({ [here]: 'addon' });
    expect(path).toContain(join('@align-and-attend', here, 'align_and_attend.node'));
    expect(passed).toEqual([]);
  });

  it('comes from the one with CUDA where that is installed', () => {
    const { path, passed } = load({ [here]: 'addon', [`${here}-cuda`]: 'addon' });
    expect(path).toContain(`${here}-cuda`);
    expect(passed).toEqual([]);
  });

  it('is the next one where one does not load, with the reason', () => {
    const { path, passed } = load({ [here]: 'addon', [`${here}-cuda`]: 'text' });
    expect(path).toContain(join('@align-and-attend', here));
    expect(passed).toEqual([
      expect.stringMatching(`^@align-and-attend/${here}-cuda: .*align_and_attend.node`),
    ]);
  });

  it('is not one of another version', () => {
    const { code, message } = load({ [here]: 'addon' }, '9.9.9');
    expect(code).toBe('ERR_ADDON');
    expect(message).toContain(`@align-and-attend/${here}: version ${version} instead of 9.9.9`);
  });

  it('is missed with what to type', () => {
    const { code, message } = load({});
    expect(code).toBe('ERR_ADDON');
    expect(message).toContain(`'npm install @align-and-attend/${here}'`);
    expect(message).toContain("'npx cmake-js compile'");
  });
});
