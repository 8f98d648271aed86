#include "traffic.h"

#include <algorithm>

#include "access.h"

namespace emulator {

namespace {

constexpr uint64_t sector_bytes = 32, bank_bytes = 4, banks = 32;
constexpr uint32_t row_bytes = banks * bank_bytes;  // what a cycle can serve

struct Addresses {
  uint64_t at[warp_size];
  int count = 0;
};

void add_global(Counters& counters, Addresses& addresses, uint32_t bytes, bool is_store) {
  std::sort(addresses.at, addresses.at + addresses.count);
  uint64_t asked = 0, sectors = 0, end = 0, next_sector = 0;
  for (int k = 0; k < addresses.count; k++) {
    const uint64_t begin = std::max(addresses.at[k], end);
    end = std::max(end, addresses.at[k] + bytes);
    asked += end - begin;
    const uint64_t first = std::max(addresses.at[k] / sector_bytes, next_sector);
    const uint64_t last = (addresses.at[k] + bytes - 1) / sector_bytes;
    if (last + 1 > first) sectors += last + 1 - first;
    next_sector = std::max(next_sector, last + 1);
  }
  (is_store ? counters.store_bytes : counters.load_bytes) += asked;
  (is_store ? counters.store_sectors : counters.load_sectors) += sectors;
}

struct Cycles {
  uint64_t all = 0, conflicts = 0;
};

// Lanes are served in as many parts as their bytes need rows of the banks. A part takes as many
// cycles as the busiest bank has different words to give.
Cycles cycles_of(const Addresses& addresses, const uint32_t lanes, uint32_t bytes) {
  const int parts = std::max<int>(1, static_cast<int>(warp_size * bytes / row_bytes));
  const int part_lanes = warp_size / parts;
  Cycles cycles;
  for (int part = 0; part < parts; part++) {
    uint64_t words[2 * warp_size];
    int count = 0;
    for (int lane = part * part_lanes; lane < (part + 1) * part_lanes; lane++) {
      if (!(lanes >> lane & 1)) continue;
      for (uint64_t b = 0; b < bytes; b += bank_bytes)
        words[count++] = (addresses.at[lane] + b) / bank_bytes;
    }
    std::sort(words, words + count);
    count = static_cast<int>(std::unique(words, words + count) - words);
    uint64_t load[banks] = {}, busiest = 0;
    for (int k = 0; k < count; k++) busiest = std::max(busiest, ++load[words[k] % banks]);
    cycles.all += busiest;
    if (busiest > 1) cycles.conflicts += busiest - 1;
  }
  return cycles;
}

void add_shared(Counters& counters, const Addresses& by_lane, uint32_t mask, uint32_t bytes) {
  counters.shared_accesses++;
  const Cycles cycles = cycles_of(by_lane, mask, bytes);
  counters.shared_cycles += cycles.all;
  counters.shared_conflicts += cycles.conflicts;
}

}  // namespace

void count_global(Warp& warp, const Operand& address, uint32_t mask, uint32_t bytes,
                  bool is_store) {
  Addresses addresses;
  for (; mask; mask &= mask - 1)
    addresses.at[addresses.count++] = lane_address(warp, address, __builtin_ctz(mask));
  add_global(warp.block->counters, addresses, bytes, is_store);
}

void count_shared(Warp& warp, const Operand& address, uint32_t mask, uint32_t bytes) {
  Addresses by_lane;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    by_lane.at[lane] = lane_address(warp, address, lane);
  }
  add_shared(warp.block->counters, by_lane, mask, bytes);
}

void count_access(Warp& warp, const Instruction& i, const Operand& address, uint32_t mask,
                  uint32_t bytes, bool is_store) {
  if (i.space == Space::shared) return count_shared(warp, address, mask, bytes);
  if (i.space == Space::global) return count_global(warp, address, mask, bytes, is_store);
  if (i.space != Space::generic) return;
  Addresses global, by_lane;
  uint32_t shared = 0;
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint64_t at = lane_address(warp, address, lane);
    const Space space = resolve_generic(at);
    if (space == Space::global) global.at[global.count++] = at;
    if (space == Space::shared) by_lane.at[lane] = at, shared |= 1u << lane;
  }
  if (global.count) add_global(warp.block->counters, global, bytes, is_store);
  if (shared) add_shared(warp.block->counters, by_lane, shared, bytes);
}

}  // namespace emulator
