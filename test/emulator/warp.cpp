// Runs a warp.
//
// Note [divergence]. Each lane has a program counter. The lanes with the lowest one run together
// until they branch apart or reach a place where others wait; so lanes that went different ways
// meet again where the ways do. Lanes of a collective wait there until all that it names have come.
#include <immintrin.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>

#include "execution.h"
#include "report.h"

namespace emulator {

namespace {

// A warp that waits for another one in a loop of its own must let it run.
constexpr uint64_t slice = 5'000'000;

class Runner {
 public:
  explicit Runner(Warp& warp)
      : warp_(warp),
        block_(*warp.block),
        code_(block_.launch.program.code.data()),
        counting_(block_.launch.settings.count) {}

  void run() {
    const uint64_t end = warp_.executed + slice;
    while (warp_.executed < end) {
      if (!warp_.live) {
        warp_.state = Warp::State::done;
        return;
      }
      select();
      run_together();
      if (warp_.state == Warp::State::at_barrier || paused_) return;
    }
  }

 private:
  // Takes the lanes that are furthest behind.
  void select() {
    const uint32_t candidates = warp_.live & ~warp_.waiting;
    if (!candidates) {
      const int lane = __builtin_ctz(warp_.waiting);
      const Instruction& i = code_[warp_.next[lane]];
      fail(warp_, i, lane, Fault::Kind::barrier,
           i.control == Control::barrier
               ? "divergent barrier: other lanes of the warp wait elsewhere"
               : "lanes that the mask names can never arrive");
    }
    at_ = INT_MAX;
    for (uint32_t rest = candidates; rest; rest &= rest - 1)
      at_ = std::min(at_, warp_.next[__builtin_ctz(rest)]);
    active_ = 0;
    others_at_ = INT_MAX;
    for (uint32_t rest = candidates; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (warp_.next[lane] == at_) {
        active_ |= 1u << lane;
      } else {
        others_at_ = std::min(others_at_, warp_.next[lane]);
      }
    }
  }

  void send(uint32_t lanes, int to) {
    for (; lanes; lanes &= lanes - 1) warp_.next[__builtin_ctz(lanes)] = to;
  }

  uint32_t predicated(const Instruction& i) const {
    const __m256i values =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(warp_.registers + i.predicate));
    const auto set = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(values, 7)));
    return active_ & (i.predicate_negated ? ~set : set);
  }

  void count(const Instruction& i, uint32_t mask) {
    Counters& c = block_.counters;
    switch (i.category) {
      case Category::mma:
        c.mma++;
        break;
      case Category::math:
        c.math++;
        break;
      case Category::address:
        c.address++;
        break;
      case Category::memory:
        c.memory++;
        break;
      case Category::control:
        c.control++;
        break;
      default:
        c.other++;
    }
    c.thread_instructions += static_cast<uint64_t>(__builtin_popcount(mask));
    if (mask != warp_.live) c.divergent++;
    if (i.control == Control::barrier) c.barriers++;
  }

  // Until the lanes part or reach others.
  void run_together() {
    while (true) {
      const Instruction& i = code_[at_];
      warp_.executed++;
      const uint32_t mask = i.predicated ? predicated(i) : active_;
      if (counting_) count(i, mask);
      if (mask == 0) {
        at_++;
      } else if (i.control == Control::next) {
        i.execute(warp_, i, mask);
        at_++;
      } else if (!transfer(i, mask)) {
        return;
      }
      if (at_ >= others_at_ || warp_.executed % slice == 0) return send(active_, at_);
    }
  }

  // True: the lanes go on together at at_. Else each has its `next`.
  bool transfer(const Instruction& i, uint32_t mask) {
    const uint32_t rest = active_ & ~mask;
    switch (i.control) {
      case Control::branch:
        if (rest == 0) return at_ = i.target, true;
        send(mask, i.target);
        break;
      case Control::collective:
        return meet(i, mask);
      case Control::barrier:
        return wait_at_barrier(i, mask);
      case Control::leave:
        leave(i, mask);
        break;
      case Control::indexed_branch:
        branch_by_index(i, mask);
        break;
      case Control::call:
        call(i, mask);
        break;
      case Control::pause:
        paused_ = block_.paused = true;
        send(mask, at_ + 1);
        break;
      case Control::trap:
        fail(warp_, i, __builtin_ctz(mask), Fault::Kind::other, "trap or failed assertion");
      default:
        fail(warp_, i, __builtin_ctz(mask), Fault::Kind::uninitialised,
             "uninitialised: nothing writes the register " + i.unwritten);
    }
    send(rest, at_ + 1);
    return false;
  }

  // Lanes that wait at this instruction, and those that come.
  uint32_t present(uint32_t mask) const {
    for (uint32_t rest = warp_.waiting; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (warp_.next[lane] == at_) mask |= 1u << lane;
    }
    return mask;
  }

  // The lanes that the first lane's mask names. Others with another mask have their own turn.
  uint32_t named(const Instruction& i, uint32_t mask) {
    if (i.mask_operand < 0) return warp_.live;
    const uint32_t* const masks = warp_.lanes<uint32_t>(i.operands[i.mask_operand]);
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (!(masks[lane] >> lane & 1))
        fail(warp_, i, lane, Fault::Kind::barrier,
             "a lane takes part whose bit is not in the mask");
    }
    return masks[__builtin_ctz(mask)] & warp_.live;
  }

  bool meet(const Instruction& i, uint32_t mask) {
    const uint32_t needed = named(i, mask);
    const uint32_t rest = active_ & ~mask;
    if (needed & ~present(mask)) {
      warp_.waiting |= mask;
      send(mask, at_);
      send(rest, at_ + 1);
      return false;
    }
    i.execute(warp_, i, needed);
    if (needed == active_) return at_++, true;
    warp_.waiting &= ~needed;
    send(mask & ~needed, at_);
    send(rest, at_ + 1);
    send(needed, at_ + 1);
    return false;
  }

  bool wait_at_barrier(const Instruction& i, uint32_t mask) {
    const uint32_t group = present(mask);
    send(mask, at_);
    send(active_ & ~mask, at_ + 1);
    if (group != warp_.live) {
      warp_.waiting |= mask;
      if (!(warp_.live & ~warp_.waiting)) {
        char text[100];
        std::snprintf(text, sizeof text,
                      "divergent barrier: lanes %08x of %08x live ones of the warp are here", group,
                      warp_.live);
        fail(warp_, i, __builtin_ctz(mask), Fault::Kind::barrier, text);
      }
      return false;
    }
    warp_.waiting = 0;
    warp_.phase++;
    warp_.barrier =
        static_cast<int>(warp_.lanes<uint32_t>(i.operands[0])[__builtin_ctz(mask)] & 15);
    if (i.mode == barrier_arrive) {
      block_.arrived[warp_.barrier] += warp_size;
      send(warp_.live, at_ + 1);
    } else {
      warp_.state = Warp::State::at_barrier;
    }
    return false;
  }

  void leave(const Instruction& i, uint32_t mask) {
    if (i.mode >= 0) return return_to_caller(i, mask);
    warp_.live &= ~mask;
    for (; mask; mask &= mask - 1) warp_.copies[__builtin_ctz(mask)].clear();
  }

  void copy_local(int lane, uint64_t to, uint64_t from, size_t bytes) {
    uint8_t* const data = block_.local_of(warp_, lane);
    uint8_t* const flags = block_.local_flags_of(warp_, lane);
    std::memcpy(data + to, data + from, bytes);
    std::memcpy(flags + to, flags + from, bytes);
  }

  void call(const Instruction& i, uint32_t mask) {
    const Function& f = block_.launch.program.functions.at(i.operands[0].symbol);
    uint32_t* const return_to = reinterpret_cast<uint32_t*>(warp_.registers + f.return_place);
    for (; mask; mask &= mask - 1) {
      const int lane = __builtin_ctz(mask);
      const auto& arguments = i.operands[2].elements;
      for (size_t k = 0; k < f.parameters.size(); k++)
        copy_local(lane, f.parameters[k].offset, arguments[k].displacement, f.parameters[k].size);
      return_to[lane] = static_cast<uint32_t>(at_ + 1);
      warp_.next[lane] = f.entry;
    }
  }

  void return_to_caller(const Instruction& i, uint32_t mask) {
    const uint32_t* const return_to = reinterpret_cast<uint32_t*>(warp_.registers + i.mode);
    for (; mask; mask &= mask - 1) {
      const int lane = __builtin_ctz(mask);
      const Instruction& call = code_[return_to[lane] - 1];
      const Function& f = block_.launch.program.functions.at(call.operands[0].symbol);
      const auto& results = call.operands[1].elements;
      for (size_t k = 0; k < f.results.size(); k++)
        copy_local(lane, results[k].displacement, f.results[k].offset, f.results[k].size);
      warp_.next[lane] = static_cast<int>(return_to[lane]);
    }
  }

  void branch_by_index(const Instruction& i, uint32_t mask) {
    const uint32_t* const index = warp_.lanes<uint32_t>(i.operands[0]);
    for (; mask; mask &= mask - 1) {
      const int lane = __builtin_ctz(mask);
      if (index[lane] >= i.targets.size())
        fail(warp_, i, lane, Fault::Kind::other, "brx.idx beyond its table");
      warp_.next[lane] = i.targets[index[lane]];
    }
  }

  Warp& warp_;
  Block& block_;
  const Instruction* const code_;
  const bool counting_;
  bool paused_ = false;
  uint32_t active_ = 0;
  int at_ = 0;
  int others_at_ = 0;  // the nearest of the other lanes
};

}  // namespace

void run_warp(Warp& warp) { Runner(warp).run(); }

}  // namespace emulator
