// The device code that nvcc puts into a program: fat binaries with PTX for several architectures.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "engine.h"

namespace emulator {

// One fat binary, that is one translation unit. PTX is parsed when something of it is first used.
class FatBinary {
 public:
  explicit FatBinary(const void* wrapper);
  // Of the entry with the highest architecture not above the capability. Throws
  // Error{cudaErrorNoKernelImageForDevice} if there is none, {cudaErrorInvalidPtx} if it cannot be
  // parsed.
  const Module& module(int capability);

 private:
  struct Entry {
    std::string_view ptx;
    std::unique_ptr<Module> module;
  };
  std::mutex mutex_;
  std::map<int, Entry> entries_;  // by architecture
  std::string refusal_;           // why there may be none
};

// A __global__ function as the host knows it. cudaKernel_t points to one.
struct HostFunction {
  FatBinary* binary = nullptr;
  std::string name;
  std::atomic<size_t> dynamic_shared = 0;  // as set by cudaFuncSetAttribute
  // For the capability that is emulated now.
  const Kernel& kernel() const;
};

// All that the program registered.
class Registry {
 public:
  static Registry& instance();

  FatBinary* add(const void* wrapper);
  void add_function(FatBinary* binary, const void* host, const char* name);
  void add_variable(FatBinary* binary, const void* host, const char* name);

  // Throw Error{cudaErrorInvalidDeviceFunction}, {cudaErrorInvalidSymbol} for what is unknown.
  HostFunction& function(const void* host_or_handle);
  Module::Variable variable(const void* host);

 private:
  struct Symbol {
    FatBinary* binary;
    std::string name;
  };
  std::mutex mutex_;
  std::map<FatBinary*, std::unique_ptr<FatBinary>> binaries_;
  std::map<const void*, std::unique_ptr<HostFunction>> functions_;  // by the host's stub
  std::map<const void*, HostFunction*> handles_;
  std::map<const void*, Symbol> variables_;
};

}  // namespace emulator
