#include "access.h"

#include <cstdio>

#include "report.h"

namespace emulator {

namespace {

const char* name(AccessKind kind) {
  return kind == AccessKind::read ? "read" : kind == AccessKind::write ? "write" : "atomic access";
}

const char* name(Space space) {
  return space == Space::shared      ? "shared"
         : space == Space::local     ? "local"
         : space == Space::parameter ? "parameter"
                                     : "global";
}

std::string describe(Space space, uint64_t address) {
  if (space == Space::global || space == Space::constant || space == Space::generic)
    return memory::describe(address);
  const int64_t start = space == Space::shared ? shared_start : 0;
  return "byte " + std::to_string(static_cast<int64_t>(address) - start);
}

}  // namespace

void fail_misaligned(const Warp& warp, const Instruction& i, int lane, uint64_t address,
                     uint32_t bytes, AccessKind kind) {
  char text[120];
  std::snprintf(text, sizeof text, "misaligned %s of %u bytes at 0x%llx", name(kind), bytes,
                static_cast<unsigned long long>(address));
  fail(warp, i, lane, Fault::Kind::memory, text);
}

void fail_out_of_bounds(const Warp& warp, const Instruction& i, int lane, Space space,
                        uint64_t address, uint32_t bytes, AccessKind kind) {
  std::string text = std::string(name(space)) + " " + name(kind) + " of " + std::to_string(bytes) +
                     " bytes out of bounds at " + describe(space, address);
  if (space == Space::shared)
    text += " of " + std::to_string(warp.block->shared.size() - shared_start) +
            " (gaps between variables are out of bounds, too)";
  fail(warp, i, lane, Fault::Kind::memory, text);
}

void find_region(const Warp& warp, const Instruction& i, int lane, uint64_t address, uint32_t bytes,
                 AccessKind kind, memory::Region& region) {
  memory::Region found;
  if (!memory::find(address, found) || bytes > found.end - address)
    fail_out_of_bounds(warp, i, lane, Space::global, address, bytes, kind);
  region = found;
}

void report_uninitialised(const Warp& warp, const Instruction& i, int lane, Space space,
                          uint64_t address, uint32_t bytes) {
  if (!warp.block->launch.settings.uninitialised) return;
  report(warp, i, lane, Fault::Kind::uninitialised,
         std::string("uninitialised: read of ") + std::to_string(bytes) + " bytes of " +
             name(space) + " memory that nothing has written, at " + describe(space, address));
}

void report_race(const Warp& warp, const Instruction& i, int lane, uint64_t address,
                 AccessKind kind) {
  report(warp, i, lane, Fault::Kind::race,
         std::string("race between nodes of a graph or streams: ") + name(kind) +
             " of global memory that work side by side with this uses, at " +
             memory::describe(address));
}

}  // namespace emulator
