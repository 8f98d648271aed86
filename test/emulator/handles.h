// Objects that a program holds as opaque pointers. A pointer to what there is not is found out.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

#include "runtime.h"

namespace emulator {

// Handle is the program's type, such as cudaEvent_t.
template <class T, class Handle>
class Handles {
 public:
  Handle add(std::shared_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    const auto handle = reinterpret_cast<Handle>(object.get());
    objects_[handle] = std::move(object);
    return handle;
  }
  std::shared_ptr<T> find(Handle handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(handle);
    require(found != objects_.end(), cudaErrorInvalidResourceHandle);
    return found->second;
  }
  void remove(Handle handle) {
    const std::lock_guard lock(mutex_);
    require(objects_.erase(handle) != 0, cudaErrorInvalidResourceHandle);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<Handle, std::shared_ptr<T>> objects_;
};

}  // namespace emulator
