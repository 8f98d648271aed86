#include "runtime.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "graphs.h"
#include "launches.h"
#include "streams.h"

namespace emulator {

namespace {

std::atomic<cudaError_t> fault = cudaSuccess;
std::atomic<uint64_t> resets = 0;

struct LastError {
  cudaError_t code = cudaSuccess;
  uint64_t resets = 0;
};
thread_local LastError last;

uint64_t number(std::string_view name, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error == std::errc() && end == text.end()) return value;
  throw std::invalid_argument(std::string(name) + " has to be a number");
}

Driver driver(std::string_view value) {
  static const std::map<std::string_view, Driver> names = {{"present", Driver::present},
                                                           {"none", Driver::none},
                                                           {"old", Driver::old},
                                                           {"no-device", Driver::no_device}};
  const auto found = names.find(value);
  if (found != names.end()) return found->second;
  throw std::invalid_argument("driver is present, none, old or no-device");
}

// The environment variable EMULATOR, when the library is loaded.
const bool environment_read = [] {
  const char* text = std::getenv("EMULATOR");
  std::string_view rest = text ? text : "";
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equal = std::min(pair.find('='), pair.size());
    try {
      set(pair.substr(0, equal), pair.substr(std::min(equal + 1, pair.size())));
    } catch (const std::invalid_argument& error) {
      print(error.what());
    }
  }
  return true;
}();

}  // namespace

RuntimeSettings& runtime_settings() {
  static RuntimeSettings it;
  return it;
}

void set(std::string_view name, std::string_view value) {
  Settings& engine = settings();
  RuntimeSettings& runtime = runtime_settings();
  if (name == "driver") {
    runtime.driver = driver(value);
    return;
  }
  const uint64_t n = number(name, value);
  if (name == "order") {
    engine.order = Order(n % 3);
  } else if (name == "threads") {
    engine.threads = std::max(1, int(n));
  } else if (name == "together") {
    engine.together = std::max(1, int(n));
  } else if (name == "races") {
    engine.races = n != 0;
  } else if (name == "warpRaces") {
    engine.warp_races = n != 0;
  } else if (name == "streamRaces") {
    engine.stream_races = n != 0;
  } else if (name == "delay") {
    engine.delay = int(n);
  } else if (name == "uninitialised") {
    engine.uninitialised = n != 0;
  } else if (name == "count") {
    engine.count = n != 0;
  } else if (name == "execute") {
    engine.execute = n != 0;
  } else if (name == "mostInstructions") {
    engine.most_instructions = n;
  } else if (name == "capability") {
    runtime.capability = int(n);
  } else if (name == "failLaunch") {
    runtime.fail_launch = int(n);
  } else if (name == "failAllocation") {
    runtime.fail_allocation = int(n);
  } else if (name == "capacity") {
    memory::set_capacity(n);
  } else {
    throw std::invalid_argument("there is no setting named '" + std::string(name) + "'");
  }
}

bool fails_now(std::atomic<int>& counter) {
  int left = counter;
  while (left > 0 && !counter.compare_exchange_weak(left, left - 1)) {
  }
  return left == 1;
}

cudaError_t device_state() {
  switch (runtime_settings().driver) {
    case Driver::none:
    case Driver::old:
      return cudaErrorInsufficientDriver;
    case Driver::no_device:
      return cudaErrorNoDevice;
    case Driver::present:
      break;
  }
  return fault;
}

void break_device(cudaError_t code, const std::string& text) {
  cudaError_t none = cudaSuccess;
  if (fault.compare_exchange_strong(none, code)) print(text);
}

void print(const std::string& text) { std::fprintf(stderr, "[emulator] %s\n", text.c_str()); }

cudaError_t note(cudaError_t code) {
  if (code != cudaSuccess) last = {code, resets};
  return code;
}

cudaError_t last_error(bool forget) {
  if (const cudaError_t sticky = fault) return sticky;
  const cudaError_t code = last.resets == resets ? last.code : cudaSuccess;
  if (forget) last = {};
  return code;
}

void reset() {
  Scheduler::instance().discard();
  fault = cudaSuccess;
  ++resets;
  runtime_settings().fail_launch = 0;
  runtime_settings().fail_allocation = 0;
  forget_launches();
  graph_counts().made = graph_counts().launched = graph_counts().set = 0;
}

}  // namespace emulator
