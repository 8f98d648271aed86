// Checks of the runtime's stand-in, run by runtime.test.ts. Prints a line for each: its name, and
// after a colon what was wrong.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runtime.h"

namespace {

using emulator::reset;
using emulator::set;

__global__ void fill(int* data, int value) { data[threadIdx.x] = value; }

__global__ void add(int* data, const int* from, int value) {
  data[threadIdx.x] = from[threadIdx.x] + value;
}

__global__ void architecture(int* data) {
#if __CUDA_ARCH__ >= 800
  data[threadIdx.x] = 80;
#else
  data[threadIdx.x] = 75;
#endif
}

__global__ void last_of_shared(int* data, int count) {
  extern __shared__ int shared[];
  shared[count - 1] = 7;
  data[0] = shared[count - 1];
}

__device__ int variable = 3;
__global__ void read_variable(int* data) { data[0] = variable; }

__global__ void __launch_bounds__(64) bounded(int* data) { data[threadIdx.x] = 1; }

struct Mismatch {
  std::string text;
};

void expect(long long got, long long expected, const char* what) {
  if (got == expected) return;
  throw Mismatch{std::string(what) + " is " + std::to_string(got) + ", expected " +
                 std::to_string(expected)};
}

#define EXPECT(got, expected) expect((long long)(got), (long long)(expected), #got)
#define OK(status) EXPECT(status, cudaSuccess)

constexpr int count = 32;
constexpr size_t bytes = count * sizeof(int);

// What every check has: two streams that do not block with the default one, an event, device and
// pinned memory.
struct Fixture {
  cudaStream_t a, b;
  cudaEvent_t event;
  int *x, *y, *pinned;

  Fixture() {
    OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaMalloc(&x, bytes));
    OK(cudaMalloc(&y, bytes));
    OK(cudaMemset(x, 0, bytes));
    OK(cudaMemset(y, 0, bytes));
    OK(cudaMallocHost(&pinned, bytes));
    for (int i = 0; i < count; ++i) pinned[i] = -1;
    OK(cudaDeviceSynchronize());
  }
  ~Fixture() {
    reset();
    cudaFree(x);
    cudaFree(y);
    cudaFreeHost(pinned);
    cudaEventDestroy(event);
    cudaStreamDestroy(a);
    cudaStreamDestroy(b);
  }
  int first(const int* data) {
    int value;
    OK(cudaMemcpy(&value, data, sizeof value, cudaMemcpyDefault));
    return value;
  }
};

void nothing_runs_before_somebody_waits(Fixture& f) {
  fill<<<1, count, 0, f.a>>>(f.x, 5);
  EXPECT(f.first(f.x), 0);
  OK(cudaStreamSynchronize(f.b));
  EXPECT(f.first(f.x), 0);
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x), 5);
}

void a_forgotten_wait_gives_old_data(Fixture& f) {
  fill<<<1, count, 0, f.a>>>(f.x, 5);
  add<<<1, count, 0, f.b>>>(f.y, f.x, 1);
  OK(cudaStreamSynchronize(f.b));
  EXPECT(f.first(f.y), 1);
}

void a_wait_for_an_event_gives_new_data(Fixture& f) {
  fill<<<1, count, 0, f.a>>>(f.x, 5);
  OK(cudaEventRecord(f.event, f.a));
  fill<<<1, count, 0, f.a>>>(f.x, 6);
  OK(cudaStreamWaitEvent(f.b, f.event, 0));
  add<<<1, count, 0, f.b>>>(f.y, f.x, 1);
  OK(cudaStreamSynchronize(f.b));
  EXPECT(f.first(f.y), 6);
  // What lies behind the event has not run.
  EXPECT(f.first(f.x), 5);
  EXPECT(cudaStreamQuery(f.a), cudaSuccess);
  EXPECT(f.first(f.x), 6);
}

void an_event_waits_for_its_last_record(Fixture& f) {
  OK(cudaEventSynchronize(f.event));
  OK(cudaEventRecord(f.event, f.a));
  OK(cudaStreamWaitEvent(f.b, f.event, 0));
  fill<<<1, count, 0, f.a>>>(f.x, 5);
  OK(cudaEventRecord(f.event, f.a));
  OK(cudaStreamSynchronize(f.b));
  EXPECT(f.first(f.x), 0);
  OK(cudaEventSynchronize(f.event));
  EXPECT(f.first(f.x), 5);
}

void polling_comes_to_an_end(Fixture& f) {
  for (int i = 0; i < 3; ++i) fill<<<1, count, 0, f.a>>>(f.x, i + 1);
  OK(cudaEventRecord(f.event, f.a));
  EXPECT(cudaEventQuery(f.event), cudaErrorNotReady);
  int polls = 1;
  while (cudaEventQuery(f.event) == cudaErrorNotReady) ++polls;
  EXPECT(polls, 3);
  EXPECT(f.first(f.x), 3);
  EXPECT(cudaGetLastError(), cudaErrorNotReady);
}

void the_default_stream_waits_for_blocking_streams(Fixture& f) {
  cudaStream_t blocking;
  OK(cudaStreamCreate(&blocking));
  fill<<<1, count, 0, blocking>>>(f.x, 5);
  add<<<1, count>>>(f.x, f.x, 1);
  add<<<1, count, 0, blocking>>>(f.x, f.x, 1);
  OK(cudaStreamSynchronize(blocking));
  OK(cudaStreamDestroy(blocking));
  EXPECT(f.first(f.x), 7);
}

void a_destroyed_stream_finishes_its_work(Fixture& f) {
  cudaStream_t stream;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  fill<<<1, count, 0, stream>>>(f.x, 5);
  OK(cudaStreamDestroy(stream));
  EXPECT(f.first(f.x), 0);
  OK(cudaDeviceSynchronize());
  EXPECT(f.first(f.x), 5);
}

void pinned_copies_are_late(Fixture& f) {
  f.pinned[0] = 1;
  OK(cudaMemcpyAsync(f.x, f.pinned, bytes, cudaMemcpyHostToDevice, f.a));
  f.pinned[0] = 2;
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x), 2);
  fill<<<1, count, 0, f.a>>>(f.x, 3);
  OK(cudaMemcpyAsync(f.pinned, f.x, bytes, cudaMemcpyDeviceToHost, f.a));
  EXPECT(f.pinned[0], 2);
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.pinned[0], 3);
}

void pageable_copies_are_at_once(Fixture& f) {
  std::vector<int> pageable(count, 1);
  OK(cudaMemcpyAsync(f.x, pageable.data(), bytes, cudaMemcpyHostToDevice, f.a));
  pageable[0] = 2;
  add<<<1, count, 0, f.a>>>(f.x, f.x, 10);
  OK(cudaMemcpyAsync(pageable.data(), f.x, bytes, cudaMemcpyDeviceToHost, f.a));
  EXPECT(pageable[0], 11);
}

void rows_are_copied_by_pitch(Fixture& f) {
  for (int i = 0; i < count; ++i) f.pinned[i] = i;
  OK(cudaMemcpy2DAsync(f.x, 8, f.pinned, 16, 8, 4, cudaMemcpyHostToDevice, f.a));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x + 2), 4);
  EXPECT(f.first(f.x + 7), 13);
  EXPECT(f.first(f.x + 8), 0);
}

void memory_freed_in_a_stream_is_freed_in_its_order(Fixture& f) {
  int* data;
  OK(cudaMallocAsync(&data, bytes, f.a));
  fill<<<1, count, 0, f.a>>>(data, 5);
  add<<<1, count, 0, f.a>>>(f.x, data, 1);
  OK(cudaFreeAsync(data, f.a));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x), 6);
  EXPECT(cudaMemset(data, 0, bytes), cudaErrorInvalidValue);
}

void device_variables_are_found(Fixture& f) {
  const int value = 4;
  read_variable<<<1, 1>>>(f.x);
  EXPECT(f.first(f.x), 3);
  OK(cudaMemcpyToSymbol(variable, &value, sizeof value));
  read_variable<<<1, 1>>>(f.x);
  EXPECT(f.first(f.x), 4);
}

struct Replay {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaGraphNode_t clear, adding, copying;
  int* target;
  const int* source;
  int value;
  void* arguments[3] = {&target, &source, &value};

  explicit Replay(Fixture& f, bool depend = true) : target(f.x), source(f.x), value(5) {
    OK(cudaGraphCreate(&graph, 0));
    const cudaMemsetParams zeros = memset_of(f.x, 1);
    OK(cudaGraphAddMemsetNode(&clear, graph, nullptr, 0, &zeros));
    const cudaKernelNodeParams kernel = kernel_of();
    OK(cudaGraphAddKernelNode(&adding, graph, &clear, depend ? 1 : 0, &kernel));
    OK(cudaGraphAddMemcpyNode1D(&copying, graph, &adding, 1, f.y, f.x, bytes,
                                cudaMemcpyDeviceToDevice));
    OK(cudaGraphInstantiate(&executable, graph, 0));
  }
  ~Replay() {
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
  }
  static cudaMemsetParams memset_of(int* data, unsigned value) {
    cudaMemsetParams p = {};
    p.dst = data;
    p.value = value;
    p.elementSize = 4;
    p.width = count;
    p.height = 1;
    return p;
  }
  cudaKernelNodeParams kernel_of() {
    cudaKernelNodeParams p = {};
    p.func = reinterpret_cast<void*>(add);
    p.gridDim = dim3(1);
    p.blockDim = dim3(count);
    p.kernelParams = arguments;
    return p;
  }
};

void a_graph_runs_when_waited_for(Fixture& f) {
  Replay replay(f);
  OK(cudaGraphLaunch(replay.executable, f.a));
  EXPECT(f.first(f.y), 0);
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.y), 6);
}

void a_race_between_nodes_is_a_fault(Fixture& f) {
  {
    Replay replay(f);
    OK(cudaGraphLaunch(replay.executable, f.a));
    OK(cudaStreamSynchronize(f.a));
  }
  Replay replay(f, false);
  OK(cudaGraphLaunch(replay.executable, f.a));
  EXPECT(cudaStreamSynchronize(f.a), cudaErrorLaunchFailure);
}

void a_race_between_streams_is_a_fault(Fixture& f) {
  set("streamRaces", "1");
  const auto run = [&](bool wait) {
    fill<<<1, count, 0, f.a>>>(f.x, 1);
    OK(cudaEventRecord(f.event, f.a));
    if (wait) OK(cudaStreamWaitEvent(f.b, f.event));
    add<<<1, count, 0, f.b>>>(f.y, f.x, 1);
    OK(cudaStreamSynchronize(f.b));
    return cudaStreamSynchronize(f.a);
  };
  OK(run(true));
  // What the host has waited for is over.
  fill<<<1, count, 0, f.b>>>(f.x, 2);
  OK(cudaStreamSynchronize(f.b));
  EXPECT(run(false), cudaErrorLaunchFailure);
  set("streamRaces", "0");
}

void a_forgotten_edge_of_a_graph_shows(Fixture& f) {
  set("races", "0");
  Replay replay(f, false);
  OK(cudaGraphLaunch(replay.executable, f.a));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.y), 5);
  EXPECT(f.first(f.x), 1);
  set("races", "1");
}

void nodes_are_updated_for_later_launches(Fixture& f) {
  Replay replay(f);
  OK(cudaGraphLaunch(replay.executable, f.a));
  replay.value = 7;
  const cudaKernelNodeParams kernel = replay.kernel_of();
  OK(cudaGraphExecKernelNodeSetParams(replay.executable, replay.adding, &kernel));
  const cudaMemsetParams tens = Replay::memset_of(f.x, 10);
  OK(cudaGraphExecMemsetNodeSetParams(replay.executable, replay.clear, &tens));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.y), 6);
  OK(cudaGraphExecMemcpyNodeSetParams1D(replay.executable, replay.copying, f.pinned, f.x, bytes,
                                        cudaMemcpyDeviceToHost));
  OK(cudaGraphLaunch(replay.executable, f.a));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.y), 6);
  EXPECT(f.pinned[0], 17);
  EXPECT(cudaGraphExecMemsetNodeSetParams(replay.executable, replay.adding, &tens),
         cudaErrorInvalidValue);
}

void captured_work_becomes_a_graph(Fixture& f) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  OK(cudaStreamBeginCapture(f.a, cudaStreamCaptureModeThreadLocal));
  OK(cudaMemsetAsync(f.x, 0, bytes, f.a));
  add<<<1, count, 0, f.a>>>(f.x, f.x, 5);
  EXPECT(cudaStreamSynchronize(f.a), cudaErrorStreamCaptureUnsupported);
  OK(cudaStreamEndCapture(f.a, &graph));
  size_t nodes = 0;
  OK(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT(nodes, 2);
  OK(cudaGraphInstantiate(&executable, graph, 0));
  OK(cudaGraphDestroy(graph));
  EXPECT(f.first(f.x), 0);
  for (int i = 0; i < 2; ++i) OK(cudaGraphLaunch(executable, f.a));
  OK(cudaGraphExecDestroy(executable));
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x), 5);
}

void a_fault_is_sticky(Fixture& f) {
  fill<<<1, count, 0, f.a>>>(f.x + 1, 5);
  OK(cudaGetLastError());
  EXPECT(cudaStreamSynchronize(f.a), cudaErrorIllegalAddress);
  EXPECT(cudaStreamSynchronize(f.b), cudaErrorIllegalAddress);
  EXPECT(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT(cudaPeekAtLastError(), cudaErrorIllegalAddress);
  int* data;
  EXPECT(cudaMalloc(&data, 4), cudaErrorIllegalAddress);
  EXPECT(cudaMemsetAsync(f.x, 0, bytes, f.a), cudaErrorIllegalAddress);
  reset();
  OK(cudaGetLastError());
  fill<<<1, count, 0, f.a>>>(f.x, 6);
  OK(cudaStreamSynchronize(f.a));
  EXPECT(f.first(f.x), 6);
}

void a_copy_of_freed_memory_is_a_fault(Fixture& f) {
  int* data;
  OK(cudaMallocAsync(&data, bytes, f.a));
  OK(cudaFreeAsync(data, f.a));
  OK(cudaMemsetAsync(data, 0, bytes, f.a));
  EXPECT(cudaStreamSynchronize(f.a), cudaErrorIllegalAddress);
}

void a_bad_configuration_is_not_sticky(Fixture& f) {
  fill<<<0, count, 0, f.a>>>(f.x, 5);
  EXPECT(cudaGetLastError(), cudaErrorInvalidConfiguration);
  fill<<<1, 1025, 0, f.a>>>(f.x, 5);
  EXPECT(cudaGetLastError(), cudaErrorInvalidConfiguration);
  fill<<<dim3(1, 65536), count, 0, f.a>>>(f.x, 5);
  EXPECT(cudaGetLastError(), cudaErrorInvalidConfiguration);
  bounded<<<1, 65, 0, f.a>>>(f.x);
  EXPECT(cudaGetLastError(), cudaErrorLaunchOutOfResources);
  OK(cudaGetLastError());
  OK(cudaStreamSynchronize(f.a));
}

void shared_memory_above_48_kib_is_asked_for(Fixture& f) {
  const void* kernel = reinterpret_cast<const void*>(last_of_shared);
  const auto launch = [&](int kib) {
    last_of_shared<<<1, 1, size_t(kib) << 10, f.a>>>(f.x, kib << 8);
    return cudaGetLastError();
  };
  const auto ask = [&](int kib) {
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kib << 10);
    cudaGetLastError();
    return status;
  };
  OK(launch(48));
  EXPECT(launch(49), cudaErrorInvalidValue);
  const struct {
    const char* capability;
    int most;
  } limits[] = {{"75", 64}, {"80", 163}, {"90", 227}};
  for (const auto& [capability, most] : limits) {
    set("capability", capability);
    EXPECT(ask(most + 1), cudaErrorInvalidValue);
    OK(ask(most));
    OK(launch(most));
    OK(cudaStreamSynchronize(f.a));
    EXPECT(f.first(f.x), 7);
  }
  set("capability", "75");
  EXPECT(launch(65), cudaErrorInvalidValue);
  set("capability", "80");
}

void the_capability_chooses_the_code(Fixture& f) {
  const struct {
    const char* capability;
    int code;
  } cases[] = {{"75", 75}, {"80", 80}, {"90", 80}};
  for (const auto& [capability, code] : cases) {
    set("capability", capability);
    architecture<<<1, count>>>(f.x);
    EXPECT(f.first(f.x), code);
    cudaDeviceProp properties;
    OK(cudaGetDeviceProperties(&properties, 0));
    EXPECT(properties.major * 10 + properties.minor, atoi(capability));
  }
  set("capability", "70");
  architecture<<<1, count>>>(f.x);
  EXPECT(cudaGetLastError(), cudaErrorNoKernelImageForDevice);
  set("capability", "80");
}

void memory_runs_out(Fixture&) {
  size_t before, total;
  OK(cudaMemGetInfo(&before, &total));
  const std::string capacity = std::to_string(total);
  set("capacity", std::to_string(total - before + 4096));
  int *first, *second;
  OK(cudaMalloc(&first, 4096));
  EXPECT(cudaMalloc(&second, 1), cudaErrorMemoryAllocation);
  EXPECT(cudaGetLastError(), cudaErrorMemoryAllocation);
  OK(cudaGetLastError());
  OK(cudaFreeAsync(first, nullptr));
  OK(cudaMalloc(&second, 1));
  OK(cudaFree(second));
  set("capacity", capacity);
  set("failAllocation", "2");
  OK(cudaMalloc(&first, 1));
  EXPECT(cudaMalloc(&second, 1), cudaErrorMemoryAllocation);
  OK(cudaMalloc(&second, 1));
  OK(cudaFree(first));
  OK(cudaFree(second));
}

void a_launch_fails_when_asked_to(Fixture& f) {
  set("failLaunch", "2");
  fill<<<1, count, 0, f.a>>>(f.x, 5);
  OK(cudaStreamSynchronize(f.a));
  fill<<<1, count, 0, f.a>>>(f.x, 6);
  EXPECT(cudaStreamSynchronize(f.a), cudaErrorLaunchFailure);
}

void drivers_can_be_missing(Fixture&) {
  int number;
  set("driver", "none");
  EXPECT(cudaGetDeviceCount(&number), cudaErrorInsufficientDriver);
  OK(cudaDriverGetVersion(&number));
  EXPECT(number, 0);
  set("driver", "old");
  EXPECT(cudaGetDeviceCount(&number), cudaErrorInsufficientDriver);
  OK(cudaDriverGetVersion(&number));
  EXPECT(number < CUDART_VERSION, true);
  set("driver", "no-device");
  EXPECT(cudaGetDeviceCount(&number), cudaErrorNoDevice);
  set("driver", "present");
  OK(cudaGetDeviceCount(&number));
  EXPECT(number, 1);
}

void threads_queue_and_wait_at_once(Fixture& f) {
  constexpr int rounds = 50;
  std::vector<cudaEvent_t> events(rounds);
  for (auto& event : events) OK(cudaEventCreate(&event));
  std::thread worker([&] {
    for (auto& event : events) {
      add<<<1, count, 0, f.a>>>(f.x, f.x, 1);
      cudaEventRecord(event, f.a);
    }
  });
  std::thread other([&] {
    for (int i = 0; i < rounds; ++i) {
      add<<<1, count, 0, f.b>>>(f.y, f.y, 1);
      cudaStreamSynchronize(f.b);
    }
  });
  for (auto& event : events) cudaEventSynchronize(event);
  worker.join();
  other.join();
  OK(cudaDeviceSynchronize());
  EXPECT(f.first(f.x), rounds);
  EXPECT(f.first(f.y), rounds);
  for (auto& event : events) OK(cudaEventDestroy(event));
}

void handles_are_checked(Fixture& f) {
  OK(cudaEventDestroy(f.event));
  EXPECT(cudaEventRecord(f.event, f.a), cudaErrorInvalidResourceHandle);
  OK(cudaEventCreate(&f.event));
  EXPECT(cudaFree(&f), cudaErrorInvalidValue);
  EXPECT(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(&f)), cudaErrorInvalidResourceHandle);
}

struct Check {
  const char* name;
  void (*run)(Fixture&);
};

#define CHECK(name) \
  {                 \
#name, name     \
  }
const Check checks[] = {
    CHECK(nothing_runs_before_somebody_waits),
    CHECK(a_forgotten_wait_gives_old_data),
    CHECK(a_wait_for_an_event_gives_new_data),
    CHECK(an_event_waits_for_its_last_record),
    CHECK(polling_comes_to_an_end),
    CHECK(the_default_stream_waits_for_blocking_streams),
    CHECK(a_destroyed_stream_finishes_its_work),
    CHECK(pinned_copies_are_late),
    CHECK(pageable_copies_are_at_once),
    CHECK(rows_are_copied_by_pitch),
    CHECK(memory_freed_in_a_stream_is_freed_in_its_order),
    CHECK(device_variables_are_found),
    CHECK(a_graph_runs_when_waited_for),
    CHECK(a_race_between_nodes_is_a_fault),
    CHECK(a_race_between_streams_is_a_fault),
    CHECK(a_forgotten_edge_of_a_graph_shows),
    CHECK(nodes_are_updated_for_later_launches),
    CHECK(captured_work_becomes_a_graph),
    CHECK(a_fault_is_sticky),
    CHECK(a_copy_of_freed_memory_is_a_fault),
    CHECK(a_bad_configuration_is_not_sticky),
    CHECK(shared_memory_above_48_kib_is_asked_for),
    CHECK(the_capability_chooses_the_code),
    CHECK(memory_runs_out),
    CHECK(a_launch_fails_when_asked_to),
    CHECK(drivers_can_be_missing),
    CHECK(threads_queue_and_wait_at_once),
    CHECK(handles_are_checked),
};

}  // namespace

int main() {
  for (const Check& check : checks) {
    std::string outcome = "ok";
    try {
      Fixture fixture;
      check.run(fixture);
    } catch (const Mismatch& mismatch) {
      outcome = mismatch.text;
      for (const auto& [name, value] :
           {std::pair{"driver", "present"}, {"capability", "80"}, {"capacity", "17179869184"}}) {
        set(name, value);
      }
    }
    std::printf("%s: %s\n", check.name, outcome.c_str());
    std::fflush(stdout);
  }
}
