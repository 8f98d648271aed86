#pragma once
#include <stddef.h>

#include "../context.h"

namespace aa::cpu {

// Threads and memory. Plain virtual functions and no standard headers, because the kernels are
// compiled once per instruction set and must not leave inline functions of one set to be linked
// into another.
class Context : public aa::Context {
 public:
  // Calls body(argument, task, worker) for every task in [0, tasks), on workers [0, workers()).
  // Which worker gets which task is not fixed, so a result must not depend on it.
  virtual void parallel(int tasks, void (*body)(void* argument, int task, int worker),
                        void* argument) = 0;
  virtual int workers() const = 0;

  // Memory aligned to 64 bytes, valid until the next call for the same slot or the end of the
  // operation. Slots are the workers' numbers, and workers() for what they share.
  virtual void* scratch(int slot, size_t bytes) = 0;

 protected:
  ~Context() = default;
};

}  // namespace aa::cpu
