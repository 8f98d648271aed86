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

// Puts the numbers of warps in order, each time anew if shuffled.
class Turns {
 public:
  Turns(Order order, size_t count, uint64_t seed);
  const std::vector<size_t>& next();

 private:
  Order order_;
  std::vector<size_t> turns_;
  uint64_t state_;
};

struct Block {
  explicit Block(Launch&);

  // Becomes the block of this number, at its start.
  void start(uint64_t number);
  // Each warp goes on until it waits or pauses. Whether all have ended. Throws Failure.
  bool advance();

  Launch& launch;
  Size3 size, position;
  std::vector<Warp> warps;
  SharedMemory shared;
  // Of every thread, one after another, and whether a byte of it was written.
  std::vector<uint8_t> local, local_initialised;
  uint64_t local_size = 0;
  std::vector<memory::Region> regions;  // where each instruction last was
  int arrived[16] = {};                 // threads at barriers that did not wait
  bool paused = false;                  // a warp did, when it advanced last
  bool partial_barriers = false;        // used by only some warps: no races are looked for
  Counters counters;

  uint8_t* local_of(const Warp& w, int lane) {
    return local.data() + (w.index * warp_size + lane) * local_size;
  }
  uint8_t* local_flags_of(const Warp& w, int lane) {
    return local_initialised.data() + (w.index * warp_size + lane) * local_size;
  }

 private:
  Turns turns_;

  void reset();
  bool release_barriers();
  bool release_barrier(int barrier, int live_warps);
};

// Runs a warp until it ends, waits at a barrier or pauses.
void run_warp(Warp& warp);

}  // namespace emulator
