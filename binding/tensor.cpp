#include "tensor.h"

#include <algorithm>
#include <atomic>

namespace aa {

namespace {

uint64_t next_serial() {
  static std::atomic<uint64_t> made{0};
  return ++made;
}

}  // namespace

Tensor::Tensor(std::shared_ptr<Device> device, std::vector<int> shape, Type type)
    : device_(std::move(device)),
      shape_(std::move(shape)),
      type_(type == Type::f32 && shape_.size() == 4 ? device_->maps() : type),
      serial_(next_serial()),
      data_(device_->allocate(bytes())) {}

size_t Tensor::elements() const {
  size_t count = 1;
  for (int side : shape_) count *= size_t(side);
  return count;
}

Napi::Function Tensors::define(Napi::Env env) {
  return DefineClass(env, "NativeTensors", {InstanceMethod<&Tensors::release>("release")});
}

Napi::Object Tensors::create(Napi::Env env, const std::shared_ptr<Device>& device,
                             const Wanted& wanted, Napi::Int32Array numbers) {
  std::vector<std::unique_ptr<Tensor>> made;
  int64_t bytes = 0;
  for (const auto& [shape, type] : wanted) {
    made.push_back(std::make_unique<Tensor>(device, shape, type));
    bytes += int64_t(made.back()->bytes());
  }
  State& state = State::of(env);
  auto& [all, free] = *state.numbers;
  Napi::Object object = state.tensors_class.New({});
  Tensors* owner = Unwrap(object);
  owner->numbers_ = state.numbers;
  for (size_t i = 0; i < made.size(); ++i) {
    if (free.empty()) {
      free.push_back(int(all.size()));
      all.push_back(nullptr);
    }
    numbers[i] = free.back();
    free.pop_back();
    all[numbers[i]] = made[i].get();
    owner->tensors_.emplace_back(numbers[i], std::move(made[i]));
  }
  // So that the collector hurries when tensors are dropped instead of disposed.
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return object;
}

void Tensors::release(size_t i) {
  const auto& [number, tensor] = tensors_[i];
  numbers_->tensors[number] = nullptr;
  numbers_->free.push_back(number);
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -int64_t(tensor->bytes()));
  tensors_.erase(tensors_.begin() + std::ptrdiff_t(i));
}

void Tensors::release_all() {
  while (!tensors_.empty()) release(tensors_.size() - 1);
}

// (number)
Napi::Value Tensors::release(const Napi::CallbackInfo& info) {
  const int number = info[0].As<Napi::Number>().Int32Value();
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const auto& it) { return it.first == number; });
  if (found != tensors_.end()) release(size_t(found - tensors_.begin()));
  return info.Env().Undefined();
}

Tensor* tensor_of(Napi::Env env, int number) {
  const auto& tensors = State::of(env).numbers->tensors;
  if (number < 0 || size_t(number) >= tensors.size() || !tensors[number])
    throw Error("ERR_DISPOSED", "tensor", "expected a tensor in use, got one that is gone");
  return tensors[number];
}

}  // namespace aa
