#pragma once
#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "device.h"
#include "program.h"
#include "state.h"

namespace aa {

// Memory of a device and its shape.
class Tensor {
 public:
  // Floats of rank 4 are stored as the device stores maps, see Note [maps].
  Tensor(std::shared_ptr<Device> device, std::vector<int> shape, Type type);
  ~Tensor() { device_->release(data_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  void* data() const { return data_; }
  size_t elements() const;
  size_t bytes() const { return elements() * size_of(type_); }
  Type type() const { return type_; }
  int rank() const { return int(shape_.size()); }
  int dim(int i) const { return shape_[i]; }
  TensorInfo info() const {
    return {serial_, static_cast<const char*>(data_), bytes(), type_, shape_};
  }
  bool like(const TensorInfo& other) const { return type_ == other.type && shape_ == other.shape; }

  double ready = 0;  // when the program that makes it is over, see Lanes

 private:
  std::shared_ptr<Device> device_;
  std::vector<int> shape_;
  Type type_;
  uint64_t serial_;
  void* data_;
};

// Tensors that one call made, as JavaScript holds them: an object for all, since objects with memory
// behind them are dear to make and to collect, and a number for each, by which the addon is asked
// for it. A tensor that is released returns its memory to the pool at once, and its number; the
// collector releases those that are left.
class Tensors : public Napi::ObjectWrap<Tensors> {
 public:
  using Wanted = std::vector<std::pair<std::vector<int>, Type>>;
  static Napi::Function define(Napi::Env env);
  // Makes all of them, or throws; `numbers` is set to theirs.
  static Napi::Object create(Napi::Env env, const std::shared_ptr<Device>& device,
                             const Wanted& wanted, Napi::Int32Array numbers);
  explicit Tensors(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Tensors>(info) {}
  ~Tensors() override { release_all(); }
  void release_all();

 private:
  Napi::Value release(const Napi::CallbackInfo& info);
  void release(size_t i);
  std::shared_ptr<Numbers> numbers_;
  std::vector<std::pair<int, std::unique_ptr<Tensor>>> tensors_;
};

// The tensor of a number. Throws Error ERR_DISPOSED when there is none.
Tensor* tensor_of(Napi::Env env, int number);

}  // namespace aa
