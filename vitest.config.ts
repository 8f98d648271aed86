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
      'test/mask/emulated.test.ts',
      'test/network/emulated.test.ts',
      'test/program.test.ts',
      'test/network/parts.test.ts',
      'test/video/spread.test.ts',
    ],
    env: {
      AA_PROJECT: 'emulator',
      ALIGN_AND_ATTEND_PREBUILD: fileURLToPath(new URL('build/emulator', import.meta.url)),
    },
    testTimeout: 300_000,
  },
};

// What has a path of its own before compute capability 8.0, on the emulated GPU as one of 7.5.
const older = {
  extends: true as const,
  test: {
    ...emulator.test,
    name: 'emulator 7.5',
    include: ['conv2d', 'masked_correlation', 'windowed_attention'].map(
      (op) => `test/ops/${op}.test.ts`,
    ),
    env: { ...emulator.test.env, EMULATOR: 'capability=75' },
  },
};

export default defineConfig({
  test: {
    // A device is native memory and threads: each file has a process to itself.
    pool: 'forks',
    globalSetup: 'test/backends.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes late where others use the machine.
    expect: { poll: { timeout: 30_000 } },
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
      older,
    ],
  },
});
