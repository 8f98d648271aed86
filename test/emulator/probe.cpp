// How tests reach the emulator that is in their process: an addon that shares libemulator.so with
// the one under test. probe.ts is its typed face.
#include <cxxabi.h>
#include <napi.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "graphs.h"
#include "launches.h"
#include "runtime.h"
#include "streams.h"

namespace {

using namespace emulator;

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return text ? text.get() : name;
}

Napi::Object to_object(Napi::Env env, const Counters& counters) {
  auto object = Napi::Object::New(env);
  const auto put = [&](const char* name, uint64_t value) { object.Set(name, double(value)); };
  put("mma", counters.mma);
  put("math", counters.math);
  put("address", counters.address);
  put("memory", counters.memory);
  put("control", counters.control);
  put("other", counters.other);
  put("mmaOperations", counters.mma_operations);
  put("threadInstructions", counters.thread_instructions);
  put("divergent", counters.divergent);
  put("loadBytes", counters.load_bytes);
  put("loadSectors", counters.load_sectors);
  put("storeBytes", counters.store_bytes);
  put("storeSectors", counters.store_sectors);
  put("sharedAccesses", counters.shared_accesses);
  put("sharedCycles", counters.shared_cycles);
  put("sharedConflicts", counters.shared_conflicts);
  put("barriers", counters.barriers);
  return object;
}

Napi::Array to_array(Napi::Env env, const Size3& size) {
  auto array = Napi::Array::New(env, 3);
  array.Set(0u, size.x);
  array.Set(1u, size.y);
  array.Set(2u, size.z);
  return array;
}

Size3 to_size(const Napi::Value& value) {
  if (!value.IsArray()) return {};
  const auto array = value.As<Napi::Array>();
  const auto at = [&](uint32_t i) { return Napi::Value(array[i]).ToNumber().Uint32Value(); };
  return {at(0), at(1), at(2)};
}

const char* name_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::none:
      return "none";
    case Fault::Kind::configuration:
      return "configuration";
    case Fault::Kind::memory:
      return "memory";
    case Fault::Kind::race:
      return "race";
    case Fault::Kind::barrier:
      return "barrier";
    case Fault::Kind::uninitialised:
      return "uninitialised";
    case Fault::Kind::other:
      break;
  }
  return "other";
}

// The arguments of a kernel, arrays among them in device memory as long as this lives.
class Arguments {
 public:
  explicit Arguments(const Napi::Array& list) {
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value value = list[i];
      values_.push_back(value.IsTypedArray() || value.IsDataView() ? array(value)
                                                                   : number(value.ToObject()));
    }
    for (const uint64_t& value : values_) pointers_.push_back(&value);
  }
  ~Arguments() {
    for (const Array& each : arrays_) memory::free(each.device);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  size_t size() const { return pointers_.size(); }
  const void* const* pointers() const { return pointers_.data(); }
  void read_back() const {
    for (const Array& each : arrays_) std::memcpy(each.host, each.device, each.bytes);
  }

 private:
  struct Array {
    void* device;
    void* host;
    size_t bytes;
  };

  uint64_t allocate(void* host, size_t bytes) {
    void* device = memory::allocate(bytes);
    if (!device) throw std::runtime_error("out of memory");
    arrays_.push_back({device, host, host ? bytes : 0});
    return reinterpret_cast<uint64_t>(device);
  }

  uint64_t array(const Napi::Value& value) {
    const auto view = value.As<Napi::Object>();
    auto buffer = view.Get("buffer").As<Napi::ArrayBuffer>();
    auto* host =
        static_cast<std::byte*>(buffer.Data()) + view.Get("byteOffset").ToNumber().Uint32Value();
    const size_t bytes = view.Get("byteLength").ToNumber().Uint32Value();
    const uint64_t address = allocate(host, bytes);
    std::memcpy(arrays_.back().device, host, bytes);
    memory::mark_initialised(arrays_.back().device, bytes);
    return address;
  }

  uint64_t number(const Napi::Object& value) {
    uint64_t bits = 0;
    if (value.Has("u32")) {
      bits = value.Get("u32").ToNumber().Uint32Value();
    } else if (value.Has("u64")) {
      bool lossless;
      bits = value.Get("u64").As<Napi::BigInt>().Uint64Value(&lossless);
    } else if (value.Has("f32")) {
      const float number = value.Get("f32").ToNumber().FloatValue();
      std::memcpy(&bits, &number, sizeof number);
    } else if (value.Has("uninitialised")) {
      bits = allocate(nullptr, value.Get("uninitialised").ToNumber().Uint32Value());
    } else {
      throw std::runtime_error("an argument is an array, u32, u64, f32 or uninitialised");
    }
    return bits;
  }

  std::vector<Array> arrays_;
  std::vector<uint64_t> values_;
  std::vector<const void*> pointers_;
};

template <class Body>
Napi::Value guarded(const Napi::CallbackInfo& info, const Body& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Value set_one(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const std::string name = info[0].ToString(), value = info[1].ToString();
    Scheduler::instance().while_idle([&] { set(name, value); });
    return info.Env().Undefined();
  });
}

Napi::Value counters(const Napi::CallbackInfo& info) {
  auto list = Napi::Array::New(info.Env());
  for (const CountedLaunch& each : take_counters()) {
    auto object = to_object(info.Env(), each.counters);
    object.Set("kernel", demangled(each.counters.kernel));
    object.Set("grid", to_array(info.Env(), each.grid));
    object.Set("block", to_array(info.Env(), each.block));
    object.Set("dynamicShared", double(each.dynamic_shared));
    object.Set("graph", double(each.graph.graph));
    auto after = Napi::Array::New(info.Env());
    for (const size_t other : each.graph.after) after.Set(after.Length(), double(other));
    object.Set("after", after);
    object.Set("stream", double(each.stream.stream));
    object.Set("piece", double(each.stream.piece));
    auto clock = Napi::Array::New(info.Env());
    for (const uint64_t pieces : each.stream.clock) clock.Set(clock.Length(), double(pieces));
    object.Set("clock", clock);
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Value run(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const auto module = parse(info[0].ToString());
    const std::string name = info[1].ToString();
    const Kernel* kernel = module->kernel(name);
    if (!kernel) throw std::runtime_error("no kernel of the name " + name);
    const auto options = info[2].ToObject();
    const Arguments arguments(options.Get("arguments").As<Napi::Array>());
    if (arguments.size() != kernel->parameters().size()) {
      throw std::runtime_error(name + " takes " + std::to_string(kernel->parameters().size()) +
                               " arguments, got " + std::to_string(arguments.size()));
    }
    const Napi::Value shared = options.Get("shared");
    const size_t bytes = shared.IsNumber() ? shared.ToNumber().Uint32Value() : 0;
    Counters counters;
    Fault fault;
    Scheduler::instance().while_idle([&] {
      fault = launch(*kernel, to_size(options.Get("grid")), to_size(options.Get("block")),
                     arguments.pointers(), bytes, settings().count ? &counters : nullptr);
    });
    arguments.read_back();
    auto told = Napi::Object::New(info.Env());
    told.Set("kind", name_of(fault.kind));
    told.Set("text", fault.text);
    auto result = Napi::Object::New(info.Env());
    result.Set("fault", told);
    result.Set("counters", to_object(info.Env(), counters));
    return Napi::Value(result);
  });
}

Napi::Value count_launches(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(launches()));
}

Napi::Value count_graphs(const Napi::CallbackInfo& info) {
  const GraphCounts& counts = graph_counts();
  auto object = Napi::Object::New(info.Env());
  object.Set("made", double(counts.made));
  object.Set("launched", double(counts.launched));
  object.Set("set", double(counts.set));
  return object;
}

void forget(const Napi::CallbackInfo&) { reset(); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("set", Napi::Function::New(env, set_one));
  exports.Set("counters", Napi::Function::New(env, counters));
  exports.Set("launches", Napi::Function::New(env, count_launches));
  exports.Set("graphs", Napi::Function::New(env, count_graphs));
  exports.Set("reset", Napi::Function::New(env, forget));
  exports.Set("run", Napi::Function::New(env, run));
  return exports;
}

}  // namespace

NODE_API_MODULE(probe, initialise)
