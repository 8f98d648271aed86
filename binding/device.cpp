#include "device.h"

namespace aa {

std::vector<DeviceInfo> list_devices() {
  DeviceInfo cpu{"cpu", "cpu", "", true};
  try {
    cpu.reason = "always there; instruction set " + cpu::instruction_set();
  } catch (const Error& error) {
    cpu = {"cpu", "cpu", error.what(), false};
  }
  return {{"cuda:0", "cuda", "this version has no CUDA backend", false}, cpu};
}

std::shared_ptr<Device> create_device(const std::string& name, int threads, size_t memory_limit) {
  for (const DeviceInfo& device : list_devices()) {
    if (device.name != name) continue;
    if (!device.usable)
      throw Error("ERR_DEVICE", "Device",
                  "expected a usable device, got " + name + ": " + device.reason);
    return cpu::create_device(threads, memory_limit);
  }
  throw Error("ERR_DEVICE", "Device", "expected a device of this machine, got " + name);
}

}  // namespace aa
