#pragma once

namespace aa {

// What a kernel may ask of the device that runs it. Each backend has its own and is handed only
// that: cpu/context.h, cuda/launch.cuh.
class Context {
 protected:
  ~Context() = default;
};

}  // namespace aa
