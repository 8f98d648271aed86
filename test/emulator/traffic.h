// What accesses to memory cost, as far as it follows from their addresses: see Counters.
#pragma once
#include <cstdint>

#include "execution.h"

namespace emulator {

// Of a load or store that may go to any space.
void count_access(Warp&, const Instruction&, const Operand& address, uint32_t mask, uint32_t bytes,
                  bool is_store);
void count_global(Warp&, const Operand& address, uint32_t mask, uint32_t bytes, bool is_store);
void count_shared(Warp&, const Operand& address, uint32_t mask, uint32_t bytes);

}  // namespace emulator
