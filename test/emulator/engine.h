// What the emulator's engine offers to the runtime interface in front of it (cudart.cpp) and to the
// tests (probe.cpp): parsed modules, device memory, launches, and what they counted.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

// A warp's and a block's order of execution: as numbered, reversed, shuffled (seeded, the same
// every time).
enum class Order { ascending, descending, shuffled };

// Read at each launch.
struct Settings {
  Order order = Order::ascending;
  int threads = 1;            // of the host; blocks are shared out among them
  int together = 1;           // blocks of a thread that take turns, at pauses and at barriers
  bool races = true;          // shared memory, between warps
  bool warp_races = false;    // also between the lanes of one warp without __syncwarp
  bool stream_races = false;  // global memory, between streams
  int delay = 0;              // milliseconds before what is waited for runs
  bool uninitialised = true;  // use of registers, shared and global bytes that nothing wrote
  bool count = false;         // fill Counters
  bool execute = true;        // else a launch is over at once, and nothing was done
  uint64_t most_instructions = 4'000'000'000;  // of a warp; more is an endless loop
};
Settings& settings();

// Of one launch. Instructions are those of warps.
struct Counters {
  std::string kernel;
  uint64_t launches = 0;  // always 1 for one launch; sums may be formed
  uint64_t mma = 0, math = 0, address = 0, memory = 0, control = 0, other = 0;
  uint64_t mma_operations = 0;                      // multiply-adds of mma, times 2
  uint64_t thread_instructions = 0, divergent = 0;  // divergent: warp instructions with idle lanes
  // Global memory: bytes that lanes asked for (the same byte asked for twice by one instruction
  // counts once), and 32-byte sectors touched by each warp instruction.
  uint64_t load_bytes = 0, load_sectors = 0, store_bytes = 0, store_sectors = 0;
  // Shared memory: accesses of warps, the cycles they take, and those of them beyond what their
  // width needs.
  uint64_t shared_accesses = 0, shared_cycles = 0, shared_conflicts = 0;
  uint64_t barriers = 0;
};

struct Size3 {
  uint32_t x = 1, y = 1, z = 1;
};

class Module;  // parsed PTX

// A kernel of a module; lives as long as it.
class Kernel {
 public:
  struct Parameter {
    size_t offset, size;
  };
  virtual ~Kernel() = default;
  virtual const std::string& name() const = 0;
  virtual const std::vector<Parameter>& parameters() const = 0;
  virtual size_t static_shared() const = 0;
  virtual size_t local_bytes() const = 0;
  virtual int most_threads() const = 0;  // __launch_bounds__, 1024 without
};

class Module {
 public:
  virtual ~Module() = default;
  virtual const Kernel* kernel(const std::string& name) const = 0;
  // A __device__ or __constant__ variable; address 0 when there is none of the name.
  struct Variable {
    uint64_t address = 0;
    size_t size = 0;
  };
  virtual Variable variable(const std::string& name) const = 0;
};

// Throws std::runtime_error that lists what could not be parsed, with lines.
std::unique_ptr<Module> parse(const std::string& ptx);

// Device memory. Host pointers are addresses in it. Thread-safe.
namespace memory {
void* allocate(size_t bytes);  // null: none left; starts uninitialised
bool free(void* data);         // false: not the start of an allocation
bool contains(const void* data, size_t bytes);
void mark_initialised(void* data, size_t bytes, bool initialised = true);
// As a copy within the device: what was uninitialised stays so.
void copy_initialised(void* to, const void* from, size_t bytes);
size_t used();
// The most that may be allocated, for tests of exhaustion.
void set_capacity(size_t bytes);
size_t capacity();
}  // namespace memory

// What went wrong in a launch. `text` holds kernel, block, thread, PTX line and source line.
struct Fault {
  enum class Kind { none, configuration, memory, race, barrier, uninitialised, other };
  Kind kind = Kind::none;
  std::string text;
};

// Runs a kernel to its end. `arguments` are pointers to the values, as of cudaLaunchKernel.
Fault launch(const Kernel& kernel, Size3 grid, Size3 block, const void* const* arguments,
             size_t dynamic_shared, Counters* counters);

}  // namespace emulator
