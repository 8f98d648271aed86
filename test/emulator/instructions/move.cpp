// Moves, packing and unpacking, addresses of spaces (PTX ISA 9.7.9).
#include <cstring>

#include "../decode.h"
#include "../text.h"
#include "lanewise.h"

namespace emulator {

namespace {

Execute move_of_width(int width) {
  switch (width) {
    case 1:
      return lanewise<uint8_t, uint8_t>([](uint8_t x) { return x; });
    case 2:
      return lanewise<uint16_t, uint16_t>([](uint16_t x) { return x; });
    case 4:
      return lanewise<uint32_t, uint32_t>([](uint32_t x) { return x; });
    case 8:
      return lanewise<uint64_t, uint64_t>([](uint64_t x) { return x; });
    default:
      return nullptr;
  }
}

// mov.b64 {low, high}, x
void unpack(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  for (size_t k = 0; k < to.elements.size(); k++) {
    const Operand& element = to.elements[k];
    if (element.kind == Operand::Kind::none) continue;
    const uint8_t* const source = warp.registers + from.place + k * i.bytes;
    uint8_t* const target = warp.registers + element.place;
    for_lanes(mask, [&](int lane) {
      std::memcpy(target + lane * element.width, source + lane * from.width, i.bytes);
    });
  }
}

// mov.b64 x, {low, high}
void pack(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  for (size_t k = 0; k < from.elements.size(); k++) {
    const Operand& element = from.elements[k];
    if (element.kind == Operand::Kind::none) continue;
    const uint8_t* const source = warp.registers + element.place;
    uint8_t* const target = warp.registers + to.place + k * i.bytes;
    for_lanes(mask, [&](int lane) {
      std::memcpy(target + lane * to.width, source + lane * element.width, i.bytes);
    });
  }
}

bool decode_mov(Instruction& i) {
  if (i.operands.size() != 2) return false;
  const bool unpacks = i.operands[0].kind == Operand::Kind::vector;
  if (unpacks || i.operands[1].kind == Operand::Kind::vector) {
    const size_t count = i.operands[unpacks ? 0 : 1].elements.size();
    i.bytes = static_cast<uint8_t>(type_width(i.type()) / count);
    i.execute = unpacks ? unpack : pack;
  } else if (i.operands[0].width == i.operands[1].width) {
    i.execute = move_of_width(i.operands[0].width);
  }
  return i.execute != nullptr;
}

uint64_t window_of(Space space) {
  return space == Space::shared      ? shared_window
         : space == Space::local     ? local_window
         : space == Space::parameter ? parameter_window
                                     : 0;
}

bool decode_cvta(Instruction& i) {
  i.mode = static_cast<int>(window_of(i.space));
  if (i.operands[0].width != 8) return false;
  if (i.has("to")) {
    i.execute = lanewise_with<uint64_t, uint64_t>([](const Instruction& i, uint64_t address) {
      return address - (static_cast<uint64_t>(i.mode) << window_shift);
    });
  } else {
    i.execute = lanewise_with<uint64_t, uint64_t>([](const Instruction& i, uint64_t offset) {
      return offset + (static_cast<uint64_t>(i.mode) << window_shift);
    });
  }
  return true;
}

}  // namespace

bool decode_move(Instruction& i) {
  const std::string& o = i.opcode();
  if (o == "mov") return decode_mov(i);
  if (o == "cvta") return decode_cvta(i);
  if (o == "isspacep") {
    i.mode = static_cast<int>(window_of(i.space));
    i.execute = lanewise_with<uint8_t, uint64_t>([](const Instruction& i, uint64_t address) {
      return address >> window_shift == static_cast<uint64_t>(i.mode);
    });
    return true;
  }
  return false;
}

}  // namespace emulator
