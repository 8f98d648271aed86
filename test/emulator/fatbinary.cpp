#include "fatbinary.h"

#include <cstring>
#include <stdexcept>

#include "runtime.h"

namespace emulator {

namespace {

// The layout of a fat binary, as found in what nvcc writes.
struct Wrapper {
  uint32_t magic, version;
  const std::byte* data;
  const void* unused;
};

struct Header {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size;
};

struct EntryHeader {
  uint16_t kind, version;
  uint32_t header_size;
  uint64_t size;
  uint32_t compressed_size, options_offset;
  uint16_t minor, major;
  uint32_t architecture;
};

constexpr uint32_t binary_magic = 0xba55ed50;
constexpr uint16_t ptx_kind = 1;

template <class T>
T read(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

}  // namespace

FatBinary::FatBinary(const void* wrapper) {
  const std::byte* data = read<Wrapper>(static_cast<const std::byte*>(wrapper)).data;
  const auto header = read<Header>(data);
  refusal_ = "the program holds no PTX: compile with code=compute_XX";
  if (header.magic != binary_magic) return;
  const std::byte* at = data + header.header_size;
  const std::byte* end = at + header.size;
  while (at < end) {
    const auto entry = read<EntryHeader>(at);
    const auto* text = reinterpret_cast<const char*>(at + entry.header_size);
    if (entry.kind == ptx_kind) {
      const std::string_view ptx(text, strnlen(text, entry.size));
      if (entry.compressed_size != 0 || ptx.find(".version") == ptx.npos) {
        refusal_ = "the program's PTX is compressed: compile with -no-compress";
      } else {
        entries_[int(entry.architecture)].ptx = ptx;
      }
    }
    at += entry.header_size + entry.size;
  }
}

const Module& FatBinary::module(int capability) {
  const std::lock_guard lock(mutex_);
  const auto above = entries_.upper_bound(capability);
  if (above == entries_.begin()) {
    print(entries_.empty() ? refusal_
                           : "the program holds no PTX for compute capability " +
                                 std::to_string(capability) + " or below");
    throw Error{cudaErrorNoKernelImageForDevice};
  }
  Entry& entry = std::prev(above)->second;
  if (!entry.module) {
    try {
      entry.module = parse(std::string(entry.ptx));
    } catch (const std::runtime_error& error) {
      print(error.what());
      throw Error{cudaErrorInvalidPtx};
    }
  }
  return *entry.module;
}

const Kernel& HostFunction::kernel() const {
  const Kernel* kernel = binary->module(runtime_settings().capability).kernel(name);
  require(kernel, cudaErrorInvalidDeviceFunction);
  return *kernel;
}

Registry& Registry::instance() {
  // Never destroyed: threads may still be launching when the program ends.
  static Registry& it = *std::make_unique<Registry>().release();
  return it;
}

FatBinary* Registry::add(const void* wrapper) {
  auto binary = std::make_unique<FatBinary>(wrapper);
  const std::lock_guard lock(mutex_);
  FatBinary* handle = binary.get();
  binaries_[handle] = std::move(binary);
  return handle;
}

void Registry::add_function(FatBinary* binary, const void* host, const char* name) {
  const std::lock_guard lock(mutex_);
  auto& function = functions_[host];
  function = std::make_unique<HostFunction>();
  function->binary = binary;
  function->name = name;
  handles_[host] = handles_[function.get()] = function.get();
}

void Registry::add_variable(FatBinary* binary, const void* host, const char* name) {
  const std::lock_guard lock(mutex_);
  variables_[host] = {binary, name};
}

HostFunction& Registry::function(const void* host_or_handle) {
  const std::lock_guard lock(mutex_);
  const auto found = handles_.find(host_or_handle);
  require(found != handles_.end(), cudaErrorInvalidDeviceFunction);
  return *found->second;
}

Module::Variable Registry::variable(const void* host) {
  Symbol symbol;
  {
    const std::lock_guard lock(mutex_);
    const auto found = variables_.find(host);
    require(found != variables_.end(), cudaErrorInvalidSymbol);
    symbol = found->second;
  }
  const auto variable = symbol.binary->module(runtime_settings().capability).variable(symbol.name);
  require(variable.address != 0, cudaErrorInvalidSymbol);
  return variable;
}

}  // namespace emulator
