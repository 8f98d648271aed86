// Launches of kernels: the rules of their configuration, and their run.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

#include "fatbinary.h"

namespace emulator {

// A launch with its arguments, ready to run at any time, any number of times.
class KernelLaunch {
 public:
  // Copies the values. Throws what cudaLaunchKernel would return.
  KernelLaunch(const HostFunction& function, dim3 grid, dim3 block, size_t dynamic_shared,
               const void* const* values);
  // A fault leaves the device broken.
  void run() const;

 private:
  const Kernel* kernel_;
  Size3 grid_, block_;
  size_t dynamic_shared_;
  std::vector<std::byte> values_;
  std::vector<size_t> offsets_;  // of the arguments in values_
};

// The most dynamic shared memory that a launch of the function may ask for.
size_t most_dynamic_shared(const HostFunction& function);

// The piece of a stream's work that a kernel is in, and what is over when that begins.
struct StreamPlace {
  size_t stream = 0;
  uint64_t piece = 0;
  std::vector<uint64_t> clock;  // pieces of each stream
};
// Where in a launched graph a kernel is.
struct GraphPlace {
  uint64_t graph = 0;         // the number of the graph's launch; 0: in none
  std::vector<size_t> after;  // the counted launches it waits for: places in take_counters()
};
// Of what runs next.
void set_stream_place(StreamPlace place);
void set_graph_place(GraphPlace place);

struct CountedLaunch {
  Counters counters;
  Size3 grid, block;
  size_t dynamic_shared;
  GraphPlace graph;
  StreamPlace stream;
};
// What ran since the last call, in order; filled while settings().count is on.
std::vector<CountedLaunch> take_counters();
size_t counted_launches();
// How many ran since the start or reset().
uint64_t launches();
void forget_launches();

}  // namespace emulator
