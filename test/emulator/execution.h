// The state of a launch, of its blocks and warps.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "instruction.h"
#include "memory.h"
#include "shared.h"

namespace emulator {

// What all blocks of a launch have in common.
struct Launch {
  const Program& program;
  Size3 grid, block;
  size_t dynamic_shared = 0;
  Settings settings;
  std::vector<uint8_t> parameters = {};

  // What was reported without ending the launch, each place once.
  std::mutex mutex = {};
  std::map<std::string, int> reported = {};
  Fault fault = {};
};

// A copy by cp.async that has not arrived yet.
struct AsyncCopy {
  uint32_t target;  // in shared memory
  uint64_t source;
  uint8_t bytes, valid;  // the rest is filled with zeros
  int group;
  const Instruction* instruction;
};

struct Block;

struct Warp {
  enum class State { running, at_barrier, done };

  uint8_t* registers = nullptr;
  Block* block = nullptr;
  uint32_t index = 0;
  State state = State::running;
  uint32_t live = 0;     // lanes that have not left
  uint32_t waiting = 0;  // lanes that wait for others at a collective
  int next[warp_size];   // the lanes' program counters
  int barrier = 0;       // where it waits
  uint32_t phase = 1;    // between two __syncwarp
  uint64_t executed = 0;
  std::vector<AsyncCopy> copies[warp_size];
  int copy_group[warp_size];
  std::vector<uint8_t> storage;

  template <class T>
  T* lanes(const Operand& o) {
    return reinterpret_cast<T*>(registers + o.place);
  }
};

struct Block {
  explicit Block(Launch&);

  // Runs the block of this number to its end. Throws Failure.
  void run(uint64_t number);

  Launch& launch;
  Size3 size, position;
  std::vector<Warp> warps;
  SharedMemory shared;
  // Of every thread, one after another, and whether a byte of it was written.
  std::vector<uint8_t> local, local_initialised;
  uint64_t local_size = 0;
  std::vector<memory::Region> regions;  // where each instruction last was
  int arrived[16] = {};                 // threads at barriers that did not wait
  bool partial_barriers = false;        // used by only some warps: no races are looked for
  Counters counters;

  uint8_t* local_of(const Warp& w, int lane) {
    return local.data() + (w.index * warp_size + lane) * local_size;
  }
  uint8_t* local_flags_of(const Warp& w, int lane) {
    return local_initialised.data() + (w.index * warp_size + lane) * local_size;
  }

 private:
  void reset();
  void run_warps(uint64_t number);
  bool release_barriers();
  bool release_barrier(int barrier, int live_warps);
};

// Runs a warp until it ends or waits at a barrier.
void run_warp(Warp& warp);

}  // namespace emulator
