#include "shared.h"

#include <algorithm>
#include <cstring>

#include "report.h"

namespace emulator {

namespace {

using Cell = SharedMemory::Cell;

struct Access {
  const Warp& warp;
  const Instruction& instruction;
  int lane;
  uint32_t offset;
  uint8_t touched;  // of the two bytes of a cell
  uint16_t thread;

  bool of_this_warp(uint16_t other) const { return other / warp_size == warp.index; }
  bool within_warps() const { return warp.block->launch.settings.warp_races; }
  std::string place() const {
    return " shared memory at byte " + std::to_string(offset - shared_start);
  }
};

uint8_t touched_bytes(uint32_t offset, uint32_t count) {
  constexpr uint32_t cell_bytes = SharedMemory::cell_bytes;
  return count >= cell_bytes ? 3 : static_cast<uint8_t>(1 << offset % cell_bytes);
}

void report_race(const Access& access, const std::string& what, uint16_t other,
                 int32_t other_instruction) {
  const Program& program = access.warp.block->launch.program;
  report(access.warp, access.instruction, access.lane, Fault::Kind::race,
         "race: " + what + access.place() + " without a barrier in between, after thread " +
             std::to_string(other) + " at " +
             describe_line(program, program.code[other_instruction]));
}

void report_arriving(const Access& access, Cell& cell, const std::string& what) {
  cell.arriving = false;  // one report is enough
  report(access.warp, access.instruction, access.lane, Fault::Kind::race,
         "race: " + what + access.place() + " while a cp.async into it is in flight");
}

// If the write in the same epoch was another thread's, and nothing was in between.
void report_after_write(const Access& access, const Cell& cell, const char* what) {
  if (cell.writer == access.thread || !(cell.written & access.touched)) return;
  if (access.of_this_warp(cell.writer) &&
      !(access.within_warps() && cell.write_phase == access.warp.phase))
    return;
  report_race(access, what, cell.writer, cell.write_instruction);
}

void report_after_read(const Access& access, const Cell& cell) {
  const bool by_others = cell.several_readers || cell.several_lanes || cell.reader != access.thread;
  if (!by_others || !(cell.read & access.touched)) return;
  if (access.of_this_warp(cell.reader) && !cell.several_readers &&
      !(access.within_warps() && cell.read_phase == access.warp.phase))
    return;
  report_race(access, "write to read", cell.reader, cell.read_instruction);
}

}  // namespace

void SharedMemory::allocate(const Program& program, size_t dynamic_bytes, bool races) {
  uint64_t end = program.shared_end;
  if (program.uses_dynamic || dynamic_bytes) end = program.dynamic_start + dynamic_bytes;
  bytes.resize(end);
  first_flags_.assign(end, 0);
  for (const auto& v : program.shared_variables)
    std::fill_n(first_flags_.begin() + v.offset, v.size, in_variable);
  if (end > program.dynamic_start)
    std::fill(first_flags_.begin() + program.dynamic_start, first_flags_.end(), in_variable);
  if (races) cells.resize(end / cell_bytes + 1);
}

void SharedMemory::reset() {
  std::fill(bytes.begin(), bytes.end(), 0xff);  // NaN in every format
  flags = first_flags_;
  for (auto& cell : cells) cell.arriving = cell.atomic = false;
  if (++epoch > 0xfffffff0u) {
    std::fill(cells.begin(), cells.end(), Cell());
    epoch = 1;
  }
}

void SharedMemory::set_arriving(uint32_t offset, uint32_t count, bool arriving) {
  if (cells.empty()) return;
  for (uint32_t i = offset / cell_bytes; i <= (offset + count - 1) / cell_bytes; i++)
    cells[i].arriving = arriving;
}

void SharedMemory::note_read(const Warp& warp, const Instruction& instruction, int lane,
                             uint32_t offset, uint32_t count) {
  if (warp.block->partial_barriers) return;
  const auto thread = static_cast<uint16_t>(warp.index * warp_size + lane);
  const Access access{warp, instruction, lane, offset, touched_bytes(offset, count), thread};
  for (uint32_t i = offset / cell_bytes; i <= (offset + count - 1) / cell_bytes; i++) {
    Cell& cell = cells[i];
    if (cell.arriving) report_arriving(access, cell, "read of");
    if (cell.write_epoch == epoch) report_after_write(access, cell, "read of written");
    if (cell.read_epoch != epoch) {
      cell.read_epoch = epoch;
      cell.several_readers = cell.several_lanes = false;
      cell.read = 0;
    } else if (cell.reader / warp_size != warp.index) {
      cell.several_readers = true;
    } else if (cell.read_phase != warp.phase) {
      cell.several_lanes = false;
    } else if (cell.reader != thread) {
      cell.several_lanes = true;
    }
    cell.read |= access.touched;
    cell.read_phase = warp.phase;
    cell.read_instruction = instruction.index;
    cell.reader = thread;
  }
}

void SharedMemory::note_write(const Warp& warp, const Instruction& instruction, int lane,
                              uint32_t offset, uint32_t count, bool atomic) {
  if (warp.block->partial_barriers) return;
  const auto thread = static_cast<uint16_t>(warp.index * warp_size + lane);
  const Access access{warp, instruction, lane, offset, touched_bytes(offset, count), thread};
  for (uint32_t i = offset / cell_bytes; i <= (offset + count - 1) / cell_bytes; i++) {
    Cell& cell = cells[i];
    if (cell.arriving && !atomic) report_arriving(access, cell, "write to");
    if (cell.write_epoch == epoch && !(atomic && cell.atomic))
      report_after_write(access, cell, "second write to");
    if (cell.read_epoch == epoch) report_after_read(access, cell);
    cell.write_epoch = epoch;
    cell.write_phase = warp.phase;
    cell.write_instruction = instruction.index;
    cell.writer = thread;
    cell.written = access.touched;
    cell.atomic = atomic;
  }
}

}  // namespace emulator
