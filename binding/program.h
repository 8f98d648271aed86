#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "device.h"

namespace aa {

// Note [programs]. Queueing an operation costs JavaScript tens of microseconds: arguments are judged,
// tensors made, parameters read by name. A video asks for the same operations frame after frame. So
// lib/program.ts lets the addon write down what it queues: for each operation its function and its
// parameters, and where in these the pointers are. Played, a sequence takes one call: the pointers
// are set to the tensors of the frame, and the stream runs the operations as one task.
//
// Tensors are of four kinds. Inputs are given for each play. Constants, the weights, stay where they
// are. Outputs are made by each play. Intermediates lie in an arena of the device, at places that
// are planned once: two share bytes only if one is read for the last time before the other is
// written. All programs of a lane use the same arena, as their work is in order.
//
// Every tensor has one operation that writes it, so an operation depends on those that write what it
// reads, and on no other. A GPU runs what does not depend on one another side by side. There two
// intermediates share bytes only if all that read the one are among those that the writer of the
// other depends on, however indirectly: no order comes about by memory alone.
//
// There, too, what differs from play to play is reached through a table of addresses, so that all
// parameters stay: see Note [indirect pointers] in cuda/indirect.cuh.
//
// A GPU has two lanes, and programs of the one run beside those of the other: see Lanes, and Note
// [lanes] in cuda/device.cu.

// Parameters of any operation, as bytes, and how to run them.
struct Recorded {
  using Function = void (*)();
  using Run = void (*)(Function, Context&, const void*);
  Run run = nullptr;
  Function function = nullptr;
  std::vector<std::byte> parameters;

  template <class Parameters>
  static Recorded of(void (*function)(Context&, const Parameters&), const Parameters& parameters) {
    static_assert(std::is_trivially_copyable_v<Parameters>);
    const auto* bytes = reinterpret_cast<const std::byte*>(&parameters);
    return {[](Function f, Context& context, const void* p) {
              reinterpret_cast<void (*)(Context&, const Parameters&)>(f)(
                  context, *static_cast<const Parameters*>(p));
            },
            reinterpret_cast<Function>(function),
            {bytes, bytes + sizeof(Parameters)}};
  }
};

// What a recording knows of a tensor.
struct TensorInfo {
  uint64_t serial;  // no other tensor ever has it; 0: no tensor
  const char* data;
  size_t bytes;
  Type type;
  std::vector<int> shape;
};

// Operations that run again on other tensors.
class Program {
 public:
  // Most operations of one: a batch of the GPU counts as many (count_ in cuda/device.cu).
  static constexpr size_t most_steps = 256;

  size_t arena() const { return arena_; }
  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }
  size_t size() const { return steps_.size(); }
  // Queues it on the device's stream. The tensors are in the order of inputs() and outputs().
  static void play(std::shared_ptr<const Program> program, Device& device, int lane,
                   std::vector<void*> inputs, std::vector<void*> outputs);

 private:
  friend class Recorder;
  // A tensor: its number in inputs_, outputs_ or constants_, or its place in the arena.
  struct Slot {
    enum Kind { input, output, constant, intermediate } kind;
    size_t place;
    size_t bytes;
  };
  struct Pointer {
    size_t at;  // in parameters_
    size_t slot, offset;
    size_t entry;  // in table_; direct: none
  };
  static constexpr size_t direct = SIZE_MAX;
  struct Entry {
    size_t slot, offset;
  };
  struct Step {
    const char* op;
    Recorded::Run run;
    Recorded::Function function;
    size_t parameters;            // where they start
    std::vector<size_t> outputs;  // slots
    std::vector<size_t> after;    // the steps it waits for; those they wait for are left out
  };
  using Words = std::vector<std::max_align_t>;  // aligned as parameters need to be
  void run(Device& device, int lane, char* arena, const std::vector<void*>& inputs,
           const std::vector<void*>& outputs) const;

  std::vector<TensorInfo> inputs_, outputs_;
  std::vector<const char*> constants_;
  std::vector<Slot> slots_;
  std::vector<Pointer> pointers_;
  std::vector<Entry> table_;  // of inputs and outputs
  std::vector<Step> steps_;
  std::vector<std::byte> parameters_;
  size_t arena_ = 0;
};

// Deals programs out to a device's lanes: each goes where it can begin first, as if every operation
// took the same time, and nothing else. So what needs what the last program of a lane makes follows
// it, and what does not runs beside. On JavaScript's thread.
class Lanes {
 public:
  explicit Lanes(int count) : count_(count) {}
  struct Turn {
    int lane;
    double end;  // when it is over
  };
  // `ready`: when what the program reads is there.
  Turn add(double ready, size_t operations);

 private:
  int count_;
  double ends_[most_lanes] = {};
};

// Collects the operations of a program while they run for the first time.
class Recorder {
 public:
  // An operation on `tensors`, of which those from `first_output` on are made by it. `at` and
  // `shifted` are the same but for the pointers: those into tensor i are shift(i) apart.
  void add(const char* op, const Recorded& at, const Recorded& shifted,
           std::vector<TensorInfo> tensors, size_t first_output);
  static uintptr_t shift(size_t i) { return uintptr_t(i + 1) << 48; }
  // Added to the shift of a pointer that has to be direct.
  static constexpr uintptr_t direct = uintptr_t(1) << 63;
  // `branches`: steps may run side by side. Throws Error when a tensor of unknown origin is read.
  std::shared_ptr<const Program> finish(std::vector<TensorInfo> inputs,
                                        std::vector<TensorInfo> constants,
                                        std::vector<TensorInfo> outputs, bool branches) const;

 private:
  struct Pointer {
    size_t at, tensor, offset;
    bool direct;
  };
  struct Step {
    const char* op;
    Recorded recorded;
    std::vector<TensorInfo> tensors;
    size_t first_output;
    std::vector<Pointer> pointers;
  };
  std::vector<Step> steps_;
};

}  // namespace aa
