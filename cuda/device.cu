// A CUDA GPU as a device: one stream of its own, on which everything is queued in order; reading
// waits for it. Loading the addon calls nothing of CUDA, so it loads on machines without a driver.
#include <string>
#include <vector>

#include "../binding/device.h"
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

constexpr int least_capability = 75;
constexpr int threads = 256;

void check(cudaError_t status, const char* expected) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error("ERR_DEVICE", "",
              std::string("expected ") + expected + ", got " + cudaGetErrorString(status));
}

[[noreturn]] void out_of_memory(size_t bytes, const Budget& budget) {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  throw Error("ERR_OUT_OF_MEMORY", "",
              "expected " + std::to_string(bytes) +
                  " bytes of GPU memory more, got none: " + std::to_string(free) + " of " +
                  std::to_string(total) + " are free, " + std::to_string(budget.reserved()) +
                  " of the limit of " + std::to_string(budget.limit()) + " in use");
}

__global__ void __launch_bounds__(threads) store_half(const float* from, __half* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count) to[i] = stored<__half>(from[i]);
}
__global__ void __launch_bounds__(threads) load_half(const __half* from, float* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count) to[i] = value(from[i]);
}
dim3 grid_of(size_t count) { return dim3(unsigned(ceil_divide(count, threads))); }

// Segments of the pool, of one GPU. cudaMalloc and cudaFree belong to the calling thread's GPU.
class Segments final : public MemorySource {
 public:
  explicit Segments(int gpu) : gpu_(gpu) {}
  void* map(size_t bytes) override {
    void* data = nullptr;
    if (cudaSetDevice(gpu_) == cudaSuccess && cudaMalloc(&data, bytes) == cudaSuccess) return data;
    cudaGetLastError();
    return nullptr;
  }
  void unmap(void* data, size_t) override {
    cudaSetDevice(gpu_);
    cudaFree(data);
  }

 private:
  int gpu_;
};

class StreamContext final : public Context {
 public:
  StreamContext(MemorySource& source, Budget& budget) : source_(source), budget_(budget) {}

  // Before an operation: scratch memory of the last one may be used again, in stream order.
  void begin() {
    used_ = 0;
    if (chunks_.size() < 2) return;
    size_t all = 0;
    for (const Chunk& chunk : chunks_) all += chunk.bytes;
    check(cudaStreamSynchronize(stream), "the GPU to finish");
    release();
    add_chunk(all);
  }
  void release() {
    for (const Chunk& chunk : chunks_) {
      source_.unmap(chunk.data, chunk.bytes);
      budget_.give(chunk.bytes);
    }
    chunks_.clear();
  }
  void clear(void* data, size_t bytes) override {
    check(cudaMemsetAsync(data, 0, bytes, stream), "to clear memory");
  }
  cudaStream_t stream = nullptr;

 protected:
  void* scratch_bytes(size_t bytes) override {
    bytes = (bytes + 255) / 256 * 256;
    if (chunks_.empty() || used_ + bytes > chunks_.back().bytes) {
      add_chunk(std::max(bytes, size_t(1) << 20));
      used_ = 0;
    }
    char* data = chunks_.back().data + used_;
    used_ += bytes;
    return data;
  }
  void add(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
           const void* const* values, const size_t*, size_t) override {
    if (dynamic_shared > 48 * 1024) {
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(dynamic_shared)),
            "shared memory");
    }
    check(cudaLaunchKernel(kernel, grid, dim3(threads), const_cast<void**>(values), dynamic_shared,
                           stream),
          "to start");
  }

 private:
  struct Chunk {
    char* data;
    size_t bytes;
  };
  void add_chunk(size_t bytes) {
    void* data = nullptr;
    if (budget_.take(bytes)) {
      data = source_.map(bytes);
      if (!data) budget_.give(bytes);
    }
    if (!data) out_of_memory(bytes, budget_);
    chunks_.push_back({static_cast<char*>(data), bytes});
  }
  MemorySource& source_;
  Budget& budget_;
  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // of the last chunk
};

template <class P, void (*launcher)(Context&, const P&)>
void run(aa::Context& context, const P& p) {
  auto& stream = static_cast<StreamContext&>(context);
  stream.begin();
  launcher(stream, p);
}

size_t packed_size(const aa::Context& context, const Conv2dPack& p) {
  return conv2d_packed_size(static_cast<const Context&>(context), p);
}

Operations table(const char* name) {
  return {
      name,
      packed_size,
      run<Conv2dPack, conv2d_pack>,
      run<Conv2d, conv2d>,
      run<Linear, linear>,
      run<Resize, resize>,
      run<Unshuffle, unshuffle>,
      run<Normalize, normalize>,
      run<ComposeAffine, compose_affine>,
      run<PackFrame, pack_frame>,
      run<MaskedCorrelation, masked_correlation>,
      run<GaussNewton, gauss_newton>,
      run<AffineSample, affine_sample>,
      run<FrameDistance, frame_distance>,
      run<TemporalPool, temporal_pool>,
      run<NonlocalAttention, nonlocal_attention>,
      run<FlowWarp, flow_warp>,
      run<Blend, blend>,
      run<Composite, composite>,
      run<PaintNative, paint_native>,
  };
}

// Base from member: the pool's source has to be there before the pool.
struct Source {
  Segments segments;
};

class CudaDevice final : private Source, public Device {
 public:
  CudaDevice(int gpu, const DeviceOptions& options)
      : Source{Segments(gpu)}, Device(segments, options.memory_limit), context_(segments, budget_) {
    cudaDeviceProp properties;
    check(cudaSetDevice(gpu), "a GPU to open");
    check(cudaGetDeviceProperties(&properties, gpu), "a GPU's properties");
    check(cudaStreamCreateWithFlags(&context_.stream, cudaStreamNonBlocking), "a stream");
    context_.half = options.maps == Type::f16;
    context_.capability = properties.major * 10 + properties.minor;
    context_.processors = properties.multiProcessorCount;
    name_ = "sm_" + std::to_string(context_.capability);
    operations_ = table(name_.c_str());
    stream_->push({"start", [gpu] { cudaSetDevice(gpu); }, nullptr});
  }
  ~CudaDevice() override {
    stop();
    context_.release();
    cudaStreamDestroy(context_.stream);
  }
  const Operations& operations() const override { return operations_; }
  int threads() const override { return 0; }
  aa::Context& context() override { return context_; }
  Type maps() const override { return context_.half ? Type::f16 : Type::f32; }

  void write(void* to, Type type, const void* from, size_t count) override {
    context_.begin();
    void* staged = to;
    if (type == Type::f16) staged = context_.scratch<float>(count);
    const size_t bytes = count * (type == Type::u8 ? 1 : 4);
    check(cudaMemcpyAsync(staged, from, bytes, cudaMemcpyHostToDevice, context_.stream),
          "a copy to the GPU");
    if (type == Type::f16) {
      context_.launch(store_half, grid_of(count), cuda::threads, 0,
                      static_cast<const float*>(staged), static_cast<__half*>(to), count);
    }
    wait();
  }
  void read(void* to, Type type, const void* from, size_t count) override {
    context_.begin();
    const void* staged = from;
    if (type == Type::f16) {
      float* floats = context_.scratch<float>(count);
      context_.launch(load_half, grid_of(count), cuda::threads, 0, static_cast<const __half*>(from),
                      floats, count);
      staged = floats;
    }
    const size_t bytes = count * (type == Type::u8 ? 1 : 4);
    check(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyDeviceToHost, context_.stream),
          "a copy from the GPU");
    wait();
  }
  void poison(void* data, size_t bytes) override {
    check(cudaMemsetAsync(data, 0xff, bytes, context_.stream), "to fill memory");
  }

 private:
  // Where a kernel's fault shows.
  void wait() { check(cudaStreamSynchronize(context_.stream), "what was queued before to finish"); }
  StreamContext context_;
  std::string name_;
  Operations operations_;
};

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    std::string reason = "there is no GPU";
    if (driver == 0) {
      reason = "there is no CUDA driver";
    } else if (driver < runtime) {
      reason = "the CUDA driver supports CUDA " + version(driver) + ", expected " +
               version(runtime) + " or later";
    } else if (status != cudaSuccess && status != cudaErrorNoDevice) {
      reason = cudaGetErrorString(status);
    }
    return {{"cuda:0", "cuda", reason, false}};
  }
  std::vector<DeviceInfo> all;
  for (int gpu = 0; gpu < count; ++gpu) {
    DeviceInfo info{"cuda:" + std::to_string(gpu), "cuda", "", false};
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, gpu) != cudaSuccess) {
      info.reason = "its properties cannot be read";
    } else {
      const int capability = properties.major * 10 + properties.minor;
      info.usable = capability >= least_capability;
      info.reason = std::string(properties.name) + ", " +
                    std::to_string(properties.totalGlobalMem >> 20) + " MiB, compute capability " +
                    std::to_string(properties.major) + "." + std::to_string(properties.minor);
      if (!info.usable) info.reason += ", expected 7.5 or later";
    }
    all.push_back(info);
  }
  return all;
}

std::shared_ptr<Device> create_device(int gpu, const DeviceOptions& options) {
  return std::make_shared<CudaDevice>(gpu, options);
}

}  // namespace aa::cuda
