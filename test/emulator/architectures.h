// What the architectures differ in, as far as a program can ask: NVIDIA's table of technical
// specifications per compute capability.
#pragma once
#include <cstddef>

namespace emulator {

struct Architecture {
  int capability;
  int processors;               // of a card with the architecture
  size_t shared_per_processor;  // bytes
  size_t shared_per_block;      // the most after cudaFuncSetAttribute
  size_t shared_reserved;       // by the system, of each block
  int threads_per_processor;
  int blocks_per_processor;
};

// Of any block without cudaFuncSetAttribute.
constexpr size_t default_shared_per_block = 48 * 1024;
constexpr int threads_per_block = 1024;

constexpr Architecture architectures[] = {
    {75, 40, 64 << 10, 64 << 10, 0, 1024, 16},
    {80, 108, 164 << 10, 163 << 10, 1024, 2048, 32},
    {86, 84, 100 << 10, 99 << 10, 1024, 1536, 16},
    {89, 128, 100 << 10, 99 << 10, 1024, 1536, 24},
    {90, 132, 228 << 10, 227 << 10, 1024, 2048, 32},
    {100, 148, 228 << 10, 227 << 10, 1024, 2048, 32},
    {120, 170, 100 << 10, 99 << 10, 1024, 1536, 24},
};

// The one with the highest capability not above the given one.
constexpr const Architecture& architecture(int capability) {
  const Architecture* best = &architectures[0];
  for (const Architecture& each : architectures) {
    if (each.capability <= capability) best = &each;
  }
  return *best;
}

}  // namespace emulator
