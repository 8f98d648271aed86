// Launches: their configuration, their parameters, their blocks on the host's threads.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <thread>
#include <vector>

#include "execution.h"
#include "report.h"

namespace emulator {

namespace {

Fault check(const Program& program, Size3 grid, Size3 block) {
  auto wrong = [&](const std::string& what) {
    return Fault{Fault::Kind::configuration, program.shown_name + ": " + what};
  };
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024)
    return wrong("a block of " + std::to_string(block.x) + " x " + std::to_string(block.y) + " x " +
                 std::to_string(block.z) + " threads");
  if (threads > static_cast<uint64_t>(program.thread_limit))
    return wrong("a block of " + std::to_string(threads) + " threads, but it was compiled for " +
                 std::to_string(program.thread_limit));
  if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    return wrong("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                 std::to_string(grid.z) + " blocks");
  if (program.mistakes.empty()) return {};
  std::string text = program.shown_name + " cannot be run:";
  for (const auto& mistake : program.mistakes) text += "\n    " + mistake;
  return {Fault::Kind::other, text};
}

// Takes blocks until there are none left.
class Blocks {
 public:
  Blocks(Launch& launch, Counters* counters)
      : launch_(launch),
        counters_(counters),
        count_(uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z) {}

  void run() {
    std::vector<std::thread> threads;
    const auto wanted = static_cast<uint64_t>(std::max(1, launch_.settings.threads));
    for (uint64_t i = 1; i < std::min(wanted, count_); i++) threads.emplace_back([&] { work(); });
    work();
    for (auto& thread : threads) thread.join();
  }

 private:
  void work() {
    const uint64_t together = std::min<uint64_t>(count_, std::max(1, launch_.settings.together));
    std::list<Block> blocks;
    while (blocks.size() < together) blocks.emplace_back(launch_);
    try {
      for (uint64_t i; !stopped_ && (i = next_.fetch_add(together)) < count_;) {
        std::vector<Block*> running;
        for (Block& block : blocks) {
          if (i == count_) break;
          block.start(number(i++));
          running.push_back(&block);
        }
        take_turns(running);
      }
    } catch (const Failure& failure) {
      stopped_ = true;
      std::lock_guard lock(launch_.mutex);
      Fault& fault = launch_.fault;
      if (fault.kind == Fault::Kind::none) fault.kind = failure.fault.kind;
      fault.text += (fault.text.empty() ? "" : "\n") + failure.fault.text;
    }
    if (!counters_) return;
    for (const Block& block : blocks) add(block.counters);
  }

  void take_turns(std::vector<Block*>& running) {
    while (!running.empty() && !stopped_) {
      bool paused = false;
      std::erase_if(running, [&](Block* block) {
        const bool ended = block->advance();
        paused |= block->paused;
        return ended;
      });
      // For a block of another thread, perhaps.
      if (paused && launch_.settings.threads > 1) std::this_thread::yield();
    }
  }

  uint64_t number(uint64_t i) const {
    if (launch_.settings.order == Order::descending) return count_ - 1 - i;
    if (launch_.settings.order == Order::ascending) return i;
    // A step that has no divisor in common with the count visits all.
    constexpr uint64_t prime = 2147483647;
    return count_ % prime == 0
               ? i
               : static_cast<uint64_t>(static_cast<unsigned __int128>(i) * prime % count_);
  }

  void add(const Counters& c) {
    std::lock_guard lock(launch_.mutex);
    for (auto field : {&Counters::mma, &Counters::math, &Counters::address, &Counters::memory,
                       &Counters::control, &Counters::other, &Counters::mma_operations,
                       &Counters::thread_instructions, &Counters::divergent, &Counters::load_bytes,
                       &Counters::load_sectors, &Counters::store_bytes, &Counters::store_sectors,
                       &Counters::shared_accesses, &Counters::shared_cycles,
                       &Counters::shared_conflicts, &Counters::barriers})
      counters_->*field += c.*field;
  }

  Launch& launch_;
  Counters* const counters_;
  const uint64_t count_;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
};

}  // namespace

Settings& settings() {
  static Settings instance;
  return instance;
}

Fault launch(const Kernel& kernel, Size3 grid, Size3 block, const void* const* arguments,
             size_t dynamic_shared, Counters* counters) try {
  const auto& program = static_cast<const Program&>(kernel);
  if (counters) {
    *counters = Counters();
    counters->kernel = program.shown_name;
    counters->launches = 1;
  }
  if (Fault wrong = check(program, grid, block); wrong.kind != Fault::Kind::none) return wrong;
  if (!settings().execute) return {};
  Launch launch{program, grid, block, dynamic_shared, settings()};
  launch.settings.count &= counters != nullptr;
  launch.parameters.resize(program.parameter_bytes);
  const auto& parameters = program.kernel_parameters;
  for (size_t i = 0; i < parameters.size(); i++)
    std::memcpy(&launch.parameters[parameters[i].offset], arguments[i], parameters[i].size);
  Blocks(launch, counters).run();
  return launch.fault;
} catch (const std::exception& error) {
  return {Fault::Kind::other, kernel.name() + ": " + error.what()};
}

}  // namespace emulator
