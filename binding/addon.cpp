// What lib/addon.ts sees: devices, tensors, enqueue, read, and the window's copies. Everything here
// runs on the JavaScript thread, except the body of a stream's task and its `done`, and Execute.
#include <napi.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "ops.h"
#include "state.h"
#include "tensor.h"
#include "window.h"

namespace aa {

namespace {

Napi::Error js_error(Napi::Env env, const Error& error) {
  Napi::Error thrown = Napi::Error::New(env, error.what());
  thrown.Set("code", Napi::String::New(env, error.code));
  thrown.Set("op", Napi::String::New(env, error.op));
  return thrown;
}

// Runs body and throws its Error into JavaScript.
template <class Body>
Napi::Value guarded(Napi::Env env, const char* op, Body body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw js_error(env, current_error(op));
  }
}

std::vector<int> read_shape(Napi::Value value) {
  auto array = value.As<Napi::Array>();
  std::vector<int> shape;
  for (uint32_t i = 0; i < array.Length(); ++i)
    shape.push_back(array.Get(i).As<Napi::Number>().Int32Value());
  return shape;
}

Type read_type(Napi::Value value) {
  return value.As<Napi::String>().Utf8Value() == "u8" ? Type::u8 : Type::f32;
}

char* bytes_of(Napi::TypedArray array) {
  return static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}

// A read in flight: the promise, and the memory that the stream's thread fills, which becomes the
// array. JavaScript's thread does not touch it, not even to clear it.
struct Read {
  Napi::Promise::Deferred deferred;
  bool floats;
  size_t count;  // of values
  std::unique_ptr<char, decltype(&std::free)> data;
  std::optional<Error> error;

  size_t bytes() const { return count * (floats ? sizeof(float) : 1); }
  Napi::Value array(Napi::Env env) {
    Napi::ArrayBuffer buffer = take(env);
    if (floats) return Napi::Float32Array::New(env, count, buffer, 0);
    return Napi::Uint8Array::New(env, count, buffer, 0);
  }

 private:
  Napi::ArrayBuffer take(Napi::Env env) {
    napi_value value;
    const auto give_back = [](napi_env, void* memory, void*) { std::free(memory); };
    if (napi_create_external_arraybuffer(env, data.get(), bytes(), give_back, nullptr, &value) ==
        napi_ok) {
      data.release();
      return Napi::ArrayBuffer(env, value);
    }
    // Electron allows no memory from outside.
    auto buffer = Napi::ArrayBuffer::New(env, bytes());
    std::memcpy(buffer.Data(), data.get(), bytes());
    return buffer;
  }
};

// The reads of one device. Shared with the calls that settle them, which may come after the device
// is gone.
struct Reads {
  Napi::ThreadSafeFunction settle;
  std::set<Read*> open;
  bool closed = false;

  void finish(Napi::Env env, Read* read) {
    if (!open.erase(read)) return;
    std::unique_ptr<Read> owned(read);
    if (open.empty() && !closed) settle.Unref(env);
    if (read->error) {
      read->deferred.Reject(js_error(env, *read->error).Value());
    } else {
      read->deferred.Resolve(read->array(env));
    }
  }
};

class NativeDevice : public Napi::ObjectWrap<NativeDevice> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeDevice",
        {InstanceMethod<&NativeDevice::upload>("upload"),
         InstanceMethod<&NativeDevice::copied>("copied"),
         InstanceMethod<&NativeDevice::enqueue>("enqueue"),
         InstanceMethod<&NativeDevice::record>("record"),
         InstanceMethod<&NativeDevice::finish>("finish"),
         InstanceMethod<&NativeDevice::play>("play"), InstanceMethod<&NativeDevice::read>("read"),
         InstanceMethod<&NativeDevice::info>("info"), InstanceMethod<&NativeDevice::trim>("trim"),
         InstanceMethod<&NativeDevice::packed_size>("packedSize"),
         InstanceMethod<&NativeDevice::fail_after>("failAfter"),
         InstanceMethod<&NativeDevice::dispose>("dispose")});
  }

  // (name, { threads, memoryLimit in bytes, precision, poison })
  explicit NativeDevice(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeDevice>(info) {
    guarded(info.Env(), "Device", [&] {
      auto options = info[1].As<Napi::Object>();
      device_ = create_device(
          info[0].As<Napi::String>().Utf8Value(),
          {options.Get("threads").As<Napi::Number>().Int32Value(),
           size_t(options.Get("memoryLimit").As<Napi::Number>().DoubleValue()),
           options.Get("precision").As<Napi::String>().Utf8Value() == "f16" ? Type::f16
                                                                            : Type::f32});
      device_->poisoning = options.Get("poison").ToBoolean();
      device_->idle = options.Get("idle").ToBoolean();
      lanes_.emplace(device_->lanes());
      reads_ = std::make_shared<Reads>();
      reads_->settle =
          Napi::ThreadSafeFunction::New(info.Env(), Napi::Function(), "align-and-attend", 0, 1);
      reads_->settle.Unref(info.Env());
      // Runs before the environment goes: at exit, when a worker thread ends, or when a module is
      // unloaded.
      napi_add_env_cleanup_hook(info.Env(), cleanup, this);
      return info.Env().Undefined();
    });
  }
  ~NativeDevice() override { close(); }

 private:
  static void cleanup(void* self) { static_cast<NativeDevice*>(self)->close(true); }

  void close(bool environment_ends = false) {
    if (!device_) return;
    if (!environment_ends) napi_remove_env_cleanup_hook(Env(), cleanup, this);
    device_->stop();
    device_.reset();
    if (environment_ends)
      for (auto& array : to_copy_) array.SuppressDestruct();
    to_copy_.clear();
    reads_->closed = true;
    reads_->settle.Release();
    if (environment_ends) {
      for (Read* read : std::exchange(reads_->open, {})) delete read;
    }
  }

  // Usable, and its stream not poisoned.
  std::shared_ptr<Device> usable(const char* op) {
    if (!device_)
      throw Error("ERR_DISPOSED", op, "expected a device in use, got one that was disposed of");
    if (auto error = device_->stream().error()) throw *error;
    return device_;
  }

  // (data (a typed array), shape, 'f32' | 'u8', number of the tensor, set, later) -> its owner; data
  // arrives in stream order. It is copied now, or if `later`, when its turn comes: until then the
  // array is held, and nothing may write to it.
  Napi::Value upload(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), "upload", [&]() -> Napi::Value {
      auto device = usable("upload");
      auto data = info[0].As<Napi::TypedArray>();
      auto numbers = info[3].As<Napi::Int32Array>();
      Napi::Object owner =
          Tensors::create(info.Env(), device, {{read_shape(info[1]), read_type(info[2])}}, numbers);
      const Tensor* tensor = tensor_of(info.Env(), numbers[0]);
      const bool later = info[4].ToBoolean();
      try {
        Stream::Task task = device->write(tensor->data(), tensor->type(), bytes_of(data),
                                          tensor->elements(), later);
        if (later) {
          auto run = [copy = std::move(task.run), copied = copied_] {
            copy();
            ++*copied;
          };
          task.run = std::move(run);
          to_copy_.push_back(Napi::Persistent(data));
        }
        device->stream().push(std::move(task));
      } catch (...) {  // it goes back now, not when it is collected
        Tensors::Unwrap(owner)->release_all();
        throw;
      }
      return owner;
    });
  }

  // How many uploads of those with `later` were copied so far.
  Napi::Value copied(const Napi::CallbackInfo& info) {
    for (; let_go_ < *copied_; ++let_go_) to_copy_.pop_front();
    return Napi::Number::New(info.Env(), double(let_go_));
  }

  // (op, numbers of inputs, outputs [shape, type, shape, type, ...], params, numbers of the outputs,
  // set) -> the outputs' owner
  Napi::Value enqueue(const Napi::CallbackInfo& info) {
    std::string op = info[0].As<Napi::String>().Utf8Value();
    return guarded(info.Env(), op.c_str(), [&]() -> Napi::Value {
      auto device = usable(op.c_str());
      auto outputs = info[2].As<Napi::Array>();
      auto numbers = info[4].As<Napi::Int32Array>();
      Tensors::Wanted wanted;
      for (uint32_t i = 0; i + 1 < outputs.Length(); i += 2)
        wanted.emplace_back(read_shape(outputs.Get(i)), read_type(outputs.Get(i + 1)));
      Napi::Object owner = Tensors::create(info.Env(), device, wanted, numbers);
      try {
        aa::enqueue(op, device, info[1].As<Napi::Int32Array>(), numbers,
                    info[3].As<Napi::Object>());
      } catch (...) {
        Tensors::Unwrap(owner)->release_all();
        throw;
      }
      return owner;
    });
  }

  // Starts to write down what is queued; see Note [programs].
  Napi::Value record(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), "record", [&] {
      usable("record")->recorder = std::make_shared<Recorder>();
      return info.Env().Undefined();
    });
  }

  // (numbers of inputs, of constants, of outputs) -> program; without arguments what was written down is dropped.
  Napi::Value finish(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), "record", [&]() -> Napi::Value {
      if (!device_) return info.Env().Undefined();
      const auto recorder = std::move(device_->recorder);
      if (info.Length() == 0) return info.Env().Undefined();
      auto infos = [](Napi::Value value) {
        std::vector<TensorInfo> list;
        auto from = value.As<Napi::Int32Array>();
        for (size_t i = 0; i < from.ElementLength(); ++i)
          list.push_back(tensor_of(value.Env(), from[i])->info());
        return list;
      };
      using Held = std::shared_ptr<const Program>;
      return Napi::External<Held>::New(
          info.Env(),
          new Held(recorder->finish(infos(info[0]), infos(info[1]), infos(info[2]),
                                    device_->lanes() > 1)),
          [](Napi::Env, Held* held) { delete held; });
    });
  }

  // (program, numbers of inputs, numbers of the outputs, set) -> the outputs' owner
  Napi::Value play(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), "program", [&]() -> Napi::Value {
      auto device = usable("program");
      auto program = *info[0].As<Napi::External<std::shared_ptr<const Program>>>().Data();
      auto given = info[1].As<Napi::Int32Array>();
      auto numbers = info[2].As<Napi::Int32Array>();
      std::vector<void*> inputs, outputs;
      double ready = 0;
      for (const TensorInfo& expected : program->inputs()) {
        const Tensor* tensor = tensor_of(info.Env(), given[inputs.size()]);
        if (!tensor->like(expected))
          throw Error("ERR_SHAPE", "program", "expected tensors like those of its recording");
        inputs.push_back(tensor->data());
        ready = std::max(ready, tensor->ready);
      }
      Tensors::Wanted wanted;
      for (const TensorInfo& it : program->outputs()) wanted.emplace_back(it.shape, it.type);
      Napi::Object owner = Tensors::create(info.Env(), device, wanted, numbers);
      const Lanes::Turn turn = lanes_->add(ready, program->size());
      for (size_t i = 0; i < wanted.size(); ++i) {
        Tensor* tensor = tensor_of(info.Env(), numbers[i]);
        outputs.push_back(tensor->data());
        tensor->ready = turn.end;
      }
      try {
        Program::play(std::move(program), *device, turn.lane, std::move(inputs),
                      std::move(outputs));
      } catch (...) {
        Tensors::Unwrap(owner)->release_all();
        throw;
      }
      return owner;
    });
  }

  // (number, 'f32' | 'u8') -> promise of a typed array
  Napi::Value read(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    return guarded(env, "read", [&]() -> Napi::Value {
      if (!device_)
        throw Error("ERR_DISPOSED", "read",
                    "expected a device in use, got one that was disposed of");
      const Tensor* tensor = tensor_of(env, info[0].As<Napi::Number>().Int32Value());
      std::unique_ptr<Read> owned(new Read{Napi::Promise::Deferred::New(env),
                                           read_type(info[1]) == Type::f32,
                                           tensor->elements(),
                                           {nullptr, std::free},
                                           std::nullopt});
      owned->data.reset(static_cast<char*>(std::malloc(owned->bytes())));
      if (!owned->data) {
        throw Error("ERR_OUT_OF_MEMORY", "read",
                    "expected " + std::to_string(owned->bytes()) + " bytes of memory, got none");
      }
      Read* read = owned.get();
      Stream::Task task = device_->read(
          read->data.get(), tensor->type(), tensor->data(), read->count,
          [reads = reads_, read](const Error* error) {
            if (error) read->error.emplace(*error);
            reads->settle.NonBlockingCall(
                [reads, read](Napi::Env env, Napi::Function) { reads->finish(env, read); });
          });
      if (reads_->open.empty()) reads_->settle.Ref(env);
      reads_->open.insert(owned.release());
      device_->stream().push(std::move(task));
      return read->deferred.Promise();
    });
  }

  Napi::Value info(const Napi::CallbackInfo& info) {
    auto object = Napi::Object::New(info.Env());
    auto set = [&](const char* name, double value) { object.Set(name, value); };
    set("threads", device_ ? device_->threads() : 0);
    set("used", device_ ? double(device_->used()) : 0);
    set("reserved", device_ ? double(device_->budget().reserved()) : 0);
    set("peak", device_ ? double(device_->budget().peak()) : 0);
    set("limit", device_ ? double(device_->budget().limit()) : 0);
    object.Set("instructionSet", device_ ? device_->operations().name : "");
    return object;
  }

  Napi::Value trim(const Napi::CallbackInfo& info) {
    if (device_) device_->trim();
    return info.Env().Undefined();
  }

  Napi::Value packed_size(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), "packedSize", [&]() -> Napi::Value {
      auto device = usable("packedSize");
      const Conv2dPack wanted = packing(info[0].As<Napi::Object>());
      const size_t size = device->operations().conv2d_packed_size(device->context(), wanted);
      return Napi::Number::New(info.Env(), double(size));
    });
  }

  Napi::Value fail_after(const Napi::CallbackInfo& info) {
    if (device_) device_->budget().fail_after(info[0].As<Napi::Number>().Int32Value());
    return info.Env().Undefined();
  }

  // Pending reads reject: their work is dropped.
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (!device_) return env.Undefined();
    close();
    Error error("ERR_DISPOSED", "read", "expected a device in use, got one that was disposed of");
    for (Read* read : std::exchange(reads_->open, {})) {
      read->deferred.Reject(js_error(env, error).Value());
      delete read;
    }
    return env.Undefined();
  }

  std::shared_ptr<Device> device_;
  std::optional<Lanes> lanes_;
  std::shared_ptr<Reads> reads_;
  // Arrays that the stream has not copied yet, in order, and how many it has; of those so many were
  // let go.
  std::deque<Napi::Reference<Napi::TypedArray>> to_copy_;
  std::shared_ptr<std::atomic<size_t>> copied_ = std::make_shared<std::atomic<size_t>>(0);
  size_t let_go_ = 0;
};

// A frame on its way into the window, on a thread of libuv's pool. When the environment ends, Node
// waits for it; so what it refers to is given back while there is someone to take it.
class TakeFrame : public Napi::AsyncWorker {
 public:
  // (frame, mask, { width, height, channels, maskChannels }, frame's copy, mask's, thumbnail)
  explicit TakeFrame(const Napi::CallbackInfo& info)
      : Napi::AsyncWorker(info.Env(), "align-and-attend"),
        deferred_(Napi::Promise::Deferred::New(info.Env())) {
    auto size = info[2].As<Napi::Object>();
    auto number = [&](const char* name) { return size.Get(name).As<Napi::Number>().Int32Value(); };
    taking_.width = number("width");
    taking_.height = number("height");
    taking_.channels = number("channels");
    taking_.mask_channels = number("maskChannels");
    auto arrays = Napi::Array::New(info.Env(), places);
    for (uint32_t i = 0; i < places; ++i) arrays.Set(i, info[i < 2 ? i : i + 1]);
    arrays_ = Napi::Persistent(arrays);
    expect_in_place();
    auto bytes = [&](uint32_t i) {
      return reinterpret_cast<uint8_t*>(bytes_of(arrays.Get(i).As<Napi::TypedArray>()));
    };
    taking_.frame = bytes(0);
    taking_.mask = bytes(1);
    taking_.frame_copy = bytes(2);
    taking_.mask_copy = bytes(3);
    taking_.thumbnail = reinterpret_cast<float*>(bytes(4));
  }

  Napi::Value promise() const { return deferred_.Promise(); }

 private:
  static constexpr uint32_t places = 5;

  // A buffer that was transferred has left an array of no length. Asked again when the copy is
  // made: what was transferred meanwhile may have been written to by its new owner.
  void expect_in_place() const {
    const size_t pixels = taking_.pixels();
    const size_t wanted[places] = {pixels * taking_.channels, pixels * taking_.mask_channels,
                                   pixels * taking_.channels, pixels,
                                   sizeof(float) * thumbnail_columns * thumbnail_rows};
    for (uint32_t i = 0; i < places; ++i) {
      const size_t bytes = arrays_.Value().Get(i).As<Napi::TypedArray>().ByteLength();
      if (bytes != wanted[i]) {
        throw Error("ERR_ARGUMENT", "inpaint",
                    "expected a frame and its mask to stay in place until the next is asked for, "
                    "got " +
                        std::to_string(bytes) + " of " + std::to_string(wanted[i]) +
                        " bytes: a buffer was transferred");
      }
    }
  }

  void Execute() override { bounds_ = take_frame(taking_); }

  void OnOK() override {
    Napi::Env env = Env();
    try {
      expect_in_place();
    } catch (const Error& error) {
      return deferred_.Reject(js_error(env, error).Value());
    }
    if (!bounds_.h) return deferred_.Resolve(env.Undefined());
    auto bounds = Napi::Object::New(env);
    bounds.Set("y", bounds_.y);
    bounds.Set("x", bounds_.x);
    bounds.Set("h", bounds_.h);
    bounds.Set("w", bounds_.w);
    deferred_.Resolve(bounds);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  Napi::Promise::Deferred deferred_;
  Napi::Reference<Napi::Array> arrays_;
  Taking taking_{};
  Bounds bounds_{};
};

// -> promise of { y, x, h, w }, the mask's bounds, or of undefined; see TakeFrame.
Napi::Value take(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), "inpaint", [&]() -> Napi::Value {
    auto owned = std::make_unique<TakeFrame>(info);
    owned->Queue();
    return owned.release()->promise();  // it deletes itself
  });
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  auto list = Napi::Array::New(info.Env());
  for (const DeviceInfo& device : list_devices()) {
    auto row = Napi::Object::New(info.Env());
    row.Set("name", device.name);
    row.Set("kind", device.kind);
    row.Set("usable", device.usable);
    row.Set("reason", device.reason);
    list.Set(list.Length(), row);
  }
  return list;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto state = new State;
  env.SetInstanceData(state);
  state->tensors_class = Napi::Persistent(Tensors::define(env));
  exports.Set("NativeDevice", NativeDevice::define(env));
  exports.Set("takeFrame", Napi::Function::New(env, take, "takeFrame"));
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
  exports.Set("version", AA_VERSION);
  return exports;
}

}  // namespace

}  // namespace aa

using aa::initialise;
NODE_API_MODULE(align_and_attend, initialise)
