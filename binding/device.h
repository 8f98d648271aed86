#pragma once
#include <memory>
#include <string>
#include <vector>

#include "operations.h"
#include "pool.h"
#include "stream.h"

namespace aa {

// What a tensor's values are stored as; JavaScript sees f16 as f32.
enum class Type { f32, f16, u8 };
inline size_t size_of(Type type) { return type == Type::f32 ? 4 : type == Type::f16 ? 2 : 1; }

class Recorder;

// Memory of a device that work reads or writes.
struct Use {
  const char* begin;
  const char* end;
  bool writes;
};

constexpr int most_lanes = 2;
// Addresses that a program's operations find in a table, so many at most: they are a kernel's
// parameters, which take 4 KiB.
constexpr size_t most_indirect = 500;

// One CPU or GPU with its stream and its memory. Made, used and disposed of on one JavaScript
// thread; the stream's thread runs the work.
class Device {
 public:
  virtual ~Device() = default;
  virtual const Operations& operations() const = 0;
  virtual int threads() const = 0;
  virtual Context& context() = 0;
  virtual Type maps() const { return Type::f32; }  // what maps are stored as
  // Tasks that bring `count` values from the host and to it, where f16 is f32. What is written is
  // copied now, or if `later`, when the task runs; what is read is there when `done` is called.
  // Throw Error ERR_OUT_OF_MEMORY.
  virtual Stream::Task write(void* to, Type type, const void* from, size_t count, bool later) = 0;
  virtual Stream::Task read(void* to, Type type, const void* from, size_t count,
                            Stream::Done done) = 0;
  // Fills with NaN, on the stream's thread.
  virtual void poison(void* data, size_t bytes) = 0;

  void* allocate(size_t bytes) { return pool_.allocate(bytes); }
  void release(void* data) {
    if (!stopped_) pool_.release(data, stream_->pushed());
  }
  // Memory for the intermediates of a lane's programs, the same for all of them: see Note [programs]
  // in program.h. Throws Error ERR_OUT_OF_MEMORY.
  void* arena(int lane, size_t bytes) {
    Arena& it = arenas_[lane];
    if (it.data && bytes <= it.bytes) return it.data;
    drop(it);
    it.data = allocate(bytes);
    it.bytes = bytes;
    return it.data;
  }
  // A program's work, on the stream's thread: before it, after each of its operations, after it.
  // `uses`: all memory that it reads and writes. `table`: addresses of what differs from play to
  // play, most_indirect at most; answers the pointer by which operations reach the first, 8 bytes
  // behind it that for the second, and so on, or null where they take addresses as they are. `after`:
  // the numbers of the operations of the program that this one waits for.
  virtual char* program_begins(int /*lane*/, const std::vector<Use>& /*uses*/,
                               const std::vector<const char*>& /*table*/) {
    return nullptr;
  }
  virtual void step_ends(const char*, const std::vector<size_t>& /*after*/) {}
  virtual void program_ends() {}
  // How many programs may run side by side; and if several, also operations of one.
  virtual int lanes() const { return 1; }
  // Gives memory back that nothing uses any more.
  virtual void trim() {
    for (Arena& it : arenas_) drop(it);
    pool_.trim(stream_->completed());
  }
  Stream& stream() { return *stream_; }
  Budget& budget() { return budget_; }
  size_t used() const { return pool_.used(); }
  // Drops queued work and waits for what was started. The tensors' memory goes with it.
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    stream_->stop();
    halt();
    pool_.clear();
  }
  bool stopped() const { return stopped_; }

  bool poisoning = false;              // fills an operation's outputs with NaN before it runs
  bool idle = false;                   // operations do nothing: to time the host alone
  std::shared_ptr<Recorder> recorder;  // while a program is recorded

 protected:
  Device(MemorySource& source, size_t limit, Stream::Follower* follower = nullptr)
      : budget_(limit),
        pool_(source, budget_, [this] { trim(); }),
        stream_(std::make_unique<Stream>(follower)) {}
  // Waits for work that outlives the stream's thread; no `done` is called any more.
  virtual void halt() {}
  Budget budget_;
  Pool pool_;
  std::unique_ptr<Stream> stream_;
  bool stopped_ = false;

 private:
  struct Arena {
    void* data = nullptr;
    size_t bytes = 0;
  };
  void drop(Arena& it) {
    if (it.data) release(it.data);
    it.data = nullptr;
  }
  Arena arenas_[most_lanes];
};

// A kind of device this build knows of. What is not usable says why.
struct DeviceInfo {
  std::string name, kind, reason;
  bool usable;
};
std::vector<DeviceInfo> list_devices();

struct DeviceOptions {
  int threads;  // 0: as many as there are cores
  size_t memory_limit;
  Type maps;
};
std::shared_ptr<Device> create_device(const std::string& name, const DeviceOptions& options);

namespace cpu {
std::string instruction_set();
std::shared_ptr<Device> create_device(const DeviceOptions& options);
}  // namespace cpu

#ifdef AA_CUDA
namespace cuda {
std::vector<DeviceInfo> list_devices();
std::shared_ptr<Device> create_device(int index, const DeviceOptions& options);
}  // namespace cuda
#endif

}  // namespace aa
