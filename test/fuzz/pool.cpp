// libFuzzer on the device's pool of memory: requests, releases, limits and a system that has none,
// in an order that the input says. Blocks that are out must not overlap, and all must come back.
#include "../../binding/pool.h"

#include <sys/mman.h>

#include <cstdint>
#include <vector>

namespace {

void expect(bool holds) {
  if (!holds) __builtin_trap();
}

struct Source : aa::MemorySource {
  size_t mapped = 0;
  bool empty = false;
  void* map(size_t bytes) override {
    if (empty) return nullptr;
    // Pages that are there when they are touched: an allocator would touch all of them.
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(data != MAP_FAILED);
    mapped += bytes;
    return data;
  }
  void unmap(void* data, size_t bytes) override {
    mapped -= bytes;
    munmap(data, bytes);
  }
};

struct Out {
  unsigned char *data, mark;
  size_t bytes;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < 1) return 0;
  Source source;
  aa::Budget budget(size_t(1 + input[0]) << 20);
  std::vector<Out> out;
  {
    size_t ticket = 0;
    aa::Pool* self = nullptr;
    aa::Pool pool(source, budget, [&] { self->trim(ticket); });
    self = &pool;
    for (size_t i = 1; i + 1 < size; i += 2) {
      const unsigned what = input[i] % 8, how = input[i + 1];
      if (what < 4) {
        // Small ones, and those over a segment's size.
        const size_t bytes = what == 3 ? size_t(how) << 17 : size_t(how) << (what * 4);
        try {
          auto* data = static_cast<unsigned char*>(pool.allocate(bytes));
          const Out block = {data, input[i], bytes};
          if (bytes) data[0] = data[bytes - 1] = block.mark;
          out.push_back(block);
        } catch (const aa::Error&) {
        }
      } else if (what < 6 && !out.empty()) {
        const size_t at = how % out.size();
        const Out block = out[at];
        if (block.bytes)
          expect(block.data[0] == block.mark && block.data[block.bytes - 1] == block.mark);
        pool.release(block.data, ++ticket);
        out.erase(out.begin() + std::ptrdiff_t(at));
      } else if (what == 6) {
        pool.trim(how < 128 ? ticket : ticket / 2);
      } else {
        source.empty = how < 32;
        budget.fail_after(how < 64 ? int(how % 8) : -1);
      }
      expect(source.mapped == budget.reserved() && budget.reserved() <= budget.limit());
      size_t used = 0;
      for (const Out& block : out) used += block.bytes;
      expect(pool.used() >= used && pool.used() <= budget.reserved());
    }
    for (const Out& block : out) {
      if (block.bytes)
        expect(block.data[0] == block.mark && block.data[block.bytes - 1] == block.mark);
      pool.release(block.data, ++ticket);
    }
    expect(pool.used() == 0);
    pool.trim(ticket);
    expect(source.mapped == 0 && budget.reserved() == 0);
  }
  return 0;
}
