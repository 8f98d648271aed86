// Copies from global to shared memory in the background (PTX ISA 9.7.9.25, cp.async). They arrive
// as late as they may: when they are waited for. Until then nothing may touch their target.
#include <cstring>

#include "../access.h"
#include "../decode.h"
#include "../report.h"
#include "../traffic.h"
#include "lanewise.h"

namespace emulator {

namespace {

// Bytes that are copied; the rest is filled with zeros.
uint32_t valid_bytes(Warp& warp, const Instruction& i, int lane) {
  if (i.operands.size() < 4) return i.bytes;
  const Operand& o = i.operands[3];
  if (o.width == 1) return (warp.lanes<uint8_t>(o)[lane] & 1) != o.negated ? 0 : i.bytes;
  const uint32_t size = warp.lanes<uint32_t>(o)[lane];
  if (size > i.bytes)
    fail(warp, i, lane, Fault::Kind::memory, "cp.async: more valid bytes than there are to copy");
  return size;
}

void start_copy(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  if (warp.block->launch.settings.count) {
    uint32_t reading = 0;
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (valid_bytes(warp, i, lane) > 0) reading |= 1u << lane;
    }
    count_global(warp, from, reading, i.bytes, false);
    count_shared(warp, to, mask, i.bytes);
  }
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint64_t target = lane_address(warp, to, lane);
    const uint64_t source = lane_address(warp, from, lane);
    if (target >> window_shift == shared_window) resolve_generic(target);
    const uint32_t valid = valid_bytes(warp, i, lane);
    if (target % i.bytes) fail_misaligned(warp, i, lane, target, i.bytes, AccessKind::write);
    if (source % i.bytes) fail_misaligned(warp, i, lane, source, i.bytes, AccessKind::read);
    for (uint32_t k = 0; k < valid; k += valid == i.bytes ? i.bytes : 1)
      access_global(warp, i, lane, source + k, valid == i.bytes ? i.bytes : 1, AccessKind::read);
    access_shared(warp, i, lane, target, i.bytes, AccessKind::write);
    warp.block->shared.set_arriving(static_cast<uint32_t>(target), i.bytes, true);
    warp.copies[lane].push_back({static_cast<uint32_t>(target), source, i.bytes,
                                 static_cast<uint8_t>(valid), warp.copy_group[lane], &i});
  }
}

void arrive(Warp& warp, int lane, const AsyncCopy& copy) {
  warp.block->shared.set_arriving(copy.target, copy.bytes, false);
  uint8_t* const to =
      access_shared(warp, *copy.instruction, lane, copy.target, copy.bytes, AccessKind::write);
  std::memset(to, 0, copy.bytes);
  std::memcpy(to, reinterpret_cast<const void*>(copy.source), copy.valid);
}

void commit(Warp& warp, const Instruction&, uint32_t mask) {
  for (; mask; mask &= mask - 1) warp.copy_group[__builtin_ctz(mask)]++;
}

// All but the copies of the last `count` groups arrive.
void wait_group(Warp& warp, const Instruction& i, uint32_t mask) {
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    auto& copies = warp.copies[lane];
    size_t kept = 0;
    for (const AsyncCopy& copy : copies) {
      if (copy.group < warp.copy_group[lane] - i.count) {
        arrive(warp, lane, copy);
      } else {
        copies[kept++] = copy;
      }
    }
    copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(kept), copies.end());
  }
}

void wait_all(Warp& warp, const Instruction& i, uint32_t mask) {
  commit(warp, i, mask);
  wait_group(warp, i, mask);
}

}  // namespace

bool decode_copy(Instruction& i) {
  if (i.opcode() != "cp" || i.parts.size() < 3 || i.parts[1] != "async") return false;
  const std::string& kind = i.parts[2];
  if (kind == "commit_group") {
    i.execute = commit;
  } else if (kind == "wait_all") {
    i.count = 0;
    i.execute = wait_all;
  } else if (kind == "wait_group" && i.operands.size() == 1) {
    i.count = static_cast<uint8_t>(i.operands[0].literal);
    i.execute = wait_group;
  } else if ((kind == "ca" || kind == "cg") && i.operands.size() >= 3) {
    i.bytes = static_cast<uint8_t>(i.operands[2].literal);
    if (i.bytes == 16 || (kind == "ca" && (i.bytes == 4 || i.bytes == 8))) i.execute = start_copy;
  }
  return i.execute != nullptr;
}

}  // namespace emulator
