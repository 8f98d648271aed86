// cudart: devices, versions and errors.
#include <cstdio>
#include <cstring>

#include "architectures.h"
#include "cudart.h"

using namespace emulator;

namespace {

constexpr int old_driver = 11040;  // CUDA 11.4

const Architecture& here() { return architecture(runtime_settings().capability); }

void check_device(int device) { require(device == 0, cudaErrorInvalidDevice); }

int attribute(cudaDeviceAttr which) {
  const Architecture& a = here();
  switch (which) {
    case cudaDevAttrComputeCapabilityMajor:
      return runtime_settings().capability / 10;
    case cudaDevAttrComputeCapabilityMinor:
      return runtime_settings().capability % 10;
    case cudaDevAttrMultiProcessorCount:
      return a.processors;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return int(default_shared_per_block);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return int(a.shared_per_block);
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return int(a.shared_per_processor);
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return int(a.shared_reserved);
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      return threads_per_block;
    case cudaDevAttrMaxBlockDimZ:
      return 64;
    case cudaDevAttrMaxGridDimX:
      return 0x7fffffff;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      return 0xffff;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return a.threads_per_processor;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return a.blocks_per_processor;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return 65536;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrL2CacheSize:
      return 4 << 20;
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrAsyncEngineCount:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

extern "C" {

cudaError_t cudaDriverGetVersion(int* version) {
  switch (runtime_settings().driver) {
    case Driver::none:
      *version = 0;
      break;
    case Driver::old:
      *version = old_driver;
      break;
    default:
      *version = CUDART_VERSION;
  }
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return call([&] { *count = 1; });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&] { *device = 0; });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] { check_device(device); });
}

cudaError_t cudaInitDevice(int device, unsigned, unsigned) { return cudaSetDevice(device); }

cudaError_t cudaSetDeviceFlags(unsigned) {
  return call([] {});
}

cudaError_t cudaDeviceSynchronize() {
  return call([] { scheduler().wait_for_all(); });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  return call([&] {
    check_device(device);
    require(value);
    *value = attribute(which);
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int size, int device) {
  return call([&] {
    check_device(device);
    std::snprintf(id, size_t(size), "0000:00:00.0");
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  return call([&] {
    check_device(device);
    std::memset(p, 0, sizeof *p);
    const Architecture& a = here();
    std::snprintf(p->name, sizeof p->name, "emulator");
    p->major = attribute(cudaDevAttrComputeCapabilityMajor);
    p->minor = attribute(cudaDevAttrComputeCapabilityMinor);
    p->totalGlobalMem = memory::capacity();
    p->multiProcessorCount = a.processors;
    p->sharedMemPerBlock = default_shared_per_block;
    p->sharedMemPerBlockOptin = a.shared_per_block;
    p->sharedMemPerMultiprocessor = a.shared_per_processor;
    p->reservedSharedMemPerBlock = a.shared_reserved;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = threads_per_block;
    p->maxThreadsPerMultiProcessor = a.threads_per_processor;
    p->maxBlocksPerMultiProcessor = a.blocks_per_processor;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = threads_per_block;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 0xffff;
    p->l2CacheSize = attribute(cudaDevAttrL2CacheSize);
    p->memoryPoolsSupported = p->unifiedAddressing = p->concurrentKernels = 1;
    p->asyncEngineCount = 1;
  });
}

cudaError_t cudaGetLastError() { return last_error(true); }
cudaError_t cudaPeekAtLastError() { return last_error(false); }

}  // extern "C"
