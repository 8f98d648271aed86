#pragma once
#include <napi.h>

#include <memory>
#include <vector>

namespace aa {

class Tensor;

// The numbers of tensors. Outlives the environment's state with those that are still there.
struct Numbers {
  std::vector<Tensor*> tensors;  // by number; null: none has it
  std::vector<int> free;         // of those that were released
};

// What the addon keeps per JavaScript environment (the main thread and each worker thread have
// their own).
struct State {
  Napi::FunctionReference tensors_class;
  std::shared_ptr<Numbers> numbers = std::make_shared<Numbers>();
  static State& of(Napi::Env env) { return *env.GetInstanceData<State>(); }
};

}  // namespace aa
