// What the lanes of a warp do together (PTX ISA 9.7.9.6 and 9.7.13): they have all arrived when
// these run, and the mask names them.
#include <algorithm>
#include <cstring>

#include "../decode.h"
#include "../report.h"
#include "../text.h"
#include "lanewise.h"

namespace emulator {

namespace {

enum ShuffleMode { up, down, butterfly, from_index };
enum VoteMode { all, any, uniform, ballot };
enum ReduceMode { add, minimum, maximum, bit_and, bit_or, bit_xor };

// The result's register, and the predicate beside it if there is one.
struct Target {
  const Operand* value;
  const Operand* predicate;
};

Target target_of(const Instruction& i) {
  const Operand& o = i.operands[0];
  if (o.kind != Operand::Kind::vector) return {&o, nullptr};
  auto used = [](const Operand& e) { return e.kind == Operand::Kind::none ? nullptr : &e; };
  return {used(o.elements[0]), used(o.elements[1])};
}

template <class T>
void store_lane(Warp& warp, const Operand* to, int lane, T value) {
  if (to) warp.lanes<T>(*to)[lane] = value;
}

// The lane that is read lies in the segment that `clamp` describes, else a lane reads itself.
void shuffle(Warp& warp, const Instruction& i, uint32_t mask) {
  uint32_t source[warp_size], offsets[warp_size], clamps[warp_size];
  std::memcpy(source, warp.lanes<uint32_t>(i.operands[1]), sizeof source);
  std::memcpy(offsets, warp.lanes<uint32_t>(i.operands[2]), sizeof offsets);
  std::memcpy(clamps, warp.lanes<uint32_t>(i.operands[3]), sizeof clamps);
  const Target target = target_of(i);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const int offset = static_cast<int>(offsets[lane] & 31);
    const int clamp = static_cast<int>(clamps[lane] & 31);
    const int segment = static_cast<int>(clamps[lane] >> 8 & 31);
    const int last = (lane & segment) | (clamp & ~segment);
    const int first = lane & segment;
    int other;
    bool inside;
    switch (i.mode) {
      case up:
        other = lane - offset;
        inside = other >= last;
        break;
      case down:
        other = lane + offset;
        inside = other <= last;
        break;
      case butterfly:
        other = lane ^ offset;
        inside = other <= last;
        break;
      default:
        other = first | (offset & ~segment);
        inside = other <= last;
    }
    if (!inside) other = lane;
    if (!(mask >> other & 1))
      fail(warp, i, lane, Fault::Kind::barrier,
           "shfl reads lane " + std::to_string(other) + ", which does not take part");
    store_lane(warp, target.value, lane, source[other]);
    store_lane<uint8_t>(warp, target.predicate, lane, inside);
  }
}

void vote(Warp& warp, const Instruction& i, uint32_t mask) {
  const Operand& o = i.operands[1];
  const uint8_t* const predicate = warp.lanes<uint8_t>(o);
  uint32_t votes = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if ((predicate[lane] & 1) != o.negated) votes |= 1u << lane;
  }
  if (i.mode == ballot) {
    uint32_t* const to = warp.lanes<uint32_t>(i.operands[0]);
    for_lanes(mask, [&](int lane) { to[lane] = votes; });
    return;
  }
  const bool result = i.mode == all   ? votes == mask
                      : i.mode == any ? votes != 0
                                      : votes == 0 || votes == mask;
  uint8_t* const to = warp.lanes<uint8_t>(i.operands[0]);
  for_lanes(mask, [&](int lane) { to[lane] = result; });
}

// Mode all: the mask where all values are equal, else 0. Any: the lanes with the same value.
template <class T>
void match(Warp& warp, const Instruction& i, uint32_t mask) {
  T values[warp_size];
  std::memcpy(values, warp.lanes<T>(i.operands[1]), sizeof values);
  const Target target = target_of(i);
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    uint32_t equal = 0;
    for (uint32_t others = mask; others; others &= others - 1) {
      const int other = __builtin_ctz(others);
      if (values[other] == values[lane]) equal |= 1u << other;
    }
    if (i.mode == all && equal != mask) equal = 0;
    store_lane(warp, target.value, lane, equal);
    store_lane<uint8_t>(warp, target.predicate, lane, equal == mask);
  }
}

template <class T>
void reduce(Warp& warp, const Instruction& i, uint32_t mask) {
  const T* const values = warp.lanes<T>(i.operands[1]);
  T result = values[__builtin_ctz(mask)];
  for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1) {
    const T x = values[__builtin_ctz(rest)];
    switch (i.mode) {
      case add:
        result = static_cast<T>(static_cast<uint32_t>(result) + static_cast<uint32_t>(x));
        break;
      case minimum:
        result = std::min(result, x);
        break;
      case maximum:
        result = std::max(result, x);
        break;
      case bit_and:
        result &= x;
        break;
      case bit_or:
        result |= x;
        break;
      default:
        result ^= x;
    }
  }
  T* const to = warp.lanes<T>(i.operands[0]);
  for_lanes(mask, [&](int lane) { to[lane] = result; });
}

void synchronise(Warp& warp, const Instruction&, uint32_t) { warp.phase++; }

void active_mask(Warp& warp, const Instruction& i, uint32_t mask) {
  uint32_t* const to = warp.lanes<uint32_t>(i.operands[0]);
  for_lanes(mask, [&](int lane) { to[lane] = mask; });
}

bool collective(Instruction& i, size_t mask_operand, Execute execute) {
  if (i.operands.size() <= mask_operand) return false;
  i.control = Control::collective;
  i.mask_operand = static_cast<int8_t>(mask_operand);
  i.execute = execute;
  return true;
}

}  // namespace

bool decode_collective(Instruction& i) {
  const std::string& o = i.opcode();
  if (o == "activemask") return i.execute = active_mask, true;
  if (o == "bar" && i.has("warp")) return collective(i, 0, synchronise);
  if (!i.has("sync")) return false;
  if (o == "shfl") {
    i.mode = i.has("up") ? up : i.has("down") ? down : i.has("bfly") ? butterfly : from_index;
    return collective(i, 4, shuffle);
  }
  if (o == "vote") {
    i.mode = i.has("all") ? all : i.has("any") ? any : i.has("uni") ? uniform : ballot;
    return collective(i, 2, vote);
  }
  if (o == "match") {
    i.mode = i.has("all") ? all : any;
    return collective(i, 2, type_width(i.type()) == 8 ? match<uint64_t> : match<uint32_t>);
  }
  if (o == "redux") {
    i.mode = i.has("add")   ? add
             : i.has("min") ? minimum
             : i.has("max") ? maximum
             : i.has("and") ? bit_and
             : i.has("or")  ? bit_or
                            : bit_xor;
    return collective(i, 2, i.type() == "s32" ? reduce<int32_t> : reduce<uint32_t>);
  }
  return false;
}

}  // namespace emulator
