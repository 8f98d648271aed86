// Logic, shifts and fields of bits (PTX ISA 9.7.1 and 9.7.8).
#include <algorithm>
#include <type_traits>

#include "../decode.h"
#include "lanewise.h"

namespace emulator {

namespace {

template <class T>
constexpr uint32_t bits_of = 8 * sizeof(T);

// Amounts are clamped to the width, not taken modulo it.
template <class T>
T shift_right(T a, uint32_t amount) {
  const T sign = std::is_signed_v<T> && a < T(0) ? static_cast<T>(-1) : T(0);
  return amount >= bits_of<T> ? sign : static_cast<T>(a >> amount);
}

template <class T>
T shift_left(T a, uint32_t amount) {
  using U = std::make_unsigned_t<T>;
  return amount >= bits_of<T> ? T(0) : static_cast<T>(static_cast<U>(a) << amount);
}

template <class T>
uint32_t leading_zeros(T a) {
  const auto x = static_cast<uint64_t>(static_cast<std::make_unsigned_t<T>>(a));
  return x ? static_cast<uint32_t>(__builtin_clzll(x)) - (64 - bits_of<T>) : bits_of<T>;
}

// The position of the highest bit that is not a sign bit.
template <class T>
uint32_t find_highest(T a, bool as_shift) {
  if (std::is_signed_v<T> && a < T(0)) a = static_cast<T>(~a);
  if (a == 0) return all_lanes;
  return as_shift ? leading_zeros(a) : bits_of<T> - 1 - leading_zeros(a);
}

template <class T>
T reverse(T a) {
  using U = std::make_unsigned_t<T>;
  U result = 0;
  for (uint32_t i = 0; i < bits_of<T>; i++)
    result = static_cast<U>(result << 1) | (static_cast<U>(a) >> i & 1);
  return static_cast<T>(result);
}

template <class T>
std::make_unsigned_t<T> low_bits(uint32_t count) {
  using U = std::make_unsigned_t<T>;
  return count >= bits_of<T> ? static_cast<U>(~U(0)) : static_cast<U>((U(1) << count) - 1);
}

// Signed fields are extended with the field's highest bit, or a's when the field runs over it.
template <class T>
T extract(T a, uint32_t start, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  start &= 255;
  length &= 255;
  if (length == 0) return 0;
  const uint32_t top = std::min(start + length - 1, bits_of<T> - 1);
  const bool negative = std::is_signed_v<T> && (static_cast<U>(a) >> top & 1);
  const uint32_t available = start >= bits_of<T> ? 0 : std::min(length, bits_of<T> - start);
  const U field = start >= bits_of<T> ? 0 : static_cast<U>(static_cast<U>(a) >> start);
  const U mask = low_bits<T>(available);
  return static_cast<T>((field & mask) | (negative ? static_cast<U>(~mask) : U(0)));
}

template <class T>
T insert(T field, T into, uint32_t start, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  start &= 255;
  length &= 255;
  if (length == 0 || start >= bits_of<T>) return into;
  const U mask = static_cast<U>(low_bits<T>(length) << start);
  return static_cast<T>((static_cast<U>(into) & ~mask) |
                        (static_cast<U>(static_cast<U>(field) << start) & mask));
}

template <class T>
Execute bits(Instruction& i) {
  const std::string& o = i.opcode();
  if (o == "and") return lanewise<T, T, T>([](T a, T b) { return static_cast<T>(a & b); });
  if (o == "or") return lanewise<T, T, T>([](T a, T b) { return static_cast<T>(a | b); });
  if (o == "xor") return lanewise<T, T, T>([](T a, T b) { return static_cast<T>(a ^ b); });
  if (o == "not") return lanewise<T, T>([](T a) { return static_cast<T>(~a); });
  if (o == "cnot") return lanewise<T, T>([](T a) { return static_cast<T>(a == 0); });
  if (o == "shr")
    return lanewise<T, T, uint32_t>([](T a, uint32_t n) { return shift_right(a, n); });
  if (o == "shl") return lanewise<T, T, uint32_t>([](T a, uint32_t n) { return shift_left(a, n); });
  if (o == "popc")
    return lanewise<uint32_t, T>([](T a) {
      return __builtin_popcountll(static_cast<uint64_t>(static_cast<std::make_unsigned_t<T>>(a)));
    });
  if (o == "clz") return lanewise<uint32_t, T>([](T a) { return leading_zeros(a); });
  if (o == "brev") return lanewise<T, T>([](T a) { return reverse(a); });
  if (o == "bfind") {
    if (i.has("shiftamt")) return lanewise<uint32_t, T>([](T a) { return find_highest(a, true); });
    return lanewise<uint32_t, T>([](T a) { return find_highest(a, false); });
  }
  if (o == "bfe")
    return lanewise<T, T, uint32_t, uint32_t>(
        [](T a, uint32_t start, uint32_t length) { return extract(a, start, length); });
  if (o == "bfi")
    return lanewise<T, T, T, uint32_t, uint32_t>(
        [](T field, T into, uint32_t start, uint32_t length) {
          return insert(field, into, start, length);
        });
  return nullptr;
}

// Bit i of the table says what the three bits that make the number i become.
uint32_t combine(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (uint32_t i = 0; i < 8; i++)
    if (table >> i & 1) result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}

uint32_t permute(uint32_t a, uint32_t b, uint32_t selection) {
  const uint64_t both = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t select = selection >> (4 * i);
    uint32_t byte = both >> (8 * (select & 7)) & 255;
    if (select & 8) byte = byte & 128 ? 255 : 0;  // its sign instead
    result |= byte << (8 * i);
  }
  return result;
}

Execute funnel_shift(const Instruction& i) {
  const bool left = i.has("l");
  using U = uint32_t;
  if (i.has("wrap")) {
    if (left)
      return lanewise<U, U, U, U>([](U low, U high, U n) {
        return static_cast<U>(((uint64_t{high} << 32 | low) << (n & 31)) >> 32);
      });
    return lanewise<U, U, U, U>([](U low, U high, U n) {
      return static_cast<U>((uint64_t{high} << 32 | low) >> (n & 31));
    });
  }
  if (left)
    return lanewise<U, U, U, U>([](U low, U high, U n) {
      return static_cast<U>(((uint64_t{high} << 32 | low) << std::min(n, U{32})) >> 32);
    });
  return lanewise<U, U, U, U>([](U low, U high, U n) {
    return static_cast<U>((uint64_t{high} << 32 | low) >> std::min(n, U{32}));
  });
}

}  // namespace

bool decode_bits(Instruction& i) {
  using U = uint32_t;
  const std::string& o = i.opcode();
  if (o == "lop3" && i.type() == "b32" && i.operands.size() == 5)
    i.execute =
        lanewise<U, U, U, U, U>([](U a, U b, U c, U table) { return combine(a, b, c, table); });
  else if (o == "prmt" && i.type() == "b32")
    i.execute = lanewise<U, U, U, U>([](U a, U b, U c) { return permute(a, b, c); });
  else if (o == "shf")
    i.execute = funnel_shift(i);
  else
    with_integer(i.type(), [&](auto zero) {
      i.execute = bits<decltype(zero)>(i);
      return true;
    });
  return i.execute != nullptr;
}

}  // namespace emulator
