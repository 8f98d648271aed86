// A CUDA GPU as a device.
#include <cstring>
#include <map>
#include <memory>

#include "../binding/device.h"
#include "map.cuh"
#include "operations.cuh"

namespace aa::cuda {

namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error("ERR_DEVICE", "",
              std::string("expected ") + what + " to work, got " + cudaGetErrorString(status));
}

__global__ void store_half(const float* from, __half* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = __float2half_rn(from[i]);
}
__global__ void load_half(const __half* from, float* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = __half2float(from[i]);
}

class DirectContext final : public Context {
 public:
  ~DirectContext() {
    for (auto& piece : pieces_) cudaFree(piece);
  }
  void begin() {
    for (auto& piece : pieces_) cudaFree(piece);
    pieces_.clear();
  }
  void clear(void* data, size_t bytes) override { check(cudaMemset(data, 0, bytes), "clear"); }

 protected:
  void* scratch_bytes(size_t bytes) override {
    void* data;
    check(cudaMalloc(&data, bytes), "scratch");
    pieces_.push_back(data);
    return data;
  }
  void add(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
           const void* const* values, const size_t*, size_t) override {
    if (dynamic_shared > 48 * 1024)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(dynamic_shared)),
            "shared memory");
    check(cudaLaunchKernel(kernel, grid, dim3(threads), const_cast<void**>(values), dynamic_shared,
                           0),
          "launch");
    check(cudaDeviceSynchronize(), "kernel");
  }
  std::vector<void*> pieces_;
};

class Source : public MemorySource {
 public:
  void* map(size_t bytes) override {
    void* data = nullptr;
    return cudaMalloc(&data, bytes) == cudaSuccess ? data : nullptr;
  }
  void unmap(void* data, size_t) override { cudaFree(data); }
} source;

template <class P, void (*launcher)(Context&, const P&)>
void run(aa::Context& context, const P& p) {
  auto& direct = static_cast<DirectContext&>(context);
  direct.begin();
  launcher(direct, p);
}

size_t packed_size(const aa::Context& context, const Conv2dPack& p) {
  return conv2d_packed_size(static_cast<const Context&>(context), p);
}

const Operations table = {
    "cuda",
    packed_size,
#ifndef AA_CUDA_ONLY
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
#endif
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const DeviceOptions& options) : Device(source, options.memory_limit) {
    context_.half = options.maps == Type::f16;
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, 0), "properties");
    context_.capability = properties.major * 10 + properties.minor;
    context_.processors = properties.multiProcessorCount;
  }
  ~CudaDevice() override { stop(); }
  const Operations& operations() const override { return table; }
  int threads() const override { return 1; }
  aa::Context& context() override { return context_; }
  Type maps() const override { return context_.half ? Type::f16 : Type::f32; }
  void write(void* to, Type type, const void* from, size_t count) override {
    if (type != Type::f16) {
      check(cudaMemcpy(to, from, count * size_of(type), cudaMemcpyHostToDevice), "upload");
      return;
    }
    float* staged;
    check(cudaMalloc(&staged, count * 4), "staging");
    check(cudaMemcpy(staged, from, count * 4, cudaMemcpyHostToDevice), "upload");
    context_.launch(store_half, dim3(unsigned((count + 255) / 256)), 256, 0, staged,
                    static_cast<__half*>(to), count);
    cudaFree(staged);
  }
  void read(void* to, Type type, const void* from, size_t count) override {
    if (type != Type::f16) {
      check(cudaMemcpy(to, from, count * size_of(type), cudaMemcpyDeviceToHost), "read");
      return;
    }
    float* staged;
    check(cudaMalloc(&staged, count * 4), "staging");
    context_.launch(load_half, dim3(unsigned((count + 255) / 256)), 256, 0,
                    static_cast<const __half*>(from), staged, count);
    check(cudaMemcpy(to, staged, count * 4, cudaMemcpyDeviceToHost), "read");
    cudaFree(staged);
  }
  void poison(void* data, size_t bytes) override { check(cudaMemset(data, 0xff, bytes), "poison"); }

 private:
  DirectContext context_;
};

}  // namespace

std::vector<DeviceInfo> list_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
    return {{"cuda:0", "cuda", "no CUDA driver or no GPU", false}};
  return {{"cuda:0", "cuda", "found", true}};
}

std::shared_ptr<Device> create_device(int, const DeviceOptions& options) {
  return std::make_shared<CudaDevice>(options);
}

}  // namespace aa::cuda
