// cudart: names and descriptions of errors, as the runtime words those that can come up here.
#include <cuda_runtime_api.h>

namespace {

struct Description {
  cudaError_t code;
  const char* name;
  const char* text;
};

#define NAMED(code) code, #code

constexpr Description descriptions[] = {
    {NAMED(cudaSuccess), "no error"},
    {NAMED(cudaErrorInvalidValue), "invalid argument"},
    {NAMED(cudaErrorMemoryAllocation), "out of memory"},
    {NAMED(cudaErrorInitializationError), "initialization error"},
    {NAMED(cudaErrorCudartUnloading), "driver shutting down"},
    {NAMED(cudaErrorInvalidConfiguration), "invalid configuration argument"},
    {NAMED(cudaErrorInvalidPitchValue), "invalid pitch argument"},
    {NAMED(cudaErrorInvalidSymbol), "invalid device symbol"},
    {NAMED(cudaErrorInvalidMemcpyDirection), "invalid copy direction for memcpy"},
    {NAMED(cudaErrorInsufficientDriver),
     "CUDA driver version is insufficient for CUDA runtime version"},
    {NAMED(cudaErrorMissingConfiguration), "__global__ function call is not configured"},
    {NAMED(cudaErrorInvalidDeviceFunction), "invalid device function"},
    {NAMED(cudaErrorNoDevice), "no CUDA-capable device is detected"},
    {NAMED(cudaErrorInvalidDevice), "invalid device ordinal"},
    {NAMED(cudaErrorNoKernelImageForDevice),
     "no kernel image is available for execution on the device"},
    {NAMED(cudaErrorInvalidPtx), "a PTX JIT compilation failed"},
    {NAMED(cudaErrorInvalidResourceHandle), "invalid resource handle"},
    {NAMED(cudaErrorIllegalState), "the operation cannot be performed in the present state"},
    {NAMED(cudaErrorNotReady), "device not ready"},
    {NAMED(cudaErrorIllegalAddress), "an illegal memory access was encountered"},
    {NAMED(cudaErrorLaunchOutOfResources), "too many resources requested for launch"},
    {NAMED(cudaErrorHostMemoryNotRegistered),
     "pointer does not correspond to a registered memory region"},
    {NAMED(cudaErrorLaunchFailure), "unspecified launch failure"},
    {NAMED(cudaErrorNotSupported), "operation not supported"},
    {NAMED(cudaErrorStreamCaptureUnsupported), "operation not permitted when stream is capturing"},
    {NAMED(cudaErrorStreamCaptureInvalidated),
     "operation failed due to a previous error during capture"},
    {NAMED(cudaErrorUnknown), "unknown error"},
};

#undef NAMED

constexpr Description unrecognized = {cudaErrorUnknown, "unrecognized error code",
                                      "unrecognized error code"};

const Description& describe(cudaError_t code) {
  for (const Description& each : descriptions) {
    if (each.code == code) return each;
  }
  return unrecognized;
}

}  // namespace

extern "C" {

const char* cudaGetErrorName(cudaError_t code) { return describe(code).name; }
const char* cudaGetErrorString(cudaError_t code) { return describe(code).text; }

}  // extern "C"
