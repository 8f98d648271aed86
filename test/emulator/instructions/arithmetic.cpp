// Integer arithmetic (PTX ISA 9.7.1). Sums and products wrap.
#include <type_traits>

#include "../decode.h"
#include "lanewise.h"

namespace emulator {

namespace {

template <class T>
struct Wide;
template <>
struct Wide<uint16_t> {
  using type = uint32_t;
};
template <>
struct Wide<int16_t> {
  using type = int32_t;
};
template <>
struct Wide<uint32_t> {
  using type = uint64_t;
};
template <>
struct Wide<int32_t> {
  using type = int64_t;
};
template <>
struct Wide<uint64_t> {
  using type = unsigned __int128;
};
template <>
struct Wide<int64_t> {
  using type = __int128;
};

// Products are formed without sign in 64 bits, where nothing overflows that matters.
template <class T>
T multiply_low(T a, T b) {
  using U = std::make_unsigned_t<T>;
  using Product = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  return static_cast<T>(static_cast<Product>(static_cast<U>(a)) *
                        static_cast<Product>(static_cast<U>(b)));
}

template <class T>
T multiply_high(T a, T b) {
  using W = typename Wide<T>::type;
  return static_cast<T>((static_cast<W>(a) * static_cast<W>(b)) >> (8 * sizeof(T)));
}

template <class T>
Execute multiply(const Instruction& i) {
  using W = typename Wide<T>::type;
  if constexpr (sizeof(T) < 8) {
    if (i.has("wide"))
      return lanewise<W, T, T>([](T a, T b) { return static_cast<W>(a) * static_cast<W>(b); });
  }
  if (i.has("hi")) return lanewise<T, T, T>([](T a, T b) { return multiply_high(a, b); });
  return lanewise<T, T, T>([](T a, T b) { return multiply_low(a, b); });
}

template <class T>
Execute multiply_add(const Instruction& i) {
  using U = std::make_unsigned_t<T>;
  using W = typename Wide<T>::type;
  if constexpr (sizeof(T) < 8) {
    using UW = std::make_unsigned_t<W>;
    if (i.has("wide"))
      return lanewise<W, T, T, W>([](T a, T b, W c) {
        return static_cast<W>(static_cast<UW>(static_cast<W>(a) * static_cast<W>(b)) +
                              static_cast<UW>(c));
      });
  }
  if (i.has("hi"))
    return lanewise<T, T, T, T>([](T a, T b, T c) {
      return static_cast<T>(static_cast<U>(multiply_high(a, b)) + static_cast<U>(c));
    });
  return lanewise<T, T, T, T>([](T a, T b, T c) {
    return static_cast<T>(static_cast<U>(multiply_low(a, b)) + static_cast<U>(c));
  });
}

template <class T>
bool overflows(T a, T b) {
  return std::is_signed_v<T> && b == static_cast<T>(-1) && a != 0;
}

template <class T>
T negate(T a) {
  using U = std::make_unsigned_t<T>;
  return static_cast<T>(U(0) - static_cast<U>(a));
}

// Division by zero is left open by the manual; all bits set is what devices give.
template <class T>
T divide(T a, T b) {
  if (b == 0) return static_cast<T>(-1);
  return overflows(a, b) ? negate(a) : static_cast<T>(a / b);
}

template <class T>
T remainder(T a, T b) {
  if (b == 0) return a;
  return overflows(a, b) ? T(0) : static_cast<T>(a % b);
}

template <class T>
Execute integer(const Instruction& i) {
  using U = std::make_unsigned_t<T>;
  const std::string& o = i.opcode();
  if (o == "add" && i.saturate && std::is_same_v<T, int32_t>)
    return lanewise<int32_t, int32_t, int32_t>([](int32_t a, int32_t b) {
      const int64_t sum = int64_t{a} + b;
      return static_cast<int32_t>(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
    });
  if (o == "sub" && i.saturate && std::is_same_v<T, int32_t>)
    return lanewise<int32_t, int32_t, int32_t>([](int32_t a, int32_t b) {
      const int64_t difference = int64_t{a} - b;
      return static_cast<int32_t>(difference > INT32_MAX   ? INT32_MAX
                                  : difference < INT32_MIN ? INT32_MIN
                                                           : difference);
    });
  if (i.saturate || i.has("cc")) return nullptr;
  if (o == "add")
    return lanewise<T, T, T>(
        [](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
  if (o == "sub")
    return lanewise<T, T, T>(
        [](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
  if (o == "mul") return multiply<T>(i);
  if (o == "mad") return multiply_add<T>(i);
  if (o == "div") return lanewise<T, T, T>([](T a, T b) { return divide(a, b); });
  if (o == "rem") return lanewise<T, T, T>([](T a, T b) { return remainder(a, b); });
  if (o == "min") return lanewise<T, T, T>([](T a, T b) { return a < b ? a : b; });
  if (o == "max") return lanewise<T, T, T>([](T a, T b) { return a > b ? a : b; });
  if (o == "abs") return lanewise<T, T>([](T a) { return a < T(0) ? negate(a) : a; });
  if (o == "neg") return lanewise<T, T>([](T a) { return negate(a); });
  if (o == "sad")
    return lanewise<T, T, T, T>([](T a, T b, T c) {
      const U distance =
          a < b ? static_cast<U>(b) - static_cast<U>(a) : static_cast<U>(a) - static_cast<U>(b);
      return static_cast<T>(static_cast<U>(c) + distance);
    });
  return nullptr;
}

}  // namespace

bool decode_arithmetic(Instruction& i) {
  return with_integer(i.type(), [&](auto zero) {
    i.execute = integer<decltype(zero)>(i);
    return i.execute != nullptr;
  });
}

}  // namespace emulator
