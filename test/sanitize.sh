#!/bin/sh
# Builds the addon with the address and undefined-behaviour sanitizers and runs the tests that reach native code on it.
set -eu
cd "$(dirname "$0")/.."
npx cmake-js compile -p 2 -O build/sanitize/build --CDAA_SANITIZE=ON --CDAA_CUDA=OFF
# Node itself is not sanitized: its leaks are not ours to report, and the runtime has to be loaded before it.
export ALIGN_AND_ATTEND_PREBUILD="$PWD/build/sanitize"
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so) $(g++ -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# `--fuzz [seconds]`: random input to everything that takes what people give, on this addon.
if [ "${1:-}" = --fuzz ]; then
  exec node --import tsx test/fuzz/run.ts operations window safetensors masks --seconds "${2:-60}"
fi
# The emulator's projects load an addon of their own.
exec node node_modules/vitest/vitest.mjs run --project all --project avx2 --project baseline test/ops test/network test/lifecycle \
  test/video/window.test.ts test/video/shots.test.ts test/program.test.ts "$@"
