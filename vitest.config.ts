import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Operations run once more for each instruction set below the one that the CPU takes by itself.
const lower = ['avx2', 'baseline'].map((set) => ({
  extends: true as const,
  test: { name: set, include: ['test/ops/*.test.ts'], env: { AA_INSTRUCTION_SET: set } },
}));

// And once on the emulated GPU: see test/emulator.
const emulator = {
  extends: true as const,
  test: {
    name: 'emulator',
    include: [
      'test/ops/*.test.ts',
      'test/emulator/*.test.ts',
      'test/lifecycle/*.test.ts',
      'test/network/emulated.test.ts',
    ],
    env: {
      AA_PROJECT: 'emulator',
      ALIGN_AND_ATTEND_PREBUILD: fileURLToPath(new URL('build/emulator', import.meta.url)),
    },
    testTimeout: 300_000,
  },
};

export default defineConfig({
  test: {
    // A device is native memory and threads: each file has a process to itself.
    pool: 'forks',
    globalSetup: 'test/backends.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: ['test/emulator/**', 'test/network/emulated.test.ts'],
        },
      },
      ...lower,
      emulator,
    ],
  },
});
