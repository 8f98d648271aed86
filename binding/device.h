#pragma once
#include <memory>
#include <string>
#include <vector>

#include "operations.h"
#include "pool.h"
#include "stream.h"

namespace aa {

// One CPU or GPU with its stream and its memory. Made, used and disposed of on one JavaScript
// thread; the stream's thread runs the work.
class Device {
 public:
  virtual ~Device() = default;
  virtual const Operations& operations() const = 0;
  virtual int threads() const = 0;
  virtual Context& context() = 0;
  // Copies between the device's memory and the host's; called on the stream's thread.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void fill(void* data, int byte, size_t bytes) = 0;

  void* allocate(size_t bytes) { return pool_.allocate(bytes); }
  void release(void* data) {
    if (!stopped_) pool_.release(data, stream_->pushed());
  }
  void trim() { pool_.trim(stream_->completed()); }
  Stream& stream() { return *stream_; }
  Budget& budget() { return budget_; }
  size_t used() const { return pool_.used(); }
  // Drops queued work and waits for the task in hand. The tensors' memory goes with it.
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    stream_->stop();
    pool_.clear();
  }
  bool stopped() const { return stopped_; }

  bool poison = false;  // fills an operation's outputs with NaN before it runs

 protected:
  Device(MemorySource& source, size_t limit)
      : budget_(limit), pool_(source, budget_), stream_(new Stream) {
    pool_.set_completed(&stream_->completed());
  }
  Budget budget_;
  Pool pool_;
  std::unique_ptr<Stream> stream_;
  bool stopped_ = false;
};

// A kind of device this build knows of. What is not usable says why.
struct DeviceInfo {
  std::string name, kind, reason;
  bool usable;
};
std::vector<DeviceInfo> list_devices();
std::shared_ptr<Device> create_device(const std::string& name, int threads, size_t memory_limit);

namespace cpu {
std::string instruction_set();
std::shared_ptr<Device> create_device(int threads, size_t memory_limit);
}  // namespace cpu

}  // namespace aa
