// cudart: what nvcc's host code registers, launches, and attributes of functions.
#include <cstring>

#include "architectures.h"
#include "cudart.h"

using namespace emulator;

namespace {

struct Configuration {
  dim3 grid, block;
  size_t dynamic_shared;
  cudaStream_t stream;
};
// Of kernel<<<...>>>, between its brackets and its call.
thread_local std::vector<Configuration> configurations;

cudaError_t start(const void* function, dim3 grid, dim3 block, void** values, size_t dynamic_shared,
                  cudaStream_t stream) {
  return call([&] {
    const HostFunction& found = Registry::instance().function(function);
    enqueue(stream, KernelLaunch(found, grid, block, dynamic_shared, values));
  });
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  return reinterpret_cast<void**>(Registry::instance().add(wrapper));
}

void __cudaRegisterFatBinaryEnd(void**) {}
// Queued work may still refer to it.
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void** binary, const char* host, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  Registry::instance().add_function(reinterpret_cast<FatBinary*>(binary), host, name);
}

void __cudaRegisterVar(void** binary, char* host, char*, const char* name, int, size_t, int, int) {
  Registry::instance().add_variable(reinterpret_cast<FatBinary*>(binary), host, name);
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_shared,
                                     cudaStream_t stream) {
  configurations.push_back({grid, block, dynamic_shared, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* dynamic_shared,
                                       void* stream) {
  if (configurations.empty()) return note(cudaErrorMissingConfiguration);
  const Configuration& top = configurations.back();
  *grid = top.grid;
  *block = top.block;
  *dynamic_shared = top.dynamic_shared;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  configurations.pop_back();
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
  return note(attempt(
      [&] { *kernel = reinterpret_cast<cudaKernel_t>(&Registry::instance().function(host)); }));
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** values,
                               size_t dynamic_shared, cudaStream_t stream) {
  return start(kernel, grid, block, values, dynamic_shared, stream);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** values,
                             size_t dynamic_shared, cudaStream_t stream) {
  return start(function, grid, block, values, dynamic_shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* configuration, const void* function,
                                void** values) {
  const auto& c = *configuration;
  return start(function, c.gridDim, c.blockDim, values, c.dynamicSmemBytes, c.stream);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return call([&] {
    HostFunction& found = Registry::instance().function(function);
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return;
    const size_t limit = architecture(runtime_settings().capability).shared_per_block;
    require(value >= 0 && size_t(value) + found.kernel().static_shared() <= limit);
    found.dynamic_shared = size_t(value);
  });
}

cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache) {
  return call([&] { Registry::instance().function(function); });
}

// Registers are the assembler's to allot, and there is none here: 0.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return call([&] {
    const HostFunction& found = Registry::instance().function(function);
    const Kernel& kernel = found.kernel();
    std::memset(attributes, 0, sizeof *attributes);
    attributes->sharedSizeBytes = kernel.static_shared();
    attributes->localSizeBytes = kernel.local_bytes();
    attributes->maxThreadsPerBlock = kernel.most_threads();
    attributes->maxDynamicSharedSizeBytes = int(most_dynamic_shared(found));
    attributes->ptxVersion = attributes->binaryVersion = runtime_settings().capability;
  });
}

// By threads and shared memory; what registers would allow is not known.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void* function, int threads, size_t dynamic_shared, unsigned) {
  return call([&] {
    const HostFunction& found = Registry::instance().function(function);
    require(blocks && threads > 0);
    const Architecture& a = architecture(runtime_settings().capability);
    const size_t shared = found.kernel().static_shared() + dynamic_shared + a.shared_reserved;
    const bool runs =
        threads <= found.kernel().most_threads() && dynamic_shared <= most_dynamic_shared(found);
    const int rounded = (threads + 31) / 32 * 32;
    *blocks = std::min(a.blocks_per_processor, a.threads_per_processor / rounded);
    if (shared > 0) *blocks = std::min(*blocks, int(a.shared_per_processor / shared));
    if (!runs) *blocks = 0;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int threads, size_t dynamic_shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads,
                                                                dynamic_shared, 0);
}

}  // extern "C"
