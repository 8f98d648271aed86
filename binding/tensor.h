#pragma once
#include <napi.h>

#include <memory>

#include "device.h"
#include "program.h"

namespace aa {

// The handle behind lib/tensor.ts: memory of a device and its shape. Disposing it returns the
// memory to the pool at once.
class Tensor : public Napi::ObjectWrap<Tensor> {
 public:
  static Napi::Function define(Napi::Env env);
  // Floats of rank 4 are stored as the device stores maps, see Note [maps].
  static Napi::Object create(Napi::Env env, std::shared_ptr<Device> device,
                             const std::vector<int>& shape, Type type);
  explicit Tensor(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Tensor>(info) {}
  ~Tensor() override { release(); }

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
  void release();

 private:
  Napi::Value dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<Device> device_;
  void* data_ = nullptr;
  std::vector<int> shape_;
  Type type_ = Type::f32;
  uint64_t serial_ = 0;  // 0: none
};

}  // namespace aa
