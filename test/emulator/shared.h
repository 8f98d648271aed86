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
    uint16_t writer = 0, reader = 0;  // threads
    uint8_t written : 2 = 0;          // which of the two bytes
    uint8_t read : 2 = 0;
    uint8_t atomic : 1 = false;           // the write was
    uint8_t arriving : 1 = false;         // a cp.async into it is in flight
    uint8_t several_readers : 1 = false;  // of several warps
    uint8_t several_lanes : 1 = false;    // of one warp in one phase
  };
  static constexpr uint32_t cell_bytes = 2;

  std::vector<uint8_t> bytes, flags;
  std::vector<Cell> cells;  // empty: no races are looked for
  uint32_t epoch = 1;

  void allocate(const Program&, size_t dynamic_bytes, bool races);
  void reset();
  uint64_t size() const { return bytes.size(); }

  // Reports races of reads, writes and atomic writes, and notes them.
  void note_read(const Warp&, const Instruction&, int lane, uint32_t offset, uint32_t bytes);
  void note_write(const Warp&, const Instruction&, int lane, uint32_t offset, uint32_t bytes,
                  bool atomic);
  void set_arriving(uint32_t offset, uint32_t bytes, bool arriving);

 private:
  std::vector<uint8_t> first_flags_;
};

}  // namespace emulator
