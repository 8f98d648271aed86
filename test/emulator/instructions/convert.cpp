// Conversions between numbers (PTX ISA 9.7.9, cvt).
#include <cmath>
#include <cstring>
#include <limits>

#include "../decode.h"
#include "../small_float.h"
#include "../text.h"
#include "lanewise.h"

namespace emulator {

namespace {

// What the general conversion needs to know; packed into Instruction::mode.
enum class Number : uint8_t { unsigned_integer, signed_integer, half, single, twice };

struct Kind {
  Number number;
  uint8_t width;

  bool is_float() const { return number >= Number::half; }
};

Kind kind_of(const std::string& type) {
  const auto width = static_cast<uint8_t>(type_width(type));
  if (type[0] == 's') return {Number::signed_integer, width};
  if (type[0] != 'f') return {Number::unsigned_integer, width};
  return {width == 2 ? Number::half : width == 4 ? Number::single : Number::twice, width};
}

struct Modes {
  Kind from, to;
  bool to_integral;  // .rni and the like between floats
  bool relu;
};

int pack(const Modes& m) {
  return static_cast<int>(m.from.number) | m.from.width << 3 | static_cast<int>(m.to.number) << 8 |
         m.to.width << 11 | m.to_integral << 16 | m.relu << 17;
}

Modes unpack(int mode) {
  return {{static_cast<Number>(mode & 7), static_cast<uint8_t>(mode >> 3 & 31)},
          {static_cast<Number>(mode >> 8 & 7), static_cast<uint8_t>(mode >> 11 & 31)},
          (mode >> 16 & 1) != 0,
          (mode >> 17 & 1) != 0};
}

uint64_t low_bytes(uint64_t value, int bytes) {
  return bytes >= 8 ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
}

int64_t sign_extended(uint64_t value, int bytes) {
  const int shift = 64 - 8 * bytes;
  return static_cast<int64_t>(value << shift) >> shift;
}

double to_integral(double x, Rounding rounding) {
  switch (rounding) {
    case Rounding::nearest:
      return std::nearbyint(x);
    case Rounding::down:
      return std::floor(x);
    case Rounding::up:
      return std::ceil(x);
    default:
      return std::trunc(x);
  }
}

// Integers are carried as 64 bits, with the sign of their type.
uint64_t saturate_integer(uint64_t x, Kind from, Kind to) {
  const bool negative = from.number == Number::signed_integer && static_cast<int64_t>(x) < 0;
  const int bits = 8 * to.width;
  if (to.number == Number::unsigned_integer) {
    const uint64_t most = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    return negative ? 0 : x > most ? most : x;
  }
  const uint64_t most = (uint64_t{1} << (bits - 1)) - 1;
  if (!negative) return x > most ? most : x;
  return static_cast<int64_t>(x) < ~static_cast<int64_t>(most) ? ~most : x;
}

// Out of range becomes the nearest there is. NaN becomes 0, unless 64 bits are involved.
uint64_t float_to_integer(double x, Rounding rounding, Kind from, Kind to) {
  if (x != x)
    return to.width == 8 || from.width == 8 ? low_bytes(uint64_t{1} << (8 * to.width - 1), to.width)
                                            : 0;
  x = to_integral(x, rounding);
  const bool is_signed = to.number == Number::signed_integer;
  const double end = std::ldexp(1, 8 * to.width - is_signed);  // the first too large
  const uint64_t most = low_bytes(~uint64_t{0}, to.width) >> is_signed;
  if (x >= end) return most;
  if (!is_signed) return x <= 0 ? 0 : static_cast<uint64_t>(x);
  return x < -end ? ~most : static_cast<uint64_t>(static_cast<int64_t>(x));
}

double read_float(uint64_t bits, Number number, bool ftz) {
  if (number == Number::half) return from_half(static_cast<uint16_t>(bits));
  if (number == Number::single) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return ftz ? flush_float(x) : x;
  }
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

float round_float(double x, Rounding rounding) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || x != x) return nearest;
  const bool too_high = static_cast<double>(nearest) > x;
  if (rounding == Rounding::down && too_high) return std::nextafter(nearest, -INFINITY);
  if (rounding == Rounding::up && !too_high) return std::nextafter(nearest, INFINITY);
  if (rounding == Rounding::zero && too_high == (x > 0)) return std::nextafter(nearest, 0.0f);
  return nearest;
}

uint16_t round_half(double x, Rounding rounding) {
  const float single = round_float(x, rounding);
  switch (rounding) {
    case Rounding::down:
      return _cvtss_sh(single, _MM_FROUND_TO_NEG_INF);
    case Rounding::up:
      return _cvtss_sh(single, _MM_FROUND_TO_POS_INF);
    case Rounding::zero:
      return _cvtss_sh(single, _MM_FROUND_TO_ZERO);
    default:
      return to_half(x);
  }
}

uint64_t write_float(double x, const Instruction& i, const Modes& modes) {
  const Rounding rounding = modes.to_integral ? Rounding::nearest : i.rounding;
  if (i.saturate) x = saturated(x);
  if (modes.relu && x < 0) x = 0;
  uint64_t bits = 0;
  if (modes.to.number == Number::twice) {
    std::memcpy(&bits, &x, sizeof x);
  } else if (modes.to.number == Number::single) {
    float single = round_float(x, rounding);
    if (i.ftz) single = flush_float(single);
    std::memcpy(&bits, &single, sizeof single);
  } else {
    bits = round_half(x, rounding);
  }
  return bits;
}

uint64_t convert(uint64_t bits, const Instruction& i, const Modes& modes) {
  const auto [from, to, integral, relu] = modes;
  if (from.is_float()) {
    double x = read_float(bits, from.number, i.ftz);
    if (!to.is_float()) return float_to_integer(x, i.rounding, from, to);
    if (integral) x = to_integral(x, i.rounding);
    return write_float(x, i, modes);
  }
  uint64_t integer = low_bytes(bits, from.width);
  if (from.number == Number::signed_integer) integer = sign_extended(integer, from.width);
  if (!to.is_float()) {
    if (i.saturate) integer = saturate_integer(integer, from, to);
    return to.number == Number::signed_integer ? sign_extended(integer, to.width)
                                               : low_bytes(integer, to.width);
  }
  // In one rounding where a double would not hold it.
  const bool is_signed = from.number == Number::signed_integer;
  const auto value = static_cast<int64_t>(integer);
  if (to.number == Number::single && i.rounding == Rounding::nearest && !i.saturate) {
    const float x = is_signed ? static_cast<float>(value) : static_cast<float>(integer);
    uint32_t result;
    std::memcpy(&result, &x, sizeof x);
    return result;
  }
  return write_float(is_signed ? static_cast<double>(value) : static_cast<double>(integer), i,
                     modes);
}

// Registers may be wider than the types.
void convert_lanes(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand &to = i.operands[0], &from = i.operands[1];
  const Modes modes = unpack(i.mode);
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    uint64_t bits = 0;
    std::memcpy(&bits, warp.registers + from.place + lane * from.width, from.width);
    bits = convert(bits, i, modes);
    std::memcpy(warp.registers + to.place + lane * to.width, &bits, to.width);
  }
}

// The frequent ones, by types and widths of registers. Null: there is no short way.
Execute frequent(const Instruction& i, const std::string& to, const std::string& from) {
  const bool exact =
      type_width(to) == i.operands[0].width && type_width(from) == i.operands[1].width;
  if (!exact || i.saturate || i.ftz || i.has("relu")) return nullptr;
  if (to == "f32" && from == "f16" && i.rounding == Rounding::none)
    return lanewise<float, uint16_t>([](uint16_t x) { return from_half(x); });
  if (to == "f16" && from == "f32" && i.rounding == Rounding::nearest)
    return lanewise<uint16_t, float>([](float x) { return to_half(x); });
  if (to == "f32" && from == "s32" && i.rounding == Rounding::nearest)
    return lanewise<float, int32_t>([](int32_t x) { return static_cast<float>(x); });
  if (to == "f32" && from == "u32" && i.rounding == Rounding::nearest)
    return lanewise<float, uint32_t>([](uint32_t x) { return static_cast<float>(x); });
  if (to == "s64" && from == "s32")
    return lanewise<int64_t, int32_t>([](int32_t x) { return int64_t{x}; });
  if (to == "u64" && from == "u32")
    return lanewise<uint64_t, uint32_t>([](uint32_t x) { return uint64_t{x}; });
  if ((to == "u32" || to == "s32") && (from == "u64" || from == "s64"))
    return lanewise<uint32_t, uint64_t>([](uint64_t x) { return static_cast<uint32_t>(x); });
  return nullptr;
}

// The first operand becomes the upper half.
void pack_halves(Warp& warp, const Instruction& i, uint32_t mask) {
  uint32_t* const to = warp.lanes<uint32_t>(i.operands[0]);
  const float* const high = warp.lanes<float>(i.operands[1]);
  const float* const low = warp.lanes<float>(i.operands[2]);
  auto half = [&](float x) -> uint32_t {
    if (i.mode && x < 0) x = 0;  // .relu
    return round_half(i.saturate ? saturated(x) : x, i.rounding);
  };
  for_lanes(mask, [&](int lane) { to[lane] = half(high[lane]) << 16 | half(low[lane]); });
}

}  // namespace

bool decode_convert(Instruction& i) {
  if (i.opcode() != "cvt" || i.parts.size() < 3) return false;
  const std::string &from = i.type(), &to = i.parts[i.parts.size() - 2];
  if (to == "f16x2" && from == "f32" && i.operands.size() == 3) {
    i.mode = i.has("relu");
    i.execute = pack_halves;
    return true;
  }
  if (!type_width(to) || !type_width(from) || to == "f16x2" || from == "f16x2" ||
      i.operands.size() != 2 || i.has("satfinite"))
    return false;
  const bool integral = i.has("rni") || i.has("rzi") || i.has("rmi") || i.has("rpi");
  i.mode = pack({kind_of(from), kind_of(to), integral, i.has("relu")});
  i.execute = frequent(i, to, from);
  if (!i.execute) i.execute = convert_lanes;
  return true;
}

}  // namespace emulator
