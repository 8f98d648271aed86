#include "transfers.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "engine.h"
#include "runtime.h"

namespace emulator {

namespace {

struct Pinned {
  size_t bytes;
  bool ours;
};

std::mutex pinned_mutex;

std::map<const std::byte*, Pinned>& ranges() {
  static std::map<const std::byte*, Pinned> it;
  return it;
}

bool forget(void* data, bool ours) {
  const std::lock_guard lock(pinned_mutex);
  const auto found = ranges().find(static_cast<std::byte*>(data));
  if (found == ranges().end() || found->second.ours != ours) return false;
  ranges().erase(found);
  return true;
}

bool to_device(cudaMemcpyKind kind) {
  return kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
}

bool from_device(cudaMemcpyKind kind) {
  return kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
}

// From the first to the last byte of rows.
size_t extent(size_t pitch, size_t width, size_t rows) {
  return rows == 0 || width == 0 ? 0 : pitch * (rows - 1) + width;
}

std::string text(const char* what, const void* data, size_t bytes) {
  char line[160];
  std::snprintf(line, sizeof line, "%s: %zu bytes at %p are not within an allocation of the device",
                what, bytes, data);
  return line;
}

}  // namespace

void* pinned::allocate(size_t bytes) {
  void* data = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!data) return nullptr;
  std::memset(data, 0xff, bytes);
  const std::lock_guard lock(pinned_mutex);
  ranges()[static_cast<std::byte*>(data)] = {bytes, true};
  return data;
}

bool pinned::free(void* data) {
  const bool found = forget(data, true);
  if (found) std::free(data);
  return found;
}

void pinned::add(void* data, size_t bytes) {
  const std::lock_guard lock(pinned_mutex);
  ranges()[static_cast<std::byte*>(data)] = {bytes, false};
}

bool pinned::remove(void* data) { return forget(data, false); }

bool pinned::contains(const void* data, size_t bytes) {
  const auto* at = static_cast<const std::byte*>(data);
  const std::lock_guard lock(pinned_mutex);
  auto next = ranges().upper_bound(at);
  if (next == ranges().begin()) return false;
  const auto& [start, range] = *std::prev(next);
  return at + bytes <= start + range.bytes;
}

void Copy::check() {
  if (kind == cudaMemcpyDefault) {
    const bool to_device = memory::contains(to, 1), from_device = memory::contains(from, 1);
    kind = cudaMemcpyKind((to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost) +
                          (from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost));
  }
  require(kind >= cudaMemcpyHostToHost && kind <= cudaMemcpyDeviceToDevice,
          cudaErrorInvalidMemcpyDirection);
  require(rows <= 1 || (to_pitch >= width && from_pitch >= width), cudaErrorInvalidPitchValue);
  const size_t to_bytes = extent(to_pitch, width, rows);
  const size_t from_bytes = extent(from_pitch, width, rows);
  if (to_bytes == 0) return;
  require(to && from);
  if (to_device(kind) && !memory::contains(to, to_bytes)) {
    print(text("copy to the device", to, to_bytes));
    throw Error{cudaErrorInvalidValue};
  }
  if (from_device(kind) && !memory::contains(from, from_bytes)) {
    print(text("copy from the device", from, from_bytes));
    throw Error{cudaErrorInvalidValue};
  }
}

void Copy::stage() {
  const size_t bytes = extent(from_pitch, width, rows);
  if (bytes == 0 || from_device(kind) || pinned::contains(from, bytes)) return;
  staged = std::make_shared<std::byte[]>(bytes);
  std::memcpy(staged.get(), from, bytes);
  from = staged.get();
}

bool Copy::waits() const {
  return !to_device(kind) && !pinned::contains(to, extent(to_pitch, width, rows));
}

void Copy::run() const {
  const size_t to_bytes = extent(to_pitch, width, rows);
  const size_t from_bytes = extent(from_pitch, width, rows);
  if (to_bytes == 0) return;
  // Again, for it may have been freed since.
  if (to_device(kind) && !memory::contains(to, to_bytes)) {
    return break_device(cudaErrorIllegalAddress, text("copy to the device", to, to_bytes));
  }
  if (from_device(kind) && !memory::contains(from, from_bytes)) {
    return break_device(cudaErrorIllegalAddress, text("copy from the device", from, from_bytes));
  }
  for (size_t row = 0; row < rows; ++row) {
    auto* target = static_cast<std::byte*>(to) + row * to_pitch;
    const auto* source = static_cast<const std::byte*>(from) + row * from_pitch;
    std::memmove(target, source, width);
    if (kind == cudaMemcpyHostToDevice) memory::mark_initialised(target, width);
    if (kind == cudaMemcpyDeviceToDevice) memory::copy_initialised(target, source, width);
  }
}

void Fill::check() const {
  require(value_size == 1 || value_size == 2 || value_size == 4);
  require(rows <= 1 || pitch >= width * value_size, cudaErrorInvalidPitchValue);
  const size_t bytes = extent(pitch, width * value_size, rows);
  if (bytes == 0) return;
  require(reinterpret_cast<uintptr_t>(to) % value_size == 0);
  if (!memory::contains(to, bytes)) {
    print(text("memset", to, bytes));
    throw Error{cudaErrorInvalidValue};
  }
}

void Fill::run() const {
  const size_t bytes = extent(pitch, width * value_size, rows);
  if (bytes == 0) return;
  if (!memory::contains(to, bytes)) {
    return break_device(cudaErrorIllegalAddress, text("memset", to, bytes));
  }
  for (size_t row = 0; row < rows; ++row) {
    auto* target = static_cast<std::byte*>(to) + row * pitch;
    for (size_t i = 0; i < width; ++i) std::memcpy(target + i * value_size, &value, value_size);
    memory::mark_initialised(target, width * value_size);
  }
}

}  // namespace emulator
