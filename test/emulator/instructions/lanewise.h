// Instructions that do the same for each lane on its own.
#pragma once
#include <cstddef>
#include <utility>

#include "../execution.h"

namespace emulator {

// The loop over all lanes has no condition, so that it becomes vector instructions.
template <class F>
inline void for_lanes(uint32_t mask, F f) {
  if (mask == all_lanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < warp_size; lane++) f(lane);
  } else {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
  }
}

// result[lane] = F(operand 1[lane], operand 2[lane], ...), their types being Result and Arguments.
template <class Result, class... Arguments, class F>
Execute lanewise(F) {
  return [](Warp& warp, const Instruction& i, uint32_t mask) {
    [&]<size_t... N>(std::index_sequence<N...>) {
      Result* const result = warp.lanes<Result>(i.operands[0]);
      [&](const Arguments*... arguments) {
        for_lanes(mask, [&](int lane) { result[lane] = F{}(arguments[lane]...); });
      }(warp.lanes<Arguments>(i.operands[N + 1])...);
    }
    (std::index_sequence_for<Arguments...>());
  };
}

// The same; F is given the instruction first, for its modes.
template <class Result, class... Arguments, class F>
Execute lanewise_with(F) {
  return [](Warp& warp, const Instruction& i, uint32_t mask) {
    [&]<size_t... N>(std::index_sequence<N...>) {
      Result* const result = warp.lanes<Result>(i.operands[0]);
      [&](const Arguments*... arguments) {
        for_lanes(mask, [&](int lane) { result[lane] = F{}(i, arguments[lane]...); });
      }(warp.lanes<Arguments>(i.operands[N + 1])...);
    }
    (std::index_sequence_for<Arguments...>());
  };
}

// Calls f with a value of the integer type of a PTX name: u32, s64, b16 and the like.
template <class F>
bool with_integer(const std::string& type, F f) {
  if (type == "u16" || type == "b16") return f(uint16_t());
  if (type == "s16") return f(int16_t());
  if (type == "u32" || type == "b32") return f(uint32_t());
  if (type == "s32") return f(int32_t());
  if (type == "u64" || type == "b64") return f(uint64_t());
  if (type == "s64") return f(int64_t());
  return false;
}

}  // namespace emulator
