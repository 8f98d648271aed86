#include "shared.h"

#include <algorithm>
#include <cstring>

#include "report.h"

namespace emulator {

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

void SharedMemory::note_access(Warp& warp, const Instruction& instruction, int lane,
                               uint32_t offset, uint32_t count, bool is_write, bool is_atomic) {
  if (warp.block->partial_barriers) return;
  const Launch& launch = warp.block->launch;
  const bool within_warps = launch.settings.warp_races;
  const auto thread = static_cast<uint16_t>(warp.index * warp_size + lane);
  auto race = [&](const char* what, uint16_t other, int32_t other_instruction) {
    report(warp, instruction, lane, Fault::Kind::race,
           std::string("race: ") + what + " shared memory at byte " +
               std::to_string(offset - shared_start) +
               " without a barrier in between, after thread " + std::to_string(other) + " at " +
               describe_line(launch.program, launch.program.code[other_instruction]));
  };
  for (uint32_t i = offset / cell_bytes; i <= (offset + count - 1) / cell_bytes; i++) {
    Cell& cell = cells[i];
    const uint8_t touched = count >= cell_bytes ? 3 : 1 << (offset % cell_bytes);
    if (cell.arriving && !is_atomic) {
      cell.arriving = false;  // one report is enough
      report(warp, instruction, lane, Fault::Kind::race,
             std::string("race: ") + (is_write ? "write to" : "read of") +
                 " shared memory at byte " + std::to_string(offset - shared_start) +
                 " while a cp.async into it is in flight");
    }
    const bool both_atomic = is_atomic && cell.atomic;
    if (cell.write_epoch == epoch && cell.writer != thread && (cell.written & touched) &&
        !both_atomic) {
      const bool same_warp = cell.writer / warp_size == warp.index;
      if (!same_warp || (within_warps && cell.write_phase == warp.phase))
        race(is_write ? "second write to" : "read of written", cell.writer, cell.write_instruction);
    }
    const bool others_read = cell.several_readers || cell.several_lanes || cell.reader != thread;
    if (is_write && cell.read_epoch == epoch && others_read && (cell.read & touched)) {
      const bool same_warp = cell.reader / warp_size == warp.index && !cell.several_readers;
      if (!same_warp || (within_warps && cell.read_phase == warp.phase))
        race("write to read", cell.reader, cell.read_instruction);
    }
    if (is_write) {
      cell.write_epoch = epoch;
      cell.write_phase = warp.phase;
      cell.write_instruction = instruction.index;
      cell.writer = thread;
      cell.written = touched;
      cell.atomic = is_atomic;
    } else {
      if (cell.read_epoch != epoch) {
        cell.several_readers = cell.several_lanes = false;
        cell.read = 0;
      } else if (cell.reader / warp_size != warp.index) {
        cell.several_readers = true;
      } else {
        cell.several_lanes =
            cell.read_phase == warp.phase && (cell.several_lanes || cell.reader != thread);
      }
      cell.read_epoch = epoch;
      cell.read_phase = warp.phase;
      cell.read_instruction = instruction.index;
      cell.reader = thread;
      cell.read |= touched;
    }
  }
}

}  // namespace emulator
