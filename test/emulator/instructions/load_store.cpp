// Loads and stores (PTX ISA 9.7.9). Hints for caches have no effect.
#include <algorithm>
#include <cstring>

#include "../access.h"
#include "../decode.h"
#include "../text.h"
#include "../traffic.h"
#include "lanewise.h"

namespace emulator {

namespace {

const Operand& element(const Operand& o, int k) {
  return o.kind == Operand::Kind::vector ? o.elements[k] : o;
}

// Registers may be wider than what is loaded.
template <class T>
void put(Warp& warp, const Operand& to, int lane, const uint8_t* from, bool is_signed) {
  uint8_t* const at = warp.registers + to.place + lane * to.width;
  if (to.width == sizeof(T)) {
    std::memcpy(at, from, sizeof(T));
    return;
  }
  T value;
  std::memcpy(&value, from, sizeof value);
  const uint64_t extended =
      is_signed ? static_cast<int64_t>(std::make_signed_t<T>(value)) : static_cast<uint64_t>(value);
  std::memcpy(at, &extended, to.width);
}

template <class T>
void load(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  const uint32_t bytes = sizeof(T) * i.count;
  if (warp.block->launch.settings.count) count_access(warp, i, from, mask, bytes, false);
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    const uint8_t* const data =
        access(warp, i, lane, lane_address(warp, from, lane), bytes, AccessKind::read);
    for (int k = 0; k < i.count; k++) {
      const Operand& target = element(to, k);
      if (target.kind != Operand::Kind::none)
        put<T>(warp, target, lane, data + k * sizeof(T), i.mode != 0);
    }
  }
}

template <class T>
void store(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  const uint32_t bytes = sizeof(T) * i.count;
  if (warp.block->launch.settings.count) count_access(warp, i, to, mask, bytes, true);
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint8_t* const data =
        access(warp, i, lane, lane_address(warp, to, lane), bytes, AccessKind::write);
    for (int k = 0; k < i.count; k++) {
      const Operand& source = element(from, k);
      std::memcpy(data + k * sizeof(T), warp.registers + source.place + lane * source.width,
                  sizeof(T));
    }
  }
}

template <class T>
Execute load_or_store(bool is_load) {
  return is_load ? load<T> : store<T>;
}

}  // namespace

bool decode_load_store(Instruction& i) {
  const bool is_load = i.opcode() == "ld" || i.opcode() == "ldu";
  if (!is_load && i.opcode() != "st") return false;
  if (i.operands.size() < 2 || i.operands[is_load ? 1 : 0].kind != Operand::Kind::address)
    return false;
  i.count = i.has("v8") ? 8 : i.has("v4") ? 4 : i.has("v2") ? 2 : 1;
  const Operand& value = i.operands[is_load ? 0 : 1];
  if (i.count > 1 ? value.elements.size() != i.count : value.kind == Operand::Kind::vector)
    return false;
  i.bytes = static_cast<uint8_t>(type_width(i.type()));
  i.mode = i.type()[0] == 's';
  switch (i.bytes) {
    case 1:
      i.execute = load_or_store<uint8_t>(is_load);
      break;
    case 2:
      i.execute = load_or_store<uint16_t>(is_load);
      break;
    case 4:
      i.execute = load_or_store<uint32_t>(is_load);
      break;
    case 8:
      i.execute = load_or_store<uint64_t>(is_load);
      break;
  }
  return i.execute && i.bytes * i.count <= 32;
}

}  // namespace emulator
