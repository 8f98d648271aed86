// The GPUs there are. Loading the addon calls nothing of CUDA, so it loads where there is no driver.
#include <cuda_runtime.h>

#include <string>

#include "../binding/device.h"

namespace aa::cuda {

namespace {

constexpr int least_capability = 75;

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

}  // namespace aa::cuda
