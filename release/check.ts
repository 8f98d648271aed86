// Checks the packages that build.ts made, as a user gets them:
//
//   npx tsx release/check.ts
//
// sizes against their budgets, publint and are-the-types-wrong, an installation into an empty folder where there is
// no compiler and no network, ten frames there under every supported Node, also on ARM (qemu), and what a release
// needs to name: a section of the changelog, a repository for the provenance.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaTarget, targets } from './targets.js';

const nodes = ['20.20.2', '22.23.3', '24.21.0'];
const qemu = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'];
const mainBudget = 24; // MB, packed; 20 of them weights

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'build/release');
const packages = join(out, 'packages');
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
let failures = 0;

function report(what: string, good: boolean, detail = ''): void {
  if (!good) failures++;
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'} ${what}${detail ? `: ${detail}` : ''}\n`);
}

/** What a command printed; a failure is reported with it. */
function attempt(what: string, command: string, args: readonly string[], options = {}): boolean {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    ...options,
  });
  const text = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim();
  report(what, status === 0, status === 0 ? (text.split('\n').at(-1) ?? '') : text);
  return status === 0;
}

const tarball = (name: string) =>
  join(packages, `align-and-attend-${name ? `${name}-` : ''}${own.version}.tgz`);
const main = tarball('');

function sizes(): void {
  const all = [...targets, cudaTarget].map(({ name, budget }) => ({ name, budget }));
  for (const { name, budget } of [{ name: '', budget: mainBudget }, ...all]) {
    const path = tarball(name);
    const what = `size of ${name || 'align-and-attend'}`;
    if (!existsSync(path)) {
      if (name === cudaTarget.name) process.stdout.write(`left   ${what}: it is not built\n`);
      else report(what, false, 'it is not built');
      continue;
    }
    const megabytes = statSync(path).size / 1e6;
    report(what, megabytes <= budget, `${megabytes.toFixed(2)} MB of ${budget}`);
  }
}

function described(): void {
  attempt('publint', 'npx', ['publint', '--strict', main], { cwd: root });
  // Packages of ES modules only are what we make: Node >= 20.19 requires them too.
  attempt('the types', 'npx', ['attw', main, '--profile', 'esm-only', '--format', 'ascii'], {
    cwd: root,
  });
  const listed = execFileSync('tar', ['-tzf', main], { encoding: 'utf8' }).split('\n');
  const page = ['index.html', 'main.js', 'style.css', 'LICENSE'];
  const missing = page.filter((name) => !listed.includes(`package/dist/studio/page/${name}`));
  report("the studio's page", !missing.length, missing.join(', '));
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  report(`the changelog of ${own.version}`, changelog.includes(`\n## ${own.version}`));
  report(
    'provenance',
    Boolean(own.repository),
    own.repository ? '' : 'package.json names no repository',
  );
}

/** A folder with the main package and one platform's, installed offline but for what they depend on. */
function install(name: string): string {
  const folder = join(out, `install-${name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const wanted = [main, tarball(name)];
  execFileSync('npm', ['install', '--force', '--no-audit', '--no-fund', ...wanted], {
    cwd: folder,
    stdio: 'pipe',
  });
  copyFileSync(join(root, 'release/ten_frames.mjs'), join(folder, 'ten_frames.mjs'));
  return folder;
}

/** The binary of a version of Node, from the npm registry. */
function node(version: string, arch: string): string {
  const folder = join(out, `node-${version}-${arch}`);
  const path = join(folder, 'node_modules', `node-linux-${arch}`, 'bin/node');
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const args = ['install', '--prefix', folder, '--force', '--ignore-scripts'];
    execFileSync('npm', [...args, `node-linux-${arch}@${version}`], { stdio: 'pipe' });
  }
  return path;
}

function runs(): void {
  const emulated = spawnSync(qemu[0] as string, ['--version']).status === 0;
  for (const { name, cpu, libc } of [...targets, cudaTarget]) {
    if (!existsSync(tarball(name))) continue;
    if (libc === 'musl') {
      process.stdout.write(`left   ten frames of ${name}: the npm registry has no Node for musl\n`);
      continue;
    }
    if (cpu !== process.arch && !emulated) {
      process.stdout.write(`left   ten frames of ${name}: ${qemu[0]} is not here\n`);
      continue;
    }
    const cwd = install(name);
    const env = { PATH: '/nowhere', HOME: cwd };
    for (const version of nodes) {
      const native = cpu === process.arch;
      const [command = '', ...args] = [
        ...(native ? [] : qemu),
        node(version, cpu),
        'ten_frames.mjs',
      ];
      const absolute = native ? command : `/usr/bin/${command}`;
      attempt(`ten frames of ${name}`, absolute, args, { cwd, env });
    }
    const installed = readdirSync(join(cwd, 'node_modules/@align-and-attend'));
    report(`packages beside ${name}`, installed.length === 1, installed.join(', '));
    const common = `const { Inpainter } = require('align-and-attend'); console.log(typeof Inpainter.create)`;
    if (cpu === process.arch) {
      attempt(
        `require of ${name}`,
        node(nodes[0] as string, cpu),
        ['--input-type=commonjs', '-e', common],
        { cwd, env },
      );
    }
  }
}

sizes();
described();
runs();
process.exit(failures ? 1 : 0);
