#include "tensor.h"

#include <atomic>

#include "state.h"

namespace aa {

Napi::Function Tensor::define(Napi::Env env) {
  return DefineClass(env, "NativeTensor", {InstanceMethod<&Tensor::dispose>("dispose")});
}

Napi::Object Tensor::create(Napi::Env env, std::shared_ptr<Device> device,
                            const std::vector<int>& shape, Type type) {
  Napi::Object object = State::of(env).tensor.New({});
  Tensor* tensor = Unwrap(object);
  tensor->shape_ = shape;
  tensor->type_ = type == Type::f32 && shape.size() == 4 ? device->maps() : type;
  static std::atomic<uint64_t> made{0};
  tensor->serial_ = ++made;
  tensor->data_ = device->allocate(tensor->bytes());
  tensor->device_ = std::move(device);
  // So that the collector hurries when tensors are dropped instead of disposed.
  Napi::MemoryManagement::AdjustExternalMemory(env, int64_t(tensor->bytes()));
  return object;
}

size_t Tensor::elements() const {
  size_t count = 1;
  for (int side : shape_) count *= size_t(side);
  return count;
}

void Tensor::release() {
  if (!data_) return;
  device_->release(data_);
  data_ = nullptr;
  device_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -int64_t(bytes()));
}

Napi::Value Tensor::dispose(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

}  // namespace aa
