#include "memory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace emulator::memory {

namespace {

constexpr size_t guard = 4096;  // before and after each allocation

struct Free {
  void operator()(void* p) const { std::free(p); }
};

struct Allocation {
  uint64_t begin = 0;
  size_t size = 0;
  bool counted = true;
  bool complete = false;  // all is initialised, whatever the flags say
  std::unique_ptr<void, Free> data;
  std::unique_ptr<uint8_t, Free> flags;

  uint64_t end() const { return begin + size; }
};

struct Heap {
  std::mutex mutex;
  std::map<uint64_t, Allocation> allocations;
  size_t used = 0;
  size_t capacity = size_t{16} << 30;

  Allocation* find(uint64_t address) {
    auto next = allocations.upper_bound(address);
    if (next == allocations.begin()) return nullptr;
    Allocation& a = std::prev(next)->second;
    return address < a.end() ? &a : nullptr;
  }
};

// Alive as long as the process: memory may be freed by destructors of statics.
Heap& heap() {
  static Heap* const instance = new Heap;
  return *instance;
}

void* add(size_t bytes, bool counted) {
  Heap& h = heap();
  Allocation a;
  a.size = bytes ? bytes : 1;
  a.counted = counted;
  std::lock_guard lock(h.mutex);
  if (counted && (a.size > h.capacity || h.used > h.capacity - a.size)) return nullptr;
  a.data.reset(std::aligned_alloc(guard, (a.size + 3 * guard - 1) / guard * guard));
  a.flags.reset(static_cast<uint8_t*>(std::calloc(a.size, 1)));
  if (!a.data || !a.flags) return nullptr;
  a.begin = reinterpret_cast<uint64_t>(a.data.get()) + guard;
  void* const data = reinterpret_cast<void*>(a.begin);
  std::memset(data, 0xff, a.size);  // NaN in every format
  if (counted) h.used += a.size;
  h.allocations.emplace(a.begin, std::move(a));
  return data;
}

}  // namespace

void* allocate(size_t bytes) { return add(bytes, true); }

void* allocate_variable(size_t bytes) {
  void* const data = add(bytes, false);
  if (!data) throw std::bad_alloc();
  std::memset(data, 0, bytes);
  mark_initialised(data, bytes);
  return data;
}

bool free(void* data) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  auto found = h.allocations.find(reinterpret_cast<uint64_t>(data));
  if (found == h.allocations.end()) return false;
  if (found->second.counted) h.used -= found->second.size;
  h.allocations.erase(found);
  return true;
}

bool find(uint64_t address, Region& region) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  const Allocation* a = h.find(address);
  if (!a) return false;
  region = {a->begin, a->end(), a->complete ? nullptr : a->flags.get()};
  return true;
}

bool contains(const void* data, size_t bytes) {
  Region region;
  const uint64_t begin = reinterpret_cast<uint64_t>(data);
  return find(begin, region) && bytes <= region.end - begin;
}

void mark_initialised(void* data, size_t bytes, bool initialised) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  const uint64_t begin = reinterpret_cast<uint64_t>(data);
  Allocation* a = h.find(begin);
  if (!a || bytes > a->end() - begin || bytes == 0) return;
  if (a->complete && initialised) return;
  if (a->complete) std::memset(a->flags.get(), 1, a->size);
  a->complete = initialised && bytes == a->size;
  std::memset(a->flags.get() + (begin - a->begin), initialised, bytes);
}

void copy_initialised(void* to, const void* from, size_t bytes) {
  Heap& h = heap();
  std::unique_lock lock(h.mutex);
  const uint64_t target = reinterpret_cast<uint64_t>(to);
  const uint64_t source = reinterpret_cast<uint64_t>(from);
  const Allocation* a = h.find(source);
  Allocation* b = h.find(target);
  if (!a || !b || bytes > a->end() - source || bytes > b->end() - target) return;
  if (a->complete) {
    lock.unlock();
    return mark_initialised(to, bytes);
  }
  if (b->complete) std::memset(b->flags.get(), 1, b->size);
  b->complete = false;
  std::memmove(b->flags.get() + (target - b->begin), a->flags.get() + (source - a->begin), bytes);
}

size_t used() {
  std::lock_guard lock(heap().mutex);
  return heap().used;
}

void set_capacity(size_t bytes) {
  std::lock_guard lock(heap().mutex);
  heap().capacity = bytes;
}

size_t capacity() {
  std::lock_guard lock(heap().mutex);
  return heap().capacity;
}

std::string describe(uint64_t address) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  char text[160];
  auto next = h.allocations.upper_bound(address);
  if (next == h.allocations.begin()) {
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  } else {
    const Allocation& a = std::prev(next)->second;
    std::snprintf(text, sizeof text, "0x%llx, byte %llu of an allocation of %zu bytes",
                  static_cast<unsigned long long>(address),
                  static_cast<unsigned long long>(address - a.begin), a.size);
  }
  return text;
}

}  // namespace emulator::memory
