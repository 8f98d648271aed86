import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files under a folder of the project, as paths from its root. */
function files(folder: string, pattern = /./, deep = true): string[] {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { withFileTypes: true, recursive: deep })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

const text = (path: string) => readFileSync(join(root, path), 'utf8');
const folders = ['binding', 'cuda', 'lib', 'studio', 'test', 'bench', 'weights', 'demo'];
const sources = folders.flatMap((folder) => files(folder, /\.(tsx?|mjs|h|cpp|cuh?|py|sh)$/));
const native = sources.filter((path) => /\.(h|cpp|cuh?)$/.test(path));
/** The sources that a pattern occurs in. */
const having = (pattern: RegExp, among: readonly string[]) =>
  among.filter((path) => pattern.test(text(path)));
const beyond = (found: readonly string[], allowed: RegExp) =>
  found.filter((path) => !allowed.test(path));

describe('operations', () => {
  const stems = (folder: string, ending: string, others: string[] = []) =>
    files(folder, /./, false)
      .filter((path) => path.endsWith(ending))
      .map((path) => basename(path, ending))
      .filter((stem) => !others.includes(stem));
  const operations = stems('lib/ops', '.ts', ['index', 'window']);

  it.each([
    ['binding/ops', stems('binding/ops', '.h', ['window'])],
    ['binding/cpu', stems('binding/cpu', '.cpp', ['device', 'operations'])],
    ['test/ops', stems('test/ops', '.test.ts')],
    ['test/reference', stems('test/reference', '.ts')],
  ])('are the same in lib/ops and %s', (_, list) => {
    expect(list).toEqual(operations);
  });

  // Their places are laid before there is anything in them.
  it.for([
    ['cuda', stems('cuda', '.cu', ['device'])],
    ['bench/ops', stems('bench/ops', '.ts')],
  ] as const)('are the same in lib/ops and %s', ([folder, list], { skip }) => {
    skip(list.length === 0, `${folder} is empty`);
    expect(list).toEqual(operations);
  });

  it('are exported, queued by name, and in the table of a backend', () => {
    const index = text('lib/ops/index.ts');
    const rows = text('binding/ops.cpp');
    const table = text('binding/operations.h');
    for (const stem of operations) {
      expect(index).toContain(`'./${stem}.js'`);
      expect(rows).toContain(`{"${stem}", ${stem}}`);
      expect(table).toContain(`(*${stem})(Context&`);
    }
  });
});

describe('boundaries', () => {
  it("keeps Node out of everything but binding/*.{h,cpp} and the tests' probe", () => {
    const allowed = /^(binding\/[^/]+|test\/emulator\/probe\.cpp)$/;
    expect(beyond(having(/napi\.h|node_api/, native), allowed)).toEqual([]);
  });

  it('keeps launches, inline PTX and CUDA headers where they belong', () => {
    const own = native.filter((path) => !path.startsWith('test/emulator/'));
    const calls = having(/<<</, own);
    expect(beyond(calls, /^cuda\/launch\.cuh$/)).toEqual([]);
    expect(beyond(having(/\basm\b/, own), /^cuda\/(mma|copy)\.cuh$/)).toEqual([]);
    expect(beyond(having(/#include\s*[<"]cuda/, own), /^cuda\//)).toEqual([]);
  });

  it('loads the addon in lib/addon.ts alone', () => {
    const lib = sources.filter((path) => path.startsWith('lib/'));
    expect(having(/['"]node-gyp-build['"]|\.node['"`]/, lib)).toEqual(['lib/addon.ts']);
  });

  it('points dependencies from cli to studio and queue to mask to inpainter to video to network to ops to the rest', () => {
    const order = [
      /^ops\//,
      /^network\//,
      /^video\//,
      /^inpainter\.ts/,
      /^mask\//,
      /^(studio|queue)\//,
      /^(cli\/|index\.ts)/,
    ];
    const rank = (path: string) => order.findIndex((pattern) => pattern.test(path)) + 1;
    const upward: string[] = [];
    for (const path of files('lib', /\.ts$/)) {
      const from = relative('lib', path);
      for (const [, target = ''] of text(path).matchAll(/(?:from|import) '(\.[^']+)'/g)) {
        const to = join(dirname(from), target);
        if (rank(to) > rank(from)) upward.push(`${from} -> ${to}`);
      }
    }
    expect(upward).toEqual([]);
  });
});

describe('instruction sets', () => {
  const shared = files('binding/cpu', /\.(h|cpp)$/).filter(
    (path) => !/\/(device\.cpp|workers\.h)$/.test(path),
  );

  it('include no standard header with inline functions', () => {
    expect(having(/#include <(?!stdint\.h>|stddef\.h>)/, shared)).toEqual([]);
  });

  // A weak symbol of one set could be linked into another, and crash on a machine without it.
  it.for(['baseline', 'avx2', 'avx512'])('leave no weak symbol: %s', (set, { skip }) => {
    const objects = files(`build/CMakeFiles/cpu_${set}.dir`, /\.o(bj)?$/);
    skip(objects.length === 0, 'there are no objects of it in build');
    const symbols = execFileSync('nm', ['-A', ...objects], { cwd: root, encoding: 'utf8' });
    expect(symbols.split('\n').filter((line) => /^\S+:\S+ [WVu] /.test(line))).toEqual([]);
  });
});

describe('text', () => {
  it('has no drawer for everything', () => {
    const drawer = /(^|\/)(utils?|misc|common|helpers?)(\.|\/)/;
    expect(sources.filter((path) => drawer.test(path))).toEqual([]);
  });

  it('leaves nothing for later', () => {
    const word = new RegExp(`\\b(TO${'DO'}|FIX${'ME'})\\b`); // in halves, so as not to find itself
    expect(having(word, sources)).toEqual([]);
  });

  it('documents every public name', () => {
    const bare: string[] = [];
    for (const entry of [
      'lib/index.ts',
      'lib/mask/index.ts',
      'lib/ops/index.ts',
      'lib/queue/index.ts',
      'lib/video/index.ts',
    ]) {
      for (const [, names, target = ''] of text(entry).matchAll(
        /export (?:type )?(?:\*|\{([^}]*)\}) from '([^']+)'/g,
      )) {
        const path = join(dirname(entry), target).replace(/\.js$/, '.ts');
        const wanted = names?.split(',').map((name) => name.replace(/^\s*type /, '').trim());
        const lines = text(path).split('\n');
        lines.forEach((line, i) => {
          const pattern =
            /^export (?:async )?(?:abstract )?(?:function\*?|class|interface|type|const) (\w+)/;
          const name = pattern.exec(line)?.[1];
          if (!name || (wanted && !wanted.includes(name))) return;
          if (!lines[i - 1]?.endsWith('*/')) bare.push(`${path}: ${name}`);
        });
      }
    }
    expect(bare).toEqual([]);
  });
});
