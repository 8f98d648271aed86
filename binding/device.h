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
  // Memory for the intermediates of programs, the same for all of them: see Note [programs] in
  // program.h. Throws Error ERR_OUT_OF_MEMORY.
  void* arena(size_t bytes) {
    if (arena_ && bytes <= arena_bytes_) return arena_;
    drop_arena();
    arena_ = allocate(bytes);
    arena_bytes_ = bytes;
    return arena_;
  }
  // A program's work, on the stream's thread: before it, after each of its operations, after it.
  // `after`: the numbers of the operations of the program that this one waits for.
  virtual void program_begins() {}
  virtual void step_ends(const char*, const std::vector<size_t>& /*after*/) {}
  virtual void program_ends() {}
  // Whether operations of a program may run side by side.
  virtual bool branches() const { return false; }
  // Gives memory back that nothing uses any more.
  virtual void trim() {
    drop_arena();
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
  void drop_arena() {
    if (arena_) release(arena_);
    arena_ = nullptr;
  }
  void* arena_ = nullptr;
  size_t arena_bytes_ = 0;
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
