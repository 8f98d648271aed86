// float32 and float64 (PTX ISA 9.7.3). Approximate functions are exact to the last bit or so here:
// a test that needs less must not rely on more.
#include <xmmintrin.h>

#include <cmath>

#include "../decode.h"
#include "../small_float.h"
#include "lanewise.h"

namespace emulator {

namespace {

float prepare(const Instruction& i, float x) { return i.ftz ? flush_float(x) : x; }
float finish(const Instruction& i, float x) {
  x = prepare(i, x);
  return i.saturate ? saturated(x) : x;
}

// With flushing and saturation where the instruction has them.
template <class... Floats, class F>
Execute float_lanes(const Instruction& i, F f) {
  if (!i.ftz && !i.saturate) return lanewise<float, Floats...>(f);
  return lanewise_with<float, Floats...>([](const Instruction& i, Floats... arguments) {
    return finish(i, F{}(prepare(i, arguments)...));
  });
}

Execute decode_f32(const Instruction& i) {
  using F = float;
  const std::string& o = i.opcode();
  if (o == "add") return float_lanes<F, F>(i, [](F a, F b) { return a + b; });
  if (o == "sub") return float_lanes<F, F>(i, [](F a, F b) { return a - b; });
  if (o == "mul") return float_lanes<F, F>(i, [](F a, F b) { return a * b; });
  if (o == "div") return float_lanes<F, F>(i, [](F a, F b) { return a / b; });
  if (o == "fma" || o == "mad")
    return float_lanes<F, F, F>(i, [](F a, F b, F c) { return __builtin_fmaf(a, b, c); });
  if (o == "min") {
    if (i.has("NaN"))
      return float_lanes<F, F>(i, [](F a, F b) { return a != a || b != b ? NAN : minimum(a, b); });
    return float_lanes<F, F>(i, [](F a, F b) { return minimum(a, b); });
  }
  if (o == "max") {
    if (i.has("NaN"))
      return float_lanes<F, F>(i, [](F a, F b) { return a != a || b != b ? NAN : maximum(a, b); });
    return float_lanes<F, F>(i, [](F a, F b) { return maximum(a, b); });
  }
  if (o == "abs") return float_lanes<F>(i, [](F a) { return std::fabs(a); });
  if (o == "neg") return float_lanes<F>(i, [](F a) { return -a; });
  if (o == "sqrt") return float_lanes<F>(i, [](F a) { return std::sqrt(a); });
  if (o == "rsqrt") return float_lanes<F>(i, [](F a) { return 1 / std::sqrt(a); });
  if (o == "rcp") return float_lanes<F>(i, [](F a) { return 1 / a; });
  if (o == "ex2") return float_lanes<F>(i, [](F a) { return std::exp2(a); });
  if (o == "lg2") return float_lanes<F>(i, [](F a) { return std::log2(a); });
  if (o == "sin") return float_lanes<F>(i, [](F a) { return std::sin(a); });
  if (o == "cos") return float_lanes<F>(i, [](F a) { return std::cos(a); });
  if (o == "tanh") return float_lanes<F>(i, [](F a) { return std::tanh(a); });
  if (o == "copysign") return lanewise<F, F, F>([](F a, F b) { return std::copysign(b, a); });
  return nullptr;
}

Execute decode_f64(const Instruction& i) {
  using F = double;
  const std::string& o = i.opcode();
  if (i.saturate) return nullptr;
  if (o == "add") return lanewise<F, F, F>([](F a, F b) { return a + b; });
  if (o == "sub") return lanewise<F, F, F>([](F a, F b) { return a - b; });
  if (o == "mul") return lanewise<F, F, F>([](F a, F b) { return a * b; });
  if (o == "div") return lanewise<F, F, F>([](F a, F b) { return a / b; });
  if (o == "fma" || o == "mad")
    return lanewise<F, F, F, F>([](F a, F b, F c) { return __builtin_fma(a, b, c); });
  if (o == "min") return lanewise<F, F, F>([](F a, F b) { return minimum(a, b); });
  if (o == "max") return lanewise<F, F, F>([](F a, F b) { return maximum(a, b); });
  if (o == "abs") return lanewise<F, F>([](F a) { return std::fabs(a); });
  if (o == "neg") return lanewise<F, F>([](F a) { return -a; });
  if (o == "sqrt") return lanewise<F, F>([](F a) { return std::sqrt(a); });
  if (o == "rsqrt") return lanewise<F, F>([](F a) { return 1 / std::sqrt(a); });
  if (o == "rcp") return lanewise<F, F>([](F a) { return 1 / a; });
  if (o == "copysign") return lanewise<F, F, F>([](F a, F b) { return std::copysign(b, a); });
  return nullptr;
}

// The processor's rounding mode, set around a call that the compiler cannot look into.
void with_rounding(Warp& warp, const Instruction& i, uint32_t mask) {
  const unsigned before = _mm_getcsr();
  const unsigned mode = i.rounding == Rounding::down ? _MM_ROUND_DOWN
                        : i.rounding == Rounding::up ? _MM_ROUND_UP
                                                     : _MM_ROUND_TOWARD_ZERO;
  _mm_setcsr((before & ~_MM_ROUND_MASK) | mode);
  i.rounded(warp, i, mask);
  _mm_setcsr(before);
}

}  // namespace

bool decode_float(Instruction& i) {
  if (i.opcode() == "cvt" || i.opcode() == "mov") return false;
  if (i.type() == "f32") i.execute = decode_f32(i);
  if (i.type() == "f64") i.execute = decode_f64(i);
  if (!i.execute) return false;
  if (i.rounding != Rounding::none && i.rounding != Rounding::nearest) {
    i.rounded = i.execute;
    i.execute = with_rounding;
  }
  return true;
}

}  // namespace emulator
