#include "launches.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "architectures.h"
#include "runtime.h"

namespace emulator {

namespace {

std::mutex counters_mutex;
std::vector<CountedLaunch> counted;
GraphPlace graph_place;
StreamPlace stream_place;
std::atomic<uint64_t> launched = 0;

// Values are aligned as device code may read them: vectors of 16 bytes.
constexpr size_t value_alignment = 16;

void check(const HostFunction& function, const Kernel& kernel, dim3 grid, dim3 block,
           size_t dynamic_shared) {
  const auto side = [](unsigned n, unsigned most) {
    require(n >= 1 && n <= most, cudaErrorInvalidConfiguration);
  };
  side(grid.x, 0x7fffffff);
  side(grid.y, 0xffff);
  side(grid.z, 0xffff);
  side(block.x, threads_per_block);
  side(block.y, threads_per_block);
  side(block.z, 64);
  const size_t threads = size_t(block.x) * block.y * block.z;
  require(threads <= threads_per_block, cudaErrorInvalidConfiguration);
  if (threads > size_t(kernel.most_threads())) {
    print(kernel.name() + ": " + std::to_string(threads) + " threads, more than its bound of " +
          std::to_string(kernel.most_threads()));
    throw Error{cudaErrorLaunchOutOfResources};
  }
  if (dynamic_shared > most_dynamic_shared(function)) {
    print(kernel.name() + ": " + std::to_string(dynamic_shared) +
          " bytes of dynamic shared memory, more than the " +
          std::to_string(most_dynamic_shared(function)) +
          " that it may have (cudaFuncSetAttribute, and the architecture's limit)");
    throw Error{cudaErrorInvalidValue};
  }
}

}  // namespace

size_t most_dynamic_shared(const HostFunction& function) {
  const size_t fixed = function.kernel().static_shared();
  const size_t limit = architecture(runtime_settings().capability).shared_per_block;
  const size_t without = default_shared_per_block > fixed ? default_shared_per_block - fixed : 0;
  const size_t with = limit > fixed ? limit - fixed : 0;
  return std::min(std::max<size_t>(function.dynamic_shared, without), with);
}

KernelLaunch::KernelLaunch(const HostFunction& function, dim3 grid, dim3 block,
                           size_t dynamic_shared, const void* const* values)
    : kernel_(&function.kernel()),
      grid_{grid.x, grid.y, grid.z},
      block_{block.x, block.y, block.z},
      dynamic_shared_(dynamic_shared) {
  check(function, *kernel_, grid, block, dynamic_shared);
  const auto& parameters = kernel_->parameters();
  require(values || parameters.empty());
  for (const auto& parameter : parameters) {
    offsets_.push_back(values_.size());
    const size_t rounded = (parameter.size + value_alignment - 1) / value_alignment;
    values_.resize(values_.size() + rounded * value_alignment);
    std::memcpy(&values_[offsets_.back()], values[offsets_.size() - 1], parameter.size);
  }
}

void KernelLaunch::run() const {
  if (fails_now(runtime_settings().fail_launch)) {
    break_device(cudaErrorLaunchFailure, kernel_->name() + ": fails as asked for (failLaunch)");
    return;
  }
  std::vector<const void*> arguments;
  for (const size_t offset : offsets_) arguments.push_back(&values_[offset]);
  Counters counters;
  const bool count = settings().count;
  const Fault fault = launch(*kernel_, grid_, block_, arguments.data(), dynamic_shared_,
                             count ? &counters : nullptr);
  ++launched;
  if (count) {
    counters.kernel = kernel_->name();
    counters.launches = 1;
    const std::lock_guard lock(counters_mutex);
    counted.push_back({counters, grid_, block_, dynamic_shared_, graph_place, stream_place});
  }
  switch (fault.kind) {
    case Fault::Kind::none:
      return;
    case Fault::Kind::memory:
    case Fault::Kind::uninitialised:
      break_device(cudaErrorIllegalAddress, fault.text);
      return;
    default:
      break_device(cudaErrorLaunchFailure, fault.text);
  }
}

std::vector<CountedLaunch> take_counters() {
  const std::lock_guard lock(counters_mutex);
  return std::exchange(counted, {});
}

size_t counted_launches() {
  const std::lock_guard lock(counters_mutex);
  return counted.size();
}

void set_stream_place(StreamPlace place) {
  const std::lock_guard lock(counters_mutex);
  stream_place = std::move(place);
}

void set_graph_place(GraphPlace place) {
  const std::lock_guard lock(counters_mutex);
  graph_place = std::move(place);
}

uint64_t launches() { return launched; }

void forget_launches() {
  const std::lock_guard lock(counters_mutex);
  counted.clear();
  launched = 0;
}

}  // namespace emulator
