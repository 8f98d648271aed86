// One lane's access to memory: where its address lies, and whether it may be there.
#pragma once
#include <cstdint>
#include <cstring>

#include "execution.h"
#include "races.h"

namespace emulator {

enum class AccessKind { read, write, atomic };

// Of Operand::Kind::address; 32 bits wide when it is an offset in shared memory.
inline uint64_t lane_address(Warp& warp, const Operand& o, int lane) {
  if (o.width == 4) return static_cast<uint32_t>(warp.lanes<uint32_t>(o)[lane] + o.displacement);
  return warp.lanes<uint64_t>(o)[lane] + o.displacement;
}

// The space of a generic address, which becomes an offset in it.
inline Space resolve_generic(uint64_t& address) {
  const uint64_t window = address >> window_shift;
  if (window == 0 || window > parameter_window) return Space::global;
  address &= (uint64_t{1} << window_shift) - 1;
  return window == shared_window  ? Space::shared
         : window == local_window ? Space::local
                                  : Space::parameter;
}

// Are all of these flags of bytes, 1 to 32 and a power of two of them, set in this bit?
inline bool all_set(const uint8_t* flags, uint32_t bytes, uint8_t bit) {
  const uint64_t pattern = 0x0101010101010101ull * bit;
  uint64_t word = 0;
  switch (bytes) {
    case 1:
      return (*flags & bit) != 0;
    case 2:
      std::memcpy(&word, flags, 2);
      return (~word & pattern & 0xffff) == 0;
    case 4:
      std::memcpy(&word, flags, 4);
      return (~word & pattern & 0xffffffffu) == 0;
    default:
      for (uint32_t i = 0; i < bytes; i += 8) {
        std::memcpy(&word, flags + i, 8);
        if (~word & pattern) return false;
      }
      return true;
  }
}

// What is rare, and ends or goes on.
[[noreturn]] void fail_misaligned(const Warp&, const Instruction&, int lane, uint64_t address,
                                  uint32_t bytes, AccessKind);
[[noreturn]] void fail_out_of_bounds(const Warp&, const Instruction&, int lane, Space,
                                     uint64_t address, uint32_t bytes, AccessKind);
void find_region(const Warp&, const Instruction&, int lane, uint64_t address, uint32_t bytes,
                 AccessKind, memory::Region&);
void report_uninitialised(const Warp&, const Instruction&, int lane, Space, uint64_t address,
                          uint32_t bytes);
void report_race(const Warp&, const Instruction&, int lane, uint64_t address, AccessKind);

inline uint8_t* access_global(Warp& warp, const Instruction& i, int lane, uint64_t address,
                              uint32_t bytes, AccessKind kind) {
  memory::Region& region = warp.block->regions[i.index];
  if (address < region.begin || address + bytes > region.end)
    find_region(warp, i, lane, address, bytes, kind, region);
  if (region.initialised) {
    uint8_t* const flags = region.initialised + (address - region.begin);
    if (kind != AccessKind::write && !all_set(flags, bytes, 1))
      report_uninitialised(warp, i, lane, Space::global, address, bytes);
    if (kind != AccessKind::read) std::memset(flags, 1, bytes);
  }
  if (Accesses::current && Accesses::current->note(address, bytes, kind != AccessKind::read))
    report_race(warp, i, lane, address, kind);
  return reinterpret_cast<uint8_t*>(address);
}

inline uint8_t* access_shared(Warp& warp, const Instruction& i, int lane, uint64_t offset,
                              uint32_t bytes, AccessKind kind) {
  SharedMemory& shared = warp.block->shared;
  if (offset >= shared.size() || bytes > shared.size() - offset ||
      !all_set(&shared.flags[offset], bytes, SharedMemory::in_variable))
    fail_out_of_bounds(warp, i, lane, Space::shared, offset, bytes, kind);
  uint8_t* const flags = &shared.flags[offset];
  if (kind != AccessKind::write && !all_set(flags, bytes, SharedMemory::initialised))
    report_uninitialised(warp, i, lane, Space::shared, offset, bytes);
  if (kind != AccessKind::read)
    std::memset(flags, SharedMemory::in_variable | SharedMemory::initialised, bytes);
  if (!shared.cells.empty()) {
    const auto at = static_cast<uint32_t>(offset);
    if (kind == AccessKind::read) {
      shared.note_read(warp, i, lane, at, bytes);
    } else {
      shared.note_write(warp, i, lane, at, bytes, kind == AccessKind::atomic);
    }
  }
  return &shared.bytes[offset];
}

inline uint8_t* access_local(Warp& warp, const Instruction& i, int lane, uint64_t offset,
                             uint32_t bytes, AccessKind kind) {
  Block& block = *warp.block;
  if (offset >= block.local_size || bytes > block.local_size - offset)
    fail_out_of_bounds(warp, i, lane, Space::local, offset, bytes, kind);
  uint8_t* const flags = block.local_flags_of(warp, lane) + offset;
  if (kind != AccessKind::write && !all_set(flags, bytes, 1))
    report_uninitialised(warp, i, lane, Space::local, offset, bytes);
  if (kind != AccessKind::read) std::memset(flags, 1, bytes);
  return block.local_of(warp, lane) + offset;
}

// `bytes` is a power of two up to 32. What vectors of 32 bytes need is an alignment of 32.
inline uint8_t* access(Warp& warp, const Instruction& i, int lane, uint64_t address, uint32_t bytes,
                       AccessKind kind) {
  Space space = i.space;
  if (space == Space::generic) space = resolve_generic(address);
  if (address & (bytes - 1)) fail_misaligned(warp, i, lane, address, bytes, kind);
  switch (space) {
    case Space::shared:
      return access_shared(warp, i, lane, address, bytes, kind);
    case Space::local:
      return access_local(warp, i, lane, address, bytes, kind);
    case Space::parameter: {
      auto& parameters = warp.block->launch.parameters;
      if (kind != AccessKind::read || address > parameters.size() ||
          bytes > parameters.size() - address)
        fail_out_of_bounds(warp, i, lane, space, address, bytes, kind);
      return &parameters[address];
    }
    default:
      return access_global(warp, i, lane, address, bytes, kind);
  }
}

}  // namespace emulator
