// float16, one value or two in a register (PTX ISA 9.7.4).
#include <cmath>

#include "../decode.h"
#include "../small_float.h"
#include "lanewise.h"

namespace emulator {

namespace {

float prepare(const Instruction& i, uint16_t bits) {
  const float x = from_half(bits);
  return i.ftz ? flush_half(x) : x;
}

// A float that was rounded once more than needed is right all the same: it has more than twice as
// many bits. The sum of a product is not a float but a double, which holds it.
template <class F>
uint16_t finish(const Instruction& i, F x) {
  uint16_t bits = to_half(x);
  float value = from_half(bits);
  if (i.ftz) value = flush_half(value);
  if (i.saturate) value = saturated(value);
  if (i.mode && value < 0) value = 0;  // .relu
  return i.ftz || i.saturate || i.mode ? to_half(value) : bits;
}

// f on each half of the registers.
template <class Register, class... Registers, class F>
Execute half_lanes(F) {
  return lanewise_with<Register, Registers...>([](const Instruction& i, Registers... arguments) {
    Register result = 0;
    for (size_t shift = 0; shift < 8 * sizeof(Register); shift += 16)
      result |= static_cast<Register>(
          finish(i, F{}(prepare(i, static_cast<uint16_t>(arguments >> shift))...)) << shift);
    return result;
  });
}

// R holds one value or two.
template <class R>
Execute half(Instruction& i) {
  using F = float;
  const std::string& o = i.opcode();
  i.mode = i.has("relu");
  if (o == "add") return half_lanes<R, R, R>([](F a, F b) { return a + b; });
  if (o == "sub") return half_lanes<R, R, R>([](F a, F b) { return a - b; });
  if (o == "mul") return half_lanes<R, R, R>([](F a, F b) { return a * b; });
  if (o == "fma")
    return half_lanes<R, R, R, R>([](F a, F b, F c) { return double{a} * b + double{c}; });
  if (o == "min") {
    if (i.has("NaN"))
      return half_lanes<R, R, R>([](F a, F b) { return a != a || b != b ? NAN : minimum(a, b); });
    return half_lanes<R, R, R>([](F a, F b) { return minimum(a, b); });
  }
  if (o == "max") {
    if (i.has("NaN"))
      return half_lanes<R, R, R>([](F a, F b) { return a != a || b != b ? NAN : maximum(a, b); });
    return half_lanes<R, R, R>([](F a, F b) { return maximum(a, b); });
  }
  if (o == "ex2") return half_lanes<R, R>([](F a) { return std::exp2(a); });
  if (o == "tanh") return half_lanes<R, R>([](F a) { return std::tanh(a); });
  if (o == "abs") return lanewise<R, R>([](R a) { return static_cast<R>(a & 0x7fff7fffu); });
  if (o == "neg") return lanewise<R, R>([](R a) { return static_cast<R>(a ^ 0x80008000u); });
  return nullptr;
}

}  // namespace

bool decode_half(Instruction& i) {
  if (i.type() == "f16") i.execute = half<uint16_t>(i);
  if (i.type() == "f16x2") i.execute = half<uint32_t>(i);
  return i.execute != nullptr;
}

}  // namespace emulator
