#pragma once
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "program.h"
#include "tensor.h"

namespace aa {

// An operation as JavaScript asks for it: its tensors and its parameters by name. Arguments were
// judged in lib/ops.
class Call {
 public:
  Call(const char* op, std::shared_ptr<Device> device, Napi::Object params)
      : op(op), device(std::move(device)), params_(params) {}

  const char* op;
  std::shared_ptr<Device> device;
  std::vector<Tensor*> in;  // null where an optional input is absent
  std::vector<Tensor*> out;
  Recorded* recorded = nullptr;
  bool shifts = false;  // pointers are those that Recorder::add finds again

  int integer(const std::string& name) const { return value(name).As<Napi::Number>().Int32Value(); }
  float number(const std::string& name) const {
    return value(name).As<Napi::Number>().FloatValue();
  }
  bool flag(const std::string& name) const { return value(name).As<Napi::Boolean>().Value(); }
  int integer(const std::string& name, size_t i) const;  // of an array

  template <class T = float>
  const T* input(size_t i) const {
    return i < in.size() && in[i] ? static_cast<const T*>(shifted(in[i]->data(), i)) : nullptr;
  }
  // From its element `at` on.
  const float* input_from(size_t i, size_t at) const {
    return reinterpret_cast<const float*>(input<char>(i) + at * size_of(in[i]->type()));
  }
  // Packed weights: kernels do not ask where they are.
  const float* weights(size_t i) const {
    return static_cast<const float*>(shifted(in[i]->data(), i, Recorder::direct));
  }
  Napi::Object params() const { return params_; }

  template <class T = float>
  T* output(size_t i) const {
    return static_cast<T*>(shifted(out[i]->data(), in.size() + i));
  }
  // Input i at nameY, nameX; empty where absent.
  Window window(size_t i, const std::string& name) const;
  // An output's size, at outY, outX.
  Region region(size_t i) const;
  Extent extent(const std::string& name) const { return {number(name + "H"), number(name + "W")}; }

  // Queues function(parameters) on the device's stream; while `recorded` is set, puts it there
  // instead.
  template <class Parameters>
  void push(void (*function)(Context&, const Parameters&), const Parameters& parameters) {
    if (recorded) {
      *recorded = Recorded::of(function, parameters);
      return;
    }
    push_task(
        [function, parameters, device = device.get()] { function(device->context(), parameters); });
  }

 private:
  void* shifted(void* data, size_t tensor, uintptr_t mark = 0) const {
    if (!shifts) return data;
    return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(data) + Recorder::shift(tensor) +
                                   mark);
  }
  Napi::Value value(const std::string& name) const;
  void push_task(std::function<void()> run);
  Napi::Object params_;
};

// What is to be packed: { out, taps, channels }.
Conv2dPack packing(Napi::Object params);

// Queues the operation of that name. Numbers of tensors; an optional input that is absent has -1.
void enqueue(const std::string& op, std::shared_ptr<Device> device, Napi::Int32Array inputs,
             Napi::Int32Array outputs, Napi::Object params);

}  // namespace aa
