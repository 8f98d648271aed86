#include "special.h"

#include <cstring>

#include "execution.h"
#include "text.h"

namespace emulator {

namespace {

uint64_t axis(const Size3& size, const std::string& name) {
  return name.back() == 'x' ? size.x : name.back() == 'y' ? size.y : size.z;
}

uint64_t value(const Warp& warp, const std::string& name, uint32_t lane) {
  const Block& b = *warp.block;
  const uint32_t thread = warp.index * warp_size + lane;
  if (starts_with(name, "%tid."))
    return axis({thread % b.size.x, thread / b.size.x % b.size.y, thread / (b.size.x * b.size.y)},
                name);
  if (starts_with(name, "%ntid.")) return axis(b.size, name);
  if (starts_with(name, "%ctaid.")) return axis(b.position, name);
  if (starts_with(name, "%nctaid.")) return axis(b.launch.grid, name);
  if (name == "%laneid") return lane;
  if (name == "%warpid") return warp.index;
  if (name == "%nwarpid") return b.warps.size();
  if (name == "%lanemask_eq") return 1u << lane;
  if (name == "%lanemask_lt") return (1u << lane) - 1;
  if (name == "%lanemask_le") return (2u << lane) - 1;
  if (name == "%lanemask_gt") return ~((2u << lane) - 1);
  if (name == "%lanemask_ge") return ~((1u << lane) - 1);
  if (name == "WARP_SZ") return warp_size;
  if (name == "%nsmid") return 1;
  if (name == "%dynamic_smem_size") return b.launch.dynamic_shared;
  if (name == "%total_smem_size") return b.launch.dynamic_shared + b.launch.program.static_shared();
  return 0;  // clocks, the number of the multiprocessor
}

}  // namespace

bool is_special_register(const std::string& name) {
  for (const char* start : {"%tid.", "%ntid.", "%ctaid.", "%nctaid."})
    if (starts_with(name, start))
      return name.find_first_of("xyz", std::strlen(start)) == name.size() - 1;
  for (const char* known :
       {"%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le",
        "%lanemask_gt", "%lanemask_ge", "WARP_SZ", "%smid", "%nsmid", "%clock", "%clock64",
        "%globaltimer", "%gridid", "%dynamic_smem_size", "%total_smem_size"})
    if (name == known) return true;
  return false;
}

int special_width(const std::string& name) {
  return name == "%clock64" || name == "%globaltimer" || name == "%gridid" ? 8 : 4;
}

void set_special_registers(Warp& warp) {
  for (const auto& special : warp.block->launch.program.special) {
    for (uint32_t lane = 0; lane < warp_size; lane++) {
      const uint64_t x = value(warp, special.name, lane);
      std::memcpy(warp.registers + special.place + lane * special.width, &x, special.width);
    }
  }
}

}  // namespace emulator
