// Runs a block: its warps in turn, each from barrier to barrier.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "execution.h"
#include "report.h"
#include "special.h"

namespace emulator {

namespace {

constexpr size_t alignment = 64;

uint8_t* aligned(std::vector<uint8_t>& storage) {
  void* data = storage.data();
  size_t space = storage.size();
  return static_cast<uint8_t*>(std::align(alignment, 1, data, space));
}

const Instruction& barrier_of(const Block& b, const Warp& w) {
  return b.launch.program.code[w.next[__builtin_ctz(w.live)]];
}

}  // namespace

Turns::Turns(Order order, size_t count, uint64_t seed)
    : order_(order), turns_(count), state_(seed * 2 + 1) {
  std::iota(turns_.begin(), turns_.end(), size_t{0});
  if (order == Order::descending) std::reverse(turns_.begin(), turns_.end());
}

const std::vector<size_t>& Turns::next() {
  if (order_ == Order::shuffled) {
    for (size_t i = turns_.size(); i > 1; i--) {
      state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
      std::swap(turns_[i - 1], turns_[(state_ >> 33) % i]);
    }
  }
  return turns_;
}

Block::Block(Launch& l) : launch(l), size(l.block), turns_(l.settings.order, 0, 0) {
  const Program& program = l.program;
  const size_t threads = size_t{size.x} * size.y * size.z;
  warps.resize((threads + warp_size - 1) / warp_size);
  shared.allocate(program, l.dynamic_shared, l.settings.races);
  local_size = (program.local_size + 15) / 16 * 16;
  local.resize(local_size * warps.size() * warp_size);
  local_initialised.resize(local.size());
  regions.resize(program.code.size());
  for (size_t i = 0; i < warps.size(); i++) {
    Warp& w = warps[i];
    w.block = this;
    w.index = static_cast<uint32_t>(i);
    w.storage.resize(program.registers.size() + alignment);
    w.registers = aligned(w.storage);
  }
}

void Block::reset() {
  const size_t threads = size_t{size.x} * size.y * size.z;
  shared.reset();
  std::fill(local.begin(), local.end(), 0xff);
  std::fill(local_initialised.begin(), local_initialised.end(), 0);
  std::fill(std::begin(arrived), std::end(arrived), 0);
  partial_barriers = false;
  for (Warp& w : warps) {
    const size_t lanes = std::min<size_t>(warp_size, threads - w.index * warp_size);
    std::memcpy(w.registers, launch.program.registers.data(), launch.program.registers.size());
    set_special_registers(w);
    w.state = Warp::State::running;
    w.live = lanes == warp_size ? all_lanes : (1u << lanes) - 1;
    w.waiting = 0;
    w.executed = 0;
    std::fill(std::begin(w.next), std::end(w.next), 0);
    std::fill(std::begin(w.copy_group), std::end(w.copy_group), 0);
    for (auto& copies : w.copies) copies.clear();
  }
}

void Block::start(uint64_t number) {
  position = {static_cast<uint32_t>(number % launch.grid.x),
              static_cast<uint32_t>(number / launch.grid.x % launch.grid.y),
              static_cast<uint32_t>(number / launch.grid.x / launch.grid.y)};
  turns_ = Turns(launch.settings.order, warps.size(), number);
  reset();
}

bool Block::advance() {
  bool advanced = false;
  paused = false;
  for (size_t turn : turns_.next()) {
    Warp& w = warps[turn];
    if (w.state != Warp::State::running) continue;
    advanced = true;
    run_warp(w);
    if (w.executed > launch.settings.most_instructions)
      fail(w, launch.program.code[w.live ? w.next[__builtin_ctz(w.live)] : 0], 0,
           Fault::Kind::other, "too many instructions: an endless loop?");
  }
  const bool released = release_barriers();
  if (std::all_of(warps.begin(), warps.end(),
                  [](const Warp& w) { return w.state == Warp::State::done; }))
    return true;
  if (advanced || released) return false;
  for (Warp& w : warps)
    if (w.state == Warp::State::at_barrier)
      fail(w, barrier_of(*this, w), __builtin_ctz(w.live), Fault::Kind::barrier,
           "deadlock: warps wait at barriers that others never reach");
  return false;
}

bool Block::release_barriers() {
  bool released = false;
  const auto live = std::count_if(warps.begin(), warps.end(),
                                  [](const Warp& w) { return w.state != Warp::State::done; });
  for (int barrier = 0; barrier < 16; barrier++)
    released |= release_barrier(barrier, static_cast<int>(live));
  return released;
}

// Whole warps count, as on a device. Without a number of threads all that have not left must come.
bool Block::release_barrier(int barrier, int live_warps) {
  auto waits = [&](const Warp& w) {
    return w.state == Warp::State::at_barrier && w.barrier == barrier;
  };
  Warp* first = nullptr;
  int threads = arrived[barrier];
  for (Warp& w : warps) {
    if (!waits(w)) continue;
    threads += warp_size;
    if (!first) first = &w;
  }
  if (!first) return false;
  int needed = live_warps * warp_size;
  const Operand& counted = barrier_of(*this, *first).operands[1];
  if (counted.kind != Operand::Kind::none) {
    needed = static_cast<int>(first->lanes<uint32_t>(counted)[0]);
    partial_barriers |= needed != static_cast<int>(warps.size()) * warp_size;
  }
  if (threads < needed) return false;
  partial_barriers |= arrived[barrier] > 0;
  arrived[barrier] = 0;
  shared.epoch++;

  uint32_t votes = 0, voters = 0;
  for (Warp& w : warps) {
    if (!waits(w)) continue;
    const Operand& predicate = barrier_of(*this, w).operands[3];
    if (predicate.kind == Operand::Kind::none) continue;
    for (uint32_t rest = w.live; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      voters++;
      votes += (w.lanes<uint8_t>(predicate)[lane] & 1) != predicate.negated;
    }
  }
  for (Warp& w : warps) {
    if (!waits(w)) continue;
    const Instruction& i = barrier_of(*this, w);
    for (uint32_t rest = w.live; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      if (i.mode == barrier_count) w.lanes<uint32_t>(i.operands[2])[lane] = votes;
      if (i.mode == barrier_and) w.lanes<uint8_t>(i.operands[2])[lane] = votes == voters;
      if (i.mode == barrier_or) w.lanes<uint8_t>(i.operands[2])[lane] = votes > 0;
      w.next[lane]++;
    }
    w.state = Warp::State::running;
  }
  return true;
}

}  // namespace emulator
