// Comparison and selection (PTX ISA 9.7.6 and 9.7.7), and predicates.
#include <array>
#include <cmath>
#include <string_view>

#include "../decode.h"
#include "../small_float.h"
#include "lanewise.h"

namespace emulator {

namespace {

enum Comparison { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan_, unknown };
enum Combination { alone, with_and, with_or, with_xor };

Comparison comparison_of(const Instruction& i) {
  constexpr std::array<std::string_view, unknown> names = {
      "eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
  constexpr std::array<std::pair<std::string_view, Comparison>, 4> unsigned_names = {
      {{"lo", lt}, {"ls", le}, {"hi", gt}, {"hs", ge}}};
  if (i.parts.size() < 2) return unknown;
  for (size_t k = 0; k < names.size(); k++)
    if (i.parts[1] == names[k]) return static_cast<Comparison>(k);
  for (const auto& [name, comparison] : unsigned_names)
    if (i.parts[1] == name) return comparison;
  return unknown;
}

// The comparisons that end in u are true of NaN.
template <Comparison C, class T>
bool compare(T a, T b) {
  if constexpr (C == eq) return a == b;
  if constexpr (C == ne) return a < b || a > b;
  if constexpr (C == lt) return a < b;
  if constexpr (C == le) return a <= b;
  if constexpr (C == gt) return a > b;
  if constexpr (C == ge) return a >= b;
  if constexpr (C == equ) return !(a < b || a > b);
  if constexpr (C == neu) return !(a == b);
  if constexpr (C == ltu) return !(a >= b);
  if constexpr (C == leu) return !(a > b);
  if constexpr (C == gtu) return !(a <= b);
  if constexpr (C == geu) return !(a < b);
  if constexpr (C == num) return a == a && b == b;
  if constexpr (C == nan_) return a != a || b != b;
}

// float16, which is not to be taken for an integer of 16 bits.
struct Half {
  uint16_t bits;
};

float as_number(Half x) { return from_half(x.bits); }
template <class T>
T as_number(T x) {
  return x;
}

bool combined(bool result, int combination, bool other) {
  return combination == with_and  ? result && other
         : combination == with_or ? result || other
                                  : result != other;
}

// p|q = comparison, not comparison; each combined with another predicate if there is one.
template <Comparison C, class T>
void set_predicate(Warp& warp, const Instruction& i, uint32_t mask) {
  const T* const a = warp.lanes<T>(i.operands[1]);
  const T* const b = warp.lanes<T>(i.operands[2]);
  const Operand& target = i.operands[0];
  if (target.kind == Operand::Kind::value && i.mode == alone) {
    uint8_t* const p = warp.lanes<uint8_t>(target);
    for_lanes(mask,
              [&](int lane) { p[lane] = compare<C>(as_number(a[lane]), as_number(b[lane])); });
    return;
  }
  const bool two = target.kind == Operand::Kind::vector;
  const Operand& first = two ? target.elements[0] : target;
  uint8_t* const p = first.kind == Operand::Kind::none ? nullptr : warp.lanes<uint8_t>(first);
  uint8_t* const q = two && target.elements[1].kind != Operand::Kind::none
                         ? warp.lanes<uint8_t>(target.elements[1])
                         : nullptr;
  const uint8_t* const other = i.mode == alone ? nullptr : warp.lanes<uint8_t>(i.operands[3]);
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    const bool result = compare<C>(as_number(a[lane]), as_number(b[lane]));
    const bool with = other && (other[lane] & 1) != i.operands[3].negated;
    if (p) p[lane] = other ? combined(result, i.mode, with) : result;
    if (q) q[lane] = other ? combined(!result, i.mode, with) : !result;
  }
}

// set: all bits, or 1.0 for float results.
template <Comparison C, class T>
void set_value(Warp& warp, const Instruction& i, uint32_t mask) {
  const T* const a = warp.lanes<T>(i.operands[1]);
  const T* const b = warp.lanes<T>(i.operands[2]);
  uint32_t* const to = warp.lanes<uint32_t>(i.operands[0]);
  for_lanes(mask, [&](int lane) {
    to[lane] = compare<C>(as_number(a[lane]), as_number(b[lane])) ? i.mode : 0;
  });
}

// Of both halves, into both halves or into two predicates.
template <Comparison C>
void compare_pair(Warp& warp, const Instruction& i, uint32_t mask) {
  const uint32_t* const a = warp.lanes<uint32_t>(i.operands[1]);
  const uint32_t* const b = warp.lanes<uint32_t>(i.operands[2]);
  const Operand& target = i.operands[0];
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint32_t packed = 0;
    for (int k = 0; k < 2; k++) {
      const bool result = compare<C>(from_half(static_cast<uint16_t>(a[lane] >> (16 * k))),
                                     from_half(static_cast<uint16_t>(b[lane] >> (16 * k))));
      if (target.kind == Operand::Kind::vector)
        warp.lanes<uint8_t>(target.elements[k])[lane] = result;
      packed |= static_cast<uint32_t>(result ? i.mode : 0) << (16 * k);
    }
    if (target.kind == Operand::Kind::value) warp.lanes<uint32_t>(target)[lane] = packed;
  }
}

// Calls f<C>() with the comparison as a constant.
template <int C = 0, class F>
Execute with_comparison(Comparison comparison, F f) {
  if constexpr (C == unknown) {
    return nullptr;
  } else {
    if (comparison == C) return f.template operator()<static_cast<Comparison>(C)>();
    return with_comparison<C + 1>(comparison, f);
  }
}

bool decode_setp(Instruction& i) {
  i.mode = i.has("and") ? with_and : i.has("or") ? with_or : i.has("xor") ? with_xor : alone;
  const Comparison comparison = comparison_of(i);
  auto of = [&]<class T>(T) {
    i.execute =
        with_comparison(comparison, []<Comparison C>() -> Execute { return set_predicate<C, T>; });
    return i.execute != nullptr;
  };
  const std::string& type = i.type();
  if (i.operands.size() != (i.mode == alone ? 3 : 4)) return false;
  if (i.ftz && type == "f32") return false;
  if (type == "f32") return of(float());
  if (type == "f64") return of(double());
  if (type == "f16") return of(Half());
  if (type == "f16x2" && i.mode == alone && i.operands[0].kind == Operand::Kind::vector) {
    i.mode = 1;
    i.execute =
        with_comparison(comparison, []<Comparison C>() -> Execute { return compare_pair<C>; });
    return i.execute != nullptr;
  }
  return with_integer(type, of);
}

bool decode_set(Instruction& i) {
  const Comparison comparison = comparison_of(i);
  const std::string &type = i.type(), &result = i.parts[i.parts.size() - 2];
  if (i.operands.size() != 3 || i.ftz) return false;
  if (type == "f16x2" && result == "f16x2") {
    i.mode = 0x3c00;  // 1.0
    i.execute =
        with_comparison(comparison, []<Comparison C>() -> Execute { return compare_pair<C>; });
    return i.execute != nullptr;
  }
  if (i.operands[0].width != 4) return false;
  i.mode = result == "f32" ? 0x3f800000 : -1;
  auto of = [&]<class T>(T) {
    i.execute =
        with_comparison(comparison, []<Comparison C>() -> Execute { return set_value<C, T>; });
    return i.execute != nullptr;
  };
  if (type == "f32") return of(float());
  if (type == "f16") return of(Half());
  return with_integer(type, of);
}

template <class T>
void select(Warp& warp, const Instruction& i, uint32_t mask) {
  T* const to = warp.lanes<T>(i.operands[0]);
  const T* const a = warp.lanes<T>(i.operands[1]);
  const T* const b = warp.lanes<T>(i.operands[2]);
  const uint8_t* const p = warp.lanes<uint8_t>(i.operands[3]);
  const uint8_t negated = i.operands[3].negated;
  for_lanes(mask, [&](int lane) { to[lane] = (p[lane] & 1) != negated ? a[lane] : b[lane]; });
}

Execute select_of_width(int width) {
  return width == 2 ? select<uint16_t> : width == 4 ? select<uint32_t> : select<uint64_t>;
}

Execute select_by_sign(const Instruction& i) {
  if (i.operands[0].width != 4) return nullptr;
  using U = uint32_t;
  if (i.type() == "f32")
    return lanewise<U, U, U, float>([](U a, U b, float c) { return c >= 0 ? a : b; });
  return lanewise<U, U, U, int32_t>([](U a, U b, int32_t c) { return c >= 0 ? a : b; });
}

void predicate_logic(Warp& warp, const Instruction& i, uint32_t mask) {
  uint8_t* const to = warp.lanes<uint8_t>(i.operands[0]);
  const Operand &first = i.operands[1], &second = i.operands.back();
  const uint8_t* const a = warp.lanes<uint8_t>(first);
  const uint8_t* const b = warp.lanes<uint8_t>(second);
  const uint8_t not_a = first.negated, not_b = second.negated;
  const int mode = i.mode;
  for_lanes(mask, [&](int lane) {
    const uint8_t x = (a[lane] & 1) ^ not_a, y = (b[lane] & 1) ^ not_b;
    to[lane] = mode == with_and ? x & y : mode == with_or ? x | y : mode == with_xor ? x ^ y : !x;
  });
}

enum Property { finite, infinite, number, not_a_number, normal, subnormal };

bool decode_testp(Instruction& i) {
  constexpr std::array<std::string_view, 6> names = {"finite",     "infinite", "number",
                                                     "notanumber", "normal",   "subnormal"};
  for (size_t k = 0; k < names.size(); k++)
    if (i.has(names[k])) i.mode = static_cast<int>(k);
  if (i.type() != "f32") return false;
  i.execute = lanewise_with<uint8_t, float>([](const Instruction& i, float x) -> uint8_t {
    switch (i.mode) {
      case finite:
        return std::isfinite(x);
      case infinite:
        return std::isinf(x);
      case number:
        return x == x;
      case not_a_number:
        return x != x;
      case normal:
        return std::isnormal(x);
      default:
        return x != 0 && std::fabs(x) < 0x1p-126f;
    }
  });
  return true;
}

}  // namespace

bool decode_compare(Instruction& i) {
  const std::string& o = i.opcode();
  if (o == "setp") return decode_setp(i);
  if (o == "set") return decode_set(i);
  if (o == "testp") return decode_testp(i);
  if (o == "selp" && i.operands.size() == 4) i.execute = select_of_width(i.operands[0].width);
  if (o == "slct" && i.operands.size() == 4) i.execute = select_by_sign(i);
  if (i.type() == "pred" && (o == "and" || o == "or" || o == "xor" || o == "not")) {
    i.mode = o == "and" ? with_and : o == "or" ? with_or : o == "xor" ? with_xor : alone;
    i.execute = predicate_logic;
  }
  return i.execute != nullptr;
}

}  // namespace emulator
