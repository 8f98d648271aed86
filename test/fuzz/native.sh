#!/bin/sh
# libFuzzer, with the address and undefined-behaviour sanitizers, on the native code that stands apart from Node:
# `test/fuzz/native.sh [seconds of each]`. Needs clang.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/fuzz
for target in pool take_frame; do
  code=$([ "$target" = pool ] && echo "binding/pool.cpp binding/error.cpp" || echo binding/window.cpp)
  clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "test/fuzz/$target.cpp" $code -o "build/fuzz/$target"
  mkdir -p "build/fuzz/$target.corpus"
  # What is found on the way stays in the first folder; the second comes with the repository.
  "build/fuzz/$target" "build/fuzz/$target.corpus" "test/fuzz/corpus/$target" -max_total_time="${1:-60}" -max_len=512 \
    -print_final_stats=1 -artifact_prefix=build/fuzz/ 2>&1 | grep -E "stat::number_of_executed|ERROR|SUMMARY|Test unit" || exit 1
done
