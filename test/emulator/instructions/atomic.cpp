// Atomic read-modify-write (PTX ISA 9.7.13, atom and red).
#include <mutex>

#include "../access.h"
#include "../decode.h"
#include "../traffic.h"
#include "lanewise.h"

namespace emulator {

namespace {

std::mutex one_at_a_time;  // blocks run on several threads

// [address] = f([address], b, c), for one lane after another.
template <class T, class F>
Execute update(F) {
  return [](Warp& warp, const Instruction& i, uint32_t mask) {
    const bool returns = i.opcode() == "atom";
    const size_t first = returns ? 1 : 0;
    const Operand &at = i.operands[first], &value = i.operands[first + 1];
    const Operand& other = i.operands.size() > first + 2 ? i.operands[first + 2] : value;
    if (warp.block->launch.settings.count) count_access(warp, i, at, mask, sizeof(T), true);
    std::lock_guard lock(one_at_a_time);
    for (; mask; mask &= mask - 1) {
      const int lane = __builtin_ctz(mask);
      T* const data = reinterpret_cast<T*>(
          access(warp, i, lane, lane_address(warp, at, lane), sizeof(T), AccessKind::atomic));
      const T old = *data;
      *data = F{}(old, warp.lanes<T>(value)[lane], warp.lanes<T>(other)[lane]);
      if (returns && i.operands[0].kind != Operand::Kind::none)
        warp.lanes<T>(i.operands[0])[lane] = old;
    }
  };
}

template <class T>
Execute integer_update(const Instruction& i) {
  if (i.has("add")) return update<T>([](T a, T b, T) { return static_cast<T>(a + b); });
  if (i.has("min")) return update<T>([](T a, T b, T) { return a < b ? a : b; });
  if (i.has("max")) return update<T>([](T a, T b, T) { return a > b ? a : b; });
  if (i.has("and")) return update<T>([](T a, T b, T) { return static_cast<T>(a & b); });
  if (i.has("or")) return update<T>([](T a, T b, T) { return static_cast<T>(a | b); });
  if (i.has("xor")) return update<T>([](T a, T b, T) { return static_cast<T>(a ^ b); });
  if (i.has("exch")) return update<T>([](T, T b, T) { return b; });
  if (i.has("cas")) return update<T>([](T a, T b, T c) { return a == b ? c : a; });
  if (i.has("inc")) return update<T>([](T a, T b, T) { return a >= b ? T(0) : T(a + 1); });
  if (i.has("dec")) return update<T>([](T a, T b, T) { return a == 0 || a > b ? b : T(a - 1); });
  return nullptr;
}

}  // namespace

bool decode_atomic(Instruction& i) {
  if (i.opcode() != "atom" && i.opcode() != "red") return false;
  const size_t address = i.opcode() == "atom" ? 1 : 0;
  if (i.operands.size() < address + 2 || i.operands[address].kind != Operand::Kind::address ||
      i.operands[address + 1].kind != Operand::Kind::value)
    return false;
  if (i.type() == "f32" && i.has("add")) {
    i.execute = update<float>([](float a, float b, float) { return a + b; });
    return true;
  }
  return with_integer(i.type(), [&](auto zero) {
    i.execute = integer_update<decltype(zero)>(i);
    return i.execute != nullptr;
  });
}

}  // namespace emulator
