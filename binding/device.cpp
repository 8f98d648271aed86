#include "device.h"

namespace aa {

namespace {

std::vector<DeviceInfo> list_gpus() {
#ifdef AA_CUDA
  return cuda::list_devices();
#else
  return {{"cuda:0", "cuda",
           "this addon was built without CUDA; on linux-x64, the package "
           "@align-and-attend/linux-x64-cuda has it",
           false}};
#endif
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  DeviceInfo cpu{"cpu", "cpu", "", true};
  try {
    cpu.reason = "always there; instruction set " + cpu::instruction_set();
  } catch (const Error& error) {
    cpu = {"cpu", "cpu", error.what(), false};
  }
  std::vector<DeviceInfo> all = list_gpus();
  all.push_back(cpu);
  return all;
}

std::shared_ptr<Device> create_device(const std::string& name, const DeviceOptions& options) {
  for (const DeviceInfo& device : list_devices()) {
    if (device.name != name) continue;
    if (!device.usable)
      throw Error("ERR_DEVICE", "Device",
                  "expected a usable device, got " + name + ": " + device.reason);
#ifdef AA_CUDA
    if (device.kind == "cuda")
      return cuda::create_device(std::stoi(name.substr(name.find(':') + 1)), options);
#endif
    return cpu::create_device(options);
  }
  throw Error("ERR_DEVICE", "Device", "expected a device of this machine, got " + name);
}

}  // namespace aa
