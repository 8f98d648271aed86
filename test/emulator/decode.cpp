#include "decode.h"

#include <algorithm>

#include "text.h"

namespace emulator {

namespace {

void do_nothing(Warp&, const Instruction&, uint32_t) {}

// Memory is never weak here, and caches have no effect.
bool decode_hint(Instruction& i) {
  for (const char* opcode : {"membar", "fence", "nanosleep", "prefetch", "prefetchu", "discard",
                             "applypriority", "pmevent", "griddepcontrol"}) {
    if (i.opcode() != opcode) continue;
    i.execute = do_nothing;
    if (i.opcode() == "nanosleep") i.control = Control::pause;
    return true;
  }
  return false;
}

Rounding rounding_of(const Instruction& i) {
  for (const auto& part : i.parts) {
    if (part == "rn" || part == "rni") return Rounding::nearest;
    if (part == "rz" || part == "rzi") return Rounding::zero;
    if (part == "rm" || part == "rmi") return Rounding::down;
    if (part == "rp" || part == "rpi") return Rounding::up;
  }
  return Rounding::none;
}

}  // namespace

bool decode(Instruction& i) {
  i.rounding = rounding_of(i);
  for (auto group : {decode_move, decode_load_store, decode_arithmetic, decode_bits, decode_float,
                     decode_half, decode_convert, decode_compare, decode_collective, decode_matrix,
                     decode_copy, decode_atomic, decode_hint})
    if (group(i)) return true;
  return false;
}

std::string operand_type(const Instruction& i, size_t index,
                         const std::vector<std::string>& operands) {
  const std::string& opcode = i.opcode();
  const std::string& type = i.type();
  if (opcode == "shl" || opcode == "shr") return index == 2 ? "u32" : type;
  if (opcode == "bfe") return index >= 2 ? "u32" : type;
  if (opcode == "bfi") return index >= 3 ? "u32" : type;
  if (opcode == "selp" || opcode == "setp") return index == 3 ? "pred" : type;
  if (opcode == "slct") return index == 3 ? type : i.parts[i.parts.size() - 2];
  if (opcode == "mad" && i.has("wide") && index == 3) return type_width(type) == 4 ? "b64" : "b32";
  if (opcode == "vote") return index == 1 ? "pred" : "u32";
  if (opcode == "match" || opcode == "redux") return index == 2 ? "u32" : type;
  if (opcode == "shfl" || opcode == "bar" || opcode == "prmt" || opcode == "shf" ||
      opcode == "lop3")
    return "b32";
  if (opcode == "cp") return index == 3 && i.has("ignore-src") ? "pred" : "u32";
  if (opcode == "mov" && operands[index][0] == '{') {
    const size_t count = std::count(operands[index].begin(), operands[index].end(), ',') + 1;
    return "b" + std::to_string(8 * type_width(type) / count);
  }
  return type;
}

}  // namespace emulator
