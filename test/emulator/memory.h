// Device memory as the engine sees it. Its public part is in engine.h.
//
// Every byte of an allocation has a flag: has anything been written to it? Once all have, the
// flags are not looked at any more.
#pragma once
#include <cstdint>
#include <string>

#include "engine.h"

namespace emulator::memory {

// An allocation. `initialised` is null when everything in it is.
struct Region {
  uint64_t begin = 1, end = 0;
  uint8_t* initialised = nullptr;
};

// The region that holds an address; false if there is none.
bool find(uint64_t address, Region& region);

// Words for an address that is in no allocation, or runs out of one.
std::string describe(uint64_t address);

// Of a module's variable: does not count as used; cleared.
void* allocate_variable(size_t bytes);

}  // namespace emulator::memory
