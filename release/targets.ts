// The platforms that have a binary in a package of its own.

/** A platform: as npm describes it, and as the compiler is told. */
export interface Target {
  /** The package is `@align-and-attend/` and this. */
  readonly name: string;
  readonly os: string;
  readonly cpu: string;
  readonly libc: 'glibc' | 'musl';
  /** As Zig names it, with the oldest glibc that the binary loads on. */
  readonly zig: string;
  readonly cuda: boolean;
  /** MB that the packed package may take. */
  readonly budget: number;
}

const linux = { os: 'linux', cuda: false, budget: 2 } as const;

export const targets: readonly Target[] = [
  { ...linux, name: 'linux-x64', cpu: 'x64', libc: 'glibc', zig: 'x86_64-linux-gnu.2.28' },
  { ...linux, name: 'linux-arm64', cpu: 'arm64', libc: 'glibc', zig: 'aarch64-linux-gnu.2.28' },
  { ...linux, name: 'linuxmusl-x64', cpu: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  { ...linux, name: 'linuxmusl-arm64', cpu: 'arm64', libc: 'musl', zig: 'aarch64-linux-musl' },
];

/** Not a dependency of the main package: whoever has a GPU of NVIDIA's installs it beside that. */
export const cudaTarget: Target = {
  name: 'linux-x64-cuda',
  os: 'linux',
  cpu: 'x64',
  libc: 'glibc',
  zig: 'x86_64-linux-gnu.2.28',
  cuda: true,
  budget: 16,
};
