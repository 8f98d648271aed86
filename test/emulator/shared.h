// A block's shared memory: bytes, what is known of each, and who touched it last.
#pragma once
#include <cstdint>
#include <vector>

#include "instruction.h"

namespace emulator {

struct Warp;

struct SharedMemory {
  // Flags of a byte.
  static constexpr uint8_t in_variable = 1, initialised = 2;

  // The last accesses of a pair of bytes, which is what a race is looked for in. Epochs count the
  // block's barriers, phases the warp's.
  struct Cell {
    uint32_t write_epoch = 0, read_epoch = 0, write_phase = 0, read_phase = 0;
    int32_t write_instruction = 0, read_instruction = 0;
    uint16_t writer = 0, reader = 0;
    uint8_t written = 0, read = 0;  // which of the two bytes
    bool several_readers = false;   // of several warps
    bool several_lanes = false;     // of one warp in one phase
    bool arriving = false;          // a cp.async into it is in flight
    bool atomic = false;            // the write was
  };
  static constexpr uint32_t cell_bytes = 2;

  std::vector<uint8_t> bytes, flags;
  std::vector<Cell> cells;  // empty: no races are looked for
  uint32_t epoch = 1;

  void allocate(const Program&, size_t dynamic_bytes, bool races);
  void reset();
  uint64_t size() const { return bytes.size(); }

  // Reports races of an access and notes it.
  void note_access(Warp&, const Instruction&, int lane, uint32_t offset, uint32_t bytes,
                   bool is_write, bool is_atomic);
  void set_arriving(uint32_t offset, uint32_t bytes, bool arriving);

 private:
  std::vector<uint8_t> first_flags_;
};

}  // namespace emulator
