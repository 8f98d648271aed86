#pragma once
#include <napi.h>

namespace aa {

// What the addon keeps per JavaScript environment (the main thread and each worker thread have
// their own).
struct State {
  Napi::FunctionReference tensor;
  static State& of(Napi::Env env) { return *env.GetInstanceData<State>(); }
};

}  // namespace aa
