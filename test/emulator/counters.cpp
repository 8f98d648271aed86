// What kind of work an instruction is, for Counters.
//
//   mma      mma
//   math     float32, float64 and float16 arithmetic, and conversions from or to them
//   address  integer arithmetic, logic, shifts, moves, conversions among integers, cvta, selp
//   memory   ld, st, atom, red, cp.async, ldmatrix; loads of parameters are address
//   control  branches, calls, barriers, comparisons, logic of predicates
//   other    shuffles, votes, fences, hints
#include <algorithm>
#include <array>
#include <string_view>

#include "decode.h"

namespace emulator {

namespace {

template <size_t N>
bool one_of(std::string_view opcode, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), opcode) != list.end();
}

bool is_float(std::string_view type) { return type[0] == 'f'; }

}  // namespace

Category classify(const Instruction& i) {
  using List9 = std::array<std::string_view, 9>;
  constexpr std::array<std::string_view, 7> memory = {"ld",  "ldu", "st",      "atom",
                                                      "red", "cp",  "ldmatrix"};
  constexpr List9 control = {"bra", "brx", "call", "ret", "exit", "bar", "barrier", "setp", "trap"};
  constexpr List9 other = {"shfl",  "vote",      "match",  "redux",   "activemask",
                           "fence", "nanosleep", "membar", "prefetch"};
  const std::string& o = i.opcode();
  if (o == "mma") return Category::mma;
  if (one_of(o, memory)) {
    return i.space == Space::parameter ? Category::address : Category::memory;
  }
  if (one_of(o, control) || i.type() == "pred") return Category::control;
  if (one_of(o, other)) return Category::other;
  if (o == "mov" || o == "selp" || o == "slct") return Category::address;
  if (o == "cvt")
    return is_float(i.type()) || is_float(i.parts[i.parts.size() - 2]) ? Category::math
                                                                       : Category::address;
  return is_float(i.type()) ? Category::math : Category::address;
}

}  // namespace emulator
