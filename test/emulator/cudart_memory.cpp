// cudart: memory, copies, fills and device variables.
#include "architectures.h"
#include "cudart.h"

using namespace emulator;

namespace {

// There is one pool, of which nothing is ever kept back.
int pool;
uint64_t release_threshold = 0;

cudaMemPool_t default_pool() { return reinterpret_cast<cudaMemPool_t>(&pool); }

void allocate(void** data, size_t bytes) {
  require(data);
  *data = nullptr;
  if (bytes == 0) return;
  require(!fails_now(runtime_settings().fail_allocation), cudaErrorMemoryAllocation);
  *data = memory::allocate(bytes);
  if (*data) return;
  // Some may be queued to be freed.
  scheduler().wait_for_all();
  *data = memory::allocate(bytes);
  require(*data, cudaErrorMemoryAllocation);
}

void allocate_pinned(void** data, size_t bytes) {
  require(data);
  *data = nullptr;
  if (bytes == 0) return;
  require(!fails_now(runtime_settings().fail_allocation), cudaErrorMemoryAllocation);
  *data = pinned::allocate(bytes);
  require(*data, cudaErrorMemoryAllocation);
}

void copy_later(Copy copy, cudaStream_t stream) {
  copy.check();
  const bool captured = scheduler().find(stream)->capture != nullptr;
  if (!captured) copy.stage();
  const Point point = enqueue(stream, copy);
  if (copy.waits()) scheduler().wait(point);
}

// In the default stream, so streams that do not block with it are not waited for.
void copy_now(Copy copy) {
  copy.check();
  scheduler().wait(enqueue(nullptr, copy));
}

void fill_later(const Fill& fill, cudaStream_t stream) {
  fill.check();
  enqueue(stream, fill);
}

std::byte* variable(const void* symbol, size_t bytes, size_t offset) {
  const auto found = Registry::instance().variable(symbol);
  require(offset <= found.size && bytes <= found.size - offset);
  return reinterpret_cast<std::byte*>(found.address) + offset;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** data, size_t bytes) {
  return call([&] { allocate(data, bytes); });
}

cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t stream) {
  return call([&] {
    scheduler().find(stream);
    allocate(data, bytes);
  });
}

cudaError_t cudaFree(void* data) {
  return release([&] {
    scheduler().wait_for_all();
    if (data) require(memory::free(data));
  });
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  if (device_state()) return cudaFree(data);
  return call([&] {
    if (!data) return;
    require(memory::contains(data, 1));
    scheduler().queue(uncaptured(stream), [data] { memory::free(data); });
  });
}

cudaError_t cudaMallocHost(void** data, size_t bytes) {
  return call([&] { allocate_pinned(data, bytes); });
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  return cudaMallocHost(data, bytes);
}

cudaError_t cudaFreeHost(void* data) {
  return release([&] {
    scheduler().wait_for_all();
    if (data) require(pinned::free(data));
  });
}

cudaError_t cudaHostRegister(void* data, size_t bytes, unsigned) {
  return call([&] { pinned::add(data, bytes); });
}

cudaError_t cudaHostUnregister(void* data) {
  return release([&] {
    scheduler().wait_for_all();
    require(pinned::remove(data), cudaErrorHostMemoryNotRegistered);
  });
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  return call([&] {
    const size_t capacity = memory::capacity(), used = memory::used();
    if (available) *available = capacity > used ? capacity - used : 0;
    if (total) *total = capacity;
  });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* result, int device) {
  return call([&] {
    require(device == 0, cudaErrorInvalidDevice);
    *result = default_pool();
  });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t which, cudaMemPoolAttr attribute, void* value) {
  return call([&] {
    require(which == default_pool() && value);
    if (attribute == cudaMemPoolAttrReleaseThreshold) {
      release_threshold = *static_cast<uint64_t*>(value);
    }
  });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t which, cudaMemPoolAttr attribute, void* value) {
  return call([&] {
    require(which == default_pool() && value);
    if (attribute == cudaMemPoolAttrReleaseThreshold) {
      *static_cast<uint64_t*>(value) = release_threshold;
    } else if (attribute == cudaMemPoolAttrReservedMemCurrent ||
               attribute == cudaMemPoolAttrUsedMemCurrent) {
      *static_cast<uint64_t*>(value) = memory::used();
    } else {
      throw Error{cudaErrorNotSupported};
    }
  });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t which, size_t) {
  return call([&] { require(which == default_pool()); });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call([&] { copy_now(Copy::flat(to, from, bytes, kind)); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call([&] { copy_later(Copy::flat(to, from, bytes, kind), stream); });
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t rows, cudaMemcpyKind kind) {
  return call([&] { copy_now({to, to_pitch, from, from_pitch, width, rows, kind}); });
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t rows, cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] { copy_later({to, to_pitch, from, from_pitch, width, rows, kind}, stream); });
}

// As on a card, the caller does not wait for it.
cudaError_t cudaMemset(void* data, int value, size_t bytes) {
  return call([&] { fill_later(Fill::flat(data, value, bytes), nullptr); });
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  return call([&] { fill_later(Fill::flat(data, value, bytes), stream); });
}

cudaError_t cudaMemset2DAsync(void* data, size_t pitch, int value, size_t width, size_t rows,
                              cudaStream_t stream) {
  return call([&] { fill_later({data, pitch, unsigned(value) & 0xff, 1, width, rows}, stream); });
}

cudaError_t cudaGetSymbolAddress(void** data, const void* symbol) {
  return call([&] { *data = variable(symbol, 0, 0); });
}

cudaError_t cudaGetSymbolSize(size_t* bytes, const void* symbol) {
  return call([&] { *bytes = Registry::instance().variable(symbol).size; });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  return call([&] { copy_now(Copy::flat(variable(symbol, bytes, offset), from, bytes, kind)); });
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes,
                                    size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return call(
      [&] { copy_later(Copy::flat(variable(symbol, bytes, offset), from, bytes, kind), stream); });
}

cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  return call([&] { copy_now(Copy::flat(to, variable(symbol, bytes, offset), bytes, kind)); });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  return call([&] {
    *attributes = {};
    void* const address = const_cast<void*>(data);
    if (memory::contains(data, 1)) {
      attributes->type = cudaMemoryTypeDevice;
      attributes->devicePointer = address;
    } else if (pinned::contains(data, 1)) {
      attributes->type = cudaMemoryTypeHost;
      attributes->hostPointer = address;
    } else {
      attributes->type = cudaMemoryTypeUnregistered;
    }
  });
}

}  // extern "C"
