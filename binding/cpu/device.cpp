// The CPU as a device: an instruction set chosen at load, a pool of threads, memory straight from
// the system.
#include "../device.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#endif
#ifdef AA_X86
#include <cpuid.h>
#include <immintrin.h>
#endif
#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "context.h"
#include "workers.h"

namespace aa::cpu {

#ifdef AA_ARM
namespace neon {
extern const Operations operations;
}
namespace lowest = neon;
#else
namespace baseline {
extern const Operations operations;
}
namespace lowest = baseline;
#endif
#ifdef AA_X86
namespace avx2 {
extern const Operations operations;
}
namespace avx512 {
extern const Operations operations;
}
#endif

namespace {

#ifdef AA_X86
// The registers that the operating system saves, as xgetbv tells them.
__attribute__((target("xsave"))) unsigned long long saved_registers() { return _xgetbv(0); }

struct Supported {
  bool avx2 = false, avx512 = false;
};

// Not __builtin_cpu_supports: Clang without libgcc has no __cpu_model to link.
Supported supported() {
  unsigned a, b, c, d, b7, c7, d7;
  constexpr unsigned first = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & first) != first) return {};
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return {};
  constexpr unsigned long long ymm = 0x6, zmm = 0xe6;
  constexpr unsigned wide = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  const unsigned long long saved = saved_registers();
  const bool avx2 = (saved & ymm) == ymm && (b7 & bit_AVX2);
  return {avx2, avx2 && (saved & zmm) == zmm && (b7 & wide) == wide};
}
#endif

// AA_INSTRUCTION_SET picks a lower set than the machine has, for tests and comparisons.
const Operations& choose() {
  const char* wanted = std::getenv("AA_INSTRUCTION_SET");
  auto allowed = [&](const char* name) {
    return !wanted || !*wanted || std::strcmp(wanted, name) == 0;
  };
#ifdef AA_X86
  const Supported machine = supported();
  if (allowed("avx512") && machine.avx512) return avx512::operations;
  if (allowed("avx2") && machine.avx2) return avx2::operations;
#endif
  if (allowed(lowest::operations.name)) return lowest::operations;
  throw Error(
      "ERR_DEVICE", "Device",
      std::string("expected AA_INSTRUCTION_SET to name a set of this machine, got ") + wanted);
}

const Operations& operations() {
  static const Operations& chosen = choose();
  return chosen;
}

// Threads that compute stand back behind the one that runs JavaScript: with as many of them as
// cores, its timers would wait.
void stand_back() {
#ifdef __linux__
  setpriority(PRIO_PROCESS, id_t(syscall(SYS_gettid)), 5);
#endif
}

// Pages of their own, so that what is given back leaves the process.
class PageSource : public MemorySource {
 public:
  void* map(size_t bytes) override {
#ifdef _WIN32
    return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  }
  void unmap(void* data, size_t) override { VirtualFree(data, 0, MEM_RELEASE); }
#else
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? nullptr : data;
  }
  void unmap(void* data, size_t bytes) override { munmap(data, bytes); }
#endif
};

PageSource pages;

class CpuContext final : public Context {
 public:
  CpuContext(int threads, Budget& budget)
      : workers_(threads, stand_back), budget_(budget), slots_(threads + 1) {}
  ~CpuContext() {
    for (Slot& slot : slots_) free(slot);
  }
  void parallel(int tasks, void (*body)(void*, int, int), void* argument) override {
    workers_.run(tasks, body, argument);
  }
  int workers() const override { return workers_.count(); }
  void* scratch(int slot, size_t bytes) override {
    Slot& mine = slots_[slot];
    if (mine.bytes >= bytes) return mine.data;
    free(mine);
    size_t size = (bytes + 65535) / 65536 * 65536;
    if (!budget_.take(size)) {
      throw out_of_memory(size, "of scratch memory ", budget_, pages);
    }
    mine.data = pages.map(size);
    if (!mine.data) {
      budget_.give(size);
      throw std::bad_alloc();
    }
    mine.bytes = size;
    return mine.data;
  }

 private:
  struct Slot {
    void* data = nullptr;
    size_t bytes = 0;
  };
  void free(Slot& slot) {
    if (slot.data) pages.unmap(slot.data, slot.bytes);
    budget_.give(slot.bytes);
    slot = {};
  }
  Workers workers_;
  Budget& budget_;
  std::vector<Slot> slots_;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, size_t limit) : Device(pages, limit), context_(threads, budget_) {
    stream_->push({"start", stand_back, nullptr});
  }
  ~CpuDevice() override { stop(); }
  const Operations& operations() const override { return cpu::operations(); }
  int threads() const override { return context_.workers(); }
  Context& context() override { return context_; }
  Stream::Task write(void* to, Type type, const void* from, size_t count, bool later) override {
    const size_t bytes = count * size_of(type);
    if (later) return {"upload", [=] { std::memcpy(to, from, bytes); }, nullptr};
    std::shared_ptr<char[]> copy(new char[bytes]);
    std::memcpy(copy.get(), from, bytes);
    return {"upload", [=] { std::memcpy(to, copy.get(), bytes); }, nullptr};
  }
  Stream::Task read(void* to, Type type, const void* from, size_t count,
                    Stream::Done done) override {
    return {"read", [=] { std::memcpy(to, from, count * size_of(type)); }, std::move(done)};
  }
  void poison(void* data, size_t bytes) override { std::memset(data, 0xff, bytes); }

 private:
  CpuContext context_;
};

}  // namespace

std::string instruction_set() { return operations().name; }

std::shared_ptr<Device> create_device(const DeviceOptions& options) {
  int available = std::max(1u, std::thread::hardware_concurrency());
  return std::make_shared<CpuDevice>(options.threads > 0 ? options.threads : available,
                                     options.memory_limit);
}

}  // namespace aa::cpu
