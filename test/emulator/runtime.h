// What all parts of the runtime's stand-in share: its settings, and errors as cudart has them.
#pragma once
#include <cuda_runtime_api.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <string_view>

#include "engine.h"

namespace emulator {

// none: no driver is installed. old: one that is older than the runtime. no_device: a driver and no
// GPU.
enum class Driver { present, none, old, no_device };

struct RuntimeSettings {
  std::atomic<int> capability = 80;  // 75 for 7.5
  std::atomic<Driver> driver = Driver::present;
  std::atomic<int> fail_launch = 0;      // n: the n-th launch from now faults
  std::atomic<int> fail_allocation = 0;  // n: the n-th allocation from now finds no memory
};
RuntimeSettings& runtime_settings();

// One setting by name, of the engine or of the runtime, as in EMULATOR=order=2,capability=75.
// Throws std::invalid_argument for what there is not.
void set(std::string_view name, std::string_view value);

// True for the n-th call after the counter was set to n.
bool fails_now(std::atomic<int>& counter);

// What a function of the runtime returns, thrown from within.
struct Error {
  cudaError_t code;
};

inline void require(bool met, cudaError_t otherwise = cudaErrorInvalidValue) {
  if (!met) throw Error{otherwise};
}

// The error that the driver or an earlier fault answers every call with.
cudaError_t device_state();
// Prints the text and leaves the device broken, as a fault does on a card, until reset().
void break_device(cudaError_t code, const std::string& text);
void print(const std::string& text);

// Notes an error as this thread's last and returns it.
cudaError_t note(cudaError_t code);
cudaError_t last_error(bool forget);

// Forgets faults, their remains in all queues, injected failures that did not happen yet, and
// counters. Memory and settings stay.
void reset();

// The body of a function of the runtime: what it throws is returned.
template <class Body>
cudaError_t attempt(const Body& body) {
  try {
    body();
    return cudaSuccess;
  } catch (const Error& error) {
    return error.code;
  } catch (const std::bad_alloc&) {
    return cudaErrorMemoryAllocation;
  } catch (const std::exception& error) {
    print(error.what());
    return cudaErrorUnknown;
  }
}

// A function that does nothing on a device that is absent or broken, and tells a fault that it met.
template <class Body>
cudaError_t call(const Body& body) {
  if (const cudaError_t state = device_state()) return note(state);
  const cudaError_t result = attempt(body);
  return note(result ? result : device_state());
}

// A function that gives something back, which also has to be done on a broken device.
template <class Body>
cudaError_t release(const Body& body) {
  const cudaError_t result = attempt(body);
  const cudaError_t state = device_state();
  return note(state ? state : result);
}

}  // namespace emulator
