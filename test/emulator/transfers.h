// Copies and fills of device memory, and the host's pinned memory.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

namespace emulator {

// The host's pinned memory, which the device can copy from and to by itself, later.
namespace pinned {
void* allocate(size_t bytes);  // null: none left
bool free(void* data);
void add(void* data, size_t bytes);  // memory of somebody else
bool remove(void* data);
bool contains(const void* data, size_t bytes);
}  // namespace pinned

// Rows of bytes from one place to another.
struct Copy {
  void* to;
  size_t to_pitch;
  const void* from;
  size_t from_pitch;
  size_t width, rows;
  cudaMemcpyKind kind;

  static Copy flat(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return {to, bytes, from, bytes, bytes, 1, kind};
  }
  // Settles cudaMemcpyDefault; throws for what no copy can be.
  void check();
  // Reads pageable host memory now. The copy then holds the bytes.
  void stage();
  // Writes to pageable host memory, so that the caller has to wait for it.
  bool waits() const;
  // An address that the device does not have leaves it broken.
  void run() const;

  std::shared_ptr<std::byte[]> staged = {};
};

// Rows of one value of 1, 2 or 4 bytes.
struct Fill {
  void* to;
  size_t pitch;  // in bytes
  unsigned value;
  size_t value_size;
  size_t width;  // in values
  size_t rows;

  static Fill flat(void* to, int value, size_t bytes) {
    return {to, bytes, unsigned(value) & 0xff, 1, bytes, 1};
  }
  void check() const;
  void run() const;
};

}  // namespace emulator
