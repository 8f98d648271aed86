// A CUDA GPU as a device. Operations compute on one stream, in order; what is written and read
// passes through blocks of staging memory, which two other streams copy from and to the host while
// that one computes:
//
//   write   host memory -> block's pinned memory (JavaScript's thread) -> block (stream `up`)
//           -> tensor (stream `computing`, behind an event of `up`)
//   read    tensor -> block (`computing`) -> pinned memory (`down`, behind an event of `computing`)
//           -> host memory (the waiter's thread, behind an event of `down`)
//
// So memory of the pool is touched by `computing` alone, and stays in the order of its work. The
// stream's thread collects and launches, see Note [graphs] in graph.h; the waiter's waits.
#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../binding/device.h"
#include "../binding/program.h"
#include "check.h"
#include "graph.h"
#include "indirect.cuh"
#include "map.cuh"
#include "operations.cuh"
#include "scratch.h"
#include "staging.h"
#include "waiter.h"

namespace aa::cuda {

namespace {

constexpr int threads = 256;
// Launches that fill a batch. Few enough that the GPU has work while the rest of a frame is still
// collected, many enough that starting a graph is little beside them. Not measured on a GPU.
constexpr size_t most_nodes = 64;
// A batch is filled by single operations, of a node or more each, or is a program.
constexpr size_t most_operations = std::max(most_nodes, Program::most_steps);
// Bytes of uploads that fill one. Their blocks are in use until the batch is over.
constexpr size_t most_staged = size_t(16) << 20;

__global__ void __launch_bounds__(threads) store_half(const float* from, __half* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count) to[i] = stored<__half>(from[i]);
}
__global__ void __launch_bounds__(threads) load_half(const __half* from, float* to, size_t count) {
  const size_t i = size_t(blockIdx.x) * threads + threadIdx.x;
  if (i < count) to[i] = value(from[i]);
}

// See Note [indirect pointers].
struct Table {
  const char* at[most_indirect];
};
__global__ void __launch_bounds__(threads)
    fill_table(const __grid_constant__ Table table, int count, const char** to) {
  for (int i = threadIdx.x; i < count; i += threads) to[i] = table.at[i];
}

dim3 grid_of(size_t count) { return dim3(unsigned(ceil_divide(count, threads))); }

// Segments of the pool, of one GPU. cudaMalloc and cudaFree belong to the calling thread's GPU.
// cudaFree waits for all work on it that was started.
class Segments final : public MemorySource {
 public:
  explicit Segments(int gpu) : gpu_(gpu) {}
  void* map(size_t bytes) override {
    void* data = nullptr;
    if (cudaSetDevice(gpu_) == cudaSuccess && cudaMalloc(&data, bytes) == cudaSuccess) return data;
    cudaGetLastError();
    return nullptr;
  }
  void unmap(void* data, size_t) override {
    cudaSetDevice(gpu_);
    cudaFree(data);
  }
  std::string left() const override {
    size_t free = 0, total = 0;
    cudaSetDevice(gpu_);
    cudaMemGetInfo(&free, &total);
    return ", " + std::to_string(free) + " of the GPU's " + std::to_string(total) + " are free";
  }

 private:
  int gpu_;
};

// What launchers see: collects what they launch.
class Collector final : public Context {
 public:
  Collector(MemorySource& source, Budget& budget)
      : scratch_{Scratch(source, budget), Scratch(source, budget)} {}
  // Before an operation.
  void begin() {
    if (!in_program_) begin_scratch(0);
  }
  // Before a program, with an empty batch. Its operations have scratch memory of their own each, as
  // they may run side by side. `table` are addresses to fill `to` with before.
  void begin_program(int lane, const std::vector<const char*>& table, const char** to) {
    begin_scratch(lane);
    in_program_ = true;
    last_.clear();
    has_table_ = !table.empty();
    if (!has_table_) return;
    Table values{};
    std::copy(table.begin(), table.end(), values.at);
    launch(fill_table, dim3(1), cuda::threads, 0, values, int(table.size()), to);
  }
  void end_program() { in_program_ = false; }
  // After it. One that launched nothing leaves no trace.
  void end(const char* op) {
    if (batch.size() == (ends.empty() ? 0 : ends.back())) return;
    operations.push_back(op);
    ends.push_back(batch.size());
  }
  void clear(void* data, size_t bytes) override { batch.fill(data, 0, bytes); }

  // After an operation of a program: it waits for those alone that `after` numbers.
  void end(const char* op, const std::vector<size_t>& after) {
    const size_t first = ends.empty() ? has_table_ : ends.back();
    std::vector<size_t> nodes;  // the last ones of the operations it waits for
    if (after.empty() && has_table_) nodes.push_back(0);
    for (size_t step : after) nodes.insert(nodes.end(), last_[step].begin(), last_[step].end());
    if (batch.size() > first) {
      batch.set_after(first, std::move(nodes));
      nodes = {batch.size() - 1};
    }
    last_.push_back(std::move(nodes));
    end(op);
  }

  Batch batch;
  std::vector<const char*> operations;        // of the batch
  std::vector<size_t> ends;                   // behind the last node of each
  std::vector<std::shared_ptr<void>> in_use;  // until the batch is over

 protected:
  void* scratch_bytes(size_t bytes) override { return scratch_[lane_].take(bytes); }
  void add(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
           const void* const* values, const size_t* sizes, size_t count) override {
    size_t& allowed = shared_.try_emplace(kernel, least_allowed).first->second;
    if (dynamic_shared > allowed) {
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(dynamic_shared)),
            "shared memory");
      allowed = dynamic_shared;
    }
    batch.launch(kernel, grid, threads, dynamic_shared, values, sizes, count);
  }

 private:
  void begin_scratch(int lane) {
    lane_ = lane;
    for (auto& chunk : scratch_[lane].begin()) in_use.push_back(std::move(chunk));
  }
  // Dynamic shared memory that a kernel may have unasked: 48 KiB less its static memory.
  static constexpr size_t least_allowed = 32 * 1024;
  Scratch scratch_[most_lanes];
  int lane_ = 0;
  std::unordered_map<const void*, size_t> shared_;  // dynamic shared memory that a kernel may have
  bool in_program_ = false;
  bool has_table_ = false;                 // the program's first node fills it
  std::vector<std::vector<size_t>> last_;  // nodes with which each operation of the program ends
};

template <class P, void (*launcher)(Context&, const P&)>
void run(aa::Context& context, const P& p) {
  auto& collector = static_cast<Collector&>(context);
  collector.begin();
  launcher(collector, p);
}

size_t packed_size(const aa::Context& context, const Conv2dPack& p) {
  return conv2d_packed_size(static_cast<const Context&>(context), p);
}

Operations table(const char* name) {
  return {
      name,
      packed_size,
      run<Conv2dPack, conv2d_pack>,
      run<Conv2d, conv2d>,
      run<Linear, linear>,
      run<Resize, resize>,
      run<Unshuffle, unshuffle>,
      run<Normalize, normalize>,
      run<ComposeAffine, compose_affine>,
      run<ChainHomographies, chain_homographies>,
      run<PackFrame, pack_frame>,
      run<MaskedCorrelation, masked_correlation>,
      run<RefinementLevel, refinement_level>,
      run<GaussNewton, gauss_newton>,
      run<HomographySample, homography_sample>,
      run<LocalDistance, local_distance>,
      run<TemporalPool, temporal_pool>,
      run<PushPull, push_pull>,
      run<Synthesize, synthesize>,
      run<WindowedAttention, windowed_attention>,
      run<FlowWarp, flow_warp>,
      run<Blend, blend>,
      run<Composite, composite>,
      run<PaintNative, paint_native>,
      run<WindowMatch, window_match>,
      run<MeanField, mean_field>,
  };
}

// Bases from members: the pool's source has to be there before the pool.
struct Source {
  Segments segments;
};

class CudaDevice final : private Source, public Device, private Stream::Follower {
 public:
  CudaDevice(int gpu, const DeviceOptions& options)
      : Source{Segments(gpu)},
        Device(segments, options.memory_limit, this),
        properties_(open(gpu)),
        staging_(gpu, segments, budget_),
        collector_(segments, budget_),
        waiter_(gpu, *stream_) {
    collector_.half = options.maps == Type::f16;
    collector_.capability = properties_.major * 10 + properties_.minor;
    collector_.processors = properties_.multiProcessorCount;
    name_ = "sm_" + std::to_string(collector_.capability);
    operations_ = table(name_.c_str());
    for (auto& table : tables_) table = staging_.take(sizeof(Table));
    count_ = staging_.take((most_operations + 1) * sizeof(int));
    int* numbers = static_cast<int*>(count_->host);
    std::iota(numbers, numbers + most_operations + 1, 0);
    check(cudaMemcpyAsync(count_->device, numbers, (most_operations + 1) * sizeof(int),
                          cudaMemcpyHostToDevice, streams_[0].get()),
          "a copy to the GPU");
    check(cudaStreamSynchronize(streams_[0].get()), "a copy to the GPU");
    // Last: from now on there are two threads.
    stream_->push({"start", [gpu] { cudaSetDevice(gpu); }, nullptr});
  }
  ~CudaDevice() override { stop(); }
  const Operations& operations() const override { return operations_; }
  int threads() const override { return 0; }
  aa::Context& context() override { return collector_; }
  Type maps() const override { return collector_.half ? Type::f16 : Type::f32; }

  Stream::Task write(void* to, Type type, const void* from, size_t count, bool later) override {
    const size_t bytes = host_bytes(type, count);
    auto block = staging_.take(bytes);
    if (later && type != Type::f16) {
      return {"upload",
              [=, this] {
                launch(nullptr);  // what is collected may use the memory
                std::memcpy(block->host, from, bytes);
                copy_ = {up, {begin_of(to), begin_of(to) + bytes, true}, to, block->host, block};
              },
              nullptr};
    }
    std::memcpy(block->host, from, bytes);
    return {"upload",
            [=, this]() mutable {
              check(cudaMemcpyAsync(block->device, block->host, bytes, cudaMemcpyHostToDevice,
                                    streams_[up].get()),
                    "a copy to the GPU");
              check(cudaEventRecord(moved_.get(), streams_[up].get()), "an event");
              // All of the batch that is being collected comes behind the copy.
              check(cudaStreamWaitEvent(streams_[0].get(), moved_.get()), "to wait for an event");
              if (type == Type::f16) {
                collector_.launch(store_half, grid_of(count), cuda::threads, 0,
                                  static_cast<const float*>(block->device),
                                  static_cast<__half*>(to), count);
              } else {
                collector_.batch.copy(to, block->device, bytes);
              }
              collector_.in_use.push_back(std::move(block));
              staged_ += bytes;
            },
            nullptr};
  }
  Stream::Task read(void* to, Type type, const void* from, size_t count,
                    Stream::Done done) override {
    const size_t bytes = host_bytes(type, count);
    auto block = staging_.take(bytes);
    return {
        "read",
        [=, this] {
          if (type != Type::f16 && collector_.batch.size() == 0) {
            copy_ = {
                down, {begin_of(from), begin_of(from) + bytes, false}, block->host, from, block};
            return;
          }
          if (type == Type::f16) {
            collector_.launch(load_half, grid_of(count), cuda::threads, 0,
                              static_cast<const __half*>(from), static_cast<float*>(block->device),
                              count);
          } else {
            collector_.batch.copy(block->device, from, bytes);
          }
          download_ = {block.get(), bytes};
        },
        [=, done = std::move(done)](const Error* error) mutable {
          if (!error) std::memcpy(to, block->host, bytes);
          block.reset();
          done(error);
        }};
  }
  void poison(void* data, size_t bytes) override { collector_.batch.fill(data, 0xff, bytes); }

  void trim() override {
    // So that what is collected does not hold memory for ever. What is over by now goes.
    stream_->push({"trim", [this] { launch(nullptr); }, nullptr});
    staging_.trim();
    Device::trim();
  }

 private:
  // Of streams_: the lanes, and the ways between host and GPU.
  static constexpr int up = most_lanes, down = up + 1, streams = down + 1;

  struct Download {
    const Staging::Block* block = nullptr;
    size_t bytes = 0;
  };
  // A copy between the host's pinned memory and a tensor, which waits for what uses the tensor.
  struct Copy {
    int stream = 0;
    Use use{};
    void* to = nullptr;
    const void* from = nullptr;
    std::shared_ptr<Staging::Block> block;  // null: no copy
  };
  // What work waits for: see Note [lanes].
  struct Uses {
    bool all = false;
    std::vector<Use> reads, writes;  // reads in order of their places, none overlaps another
  };
  struct Started {
    int stream;
    Uses uses;
    cudaEvent_t over;
  };

  static const char* begin_of(const void* data) { return static_cast<const char*>(data); }

  static cudaDeviceProp open(int gpu) {
    cudaDeviceProp properties;
    check(cudaSetDevice(gpu), "a GPU to open");
    check(cudaGetDeviceProperties(&properties, gpu), "a GPU's properties");
    return properties;
  }
  static size_t host_bytes(Type type, size_t count) { return count * (type == Type::u8 ? 1 : 4); }

  void started(size_t ticket, const char* op, Stream::Done& done) override {
    ticket_ = ticket;
    if (copy_.block) return start_copy(op, std::move(done));
    collector_.end(op);
    const bool full = collector_.batch.size() >= most_nodes || staged_ >= most_staged ||
                      std::exchange(program_, false);
    if (done || full) launch(std::move(done));
  }
  void settle() override { waiter_.settle(); }
  // A program is a batch of its own, so that it finds the graph of its last play.
  char* program_begins(int lane, const std::vector<Use>& uses,
                       const std::vector<const char*>& table) override {
    launch(nullptr);
    char* const at = static_cast<char*>(tables_[lane]->device);
    collector_.begin_program(lane, table, reinterpret_cast<const char**>(at));
    lane_ = lane;
    uses_ = {};
    for (const Use& use : uses) (use.writes ? uses_.writes : uses_.reads).push_back(use);
    std::sort(uses_.reads.begin(), uses_.reads.end(),
              [](const Use& a, const Use& b) { return a.begin < b.begin; });
    return table.empty() ? nullptr : at + indirect;
  }
  void step_ends(const char* op, const std::vector<size_t>& after) override {
    collector_.end(op, after);
  }
  void program_ends() override {
    collector_.end_program();
    program_ = true;
  }
  int lanes() const override { return most_lanes; }
  void halt() override {
    waiter_.stop();
    for (const StreamOwner& each : streams_) cudaStreamSynchronize(each.get());
  }

  // Ends the batch and starts its work. What a read wants of it is then copied to the host.
  void launch(Stream::Done done) {
    Collector& batch = collector_;
    const int lane = std::exchange(lane_, 0);
    Uses uses = std::exchange(uses_, everything());
    if (batch.operations.empty()) return;
    const Download download = std::exchange(download_, {});
    const cudaStream_t stream = streams_[lane].get();
    start(lane, std::move(uses),
          {ticket_, std::exchange(batch.operations, {}), std::exchange(batch.in_use, {}),
           std::move(done)},
          [&](const Waiter::Slot& slot) {
            const bool graph = graphs_[lane].play(batch.batch, stream);
            if (graph) {
              count(slot, batch.ends.size(), stream);
            } else {
              play(slot, stream);
            }
            if (!download.block) {
              check(cudaEventRecord(slot.over.get(), stream), "an event");
              return graph;
            }
            check(cudaEventRecord(computed_.get(), stream), "an event");
            const cudaStream_t last = streams_[down].get();
            check(cudaStreamWaitEvent(last, computed_.get()), "to wait for an event");
            check(cudaMemcpyAsync(download.block->host, download.block->device, download.bytes,
                                  cudaMemcpyDeviceToHost, last),
                  "a copy from the GPU");
            check(cudaEventRecord(slot.over.get(), last), "an event");
            return graph;
          });
    batch.batch.clear();
    batch.ends.clear();
    staged_ = 0;
  }
  void play(const Waiter::Slot& slot, cudaStream_t stream) {
    size_t node = 0;
    for (size_t i = 0; i < collector_.ends.size(); ++i) {
      for (; node < collector_.ends[i]; ++node) collector_.batch.run(node, stream);
      count(slot, i + 1, stream);
    }
  }
  void start_copy(const char* op, Stream::Done done) {
    Copy copy = std::exchange(copy_, {});
    const cudaStream_t stream = streams_[copy.stream].get();
    Uses uses;
    (copy.use.writes ? uses.writes : uses.reads).push_back(copy.use);
    start(copy.stream, std::move(uses), {ticket_, {op}, {copy.block}, std::move(done)},
          [&](const Waiter::Slot& slot) {
            check(cudaMemcpyAsync(
                      copy.to, copy.from, size_t(copy.use.end - copy.use.begin),
                      copy.stream == up ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost, stream),
                  "a copy");
            count(slot, 1, stream);
            check(cudaEventRecord(slot.over.get(), stream), "an event");
            return false;
          });
  }

  // Note [lanes]. Batches and copies are started in order, but on four streams of CUDA: two lanes,
  // on which batches compute, and the ways up and down. Work waits for the last work on each other
  // stream that writes what it uses, or uses what it writes. That holds for memory that the pool has
  // handed out again, too: it goes back to the pool while work that reads it is still under way, and
  // whoever writes it then waits for that work. Of what is queued by single operations it is not
  // known what they use: it runs on the first lane, waits for all before it, and all after it wait
  // for it. A lane has an arena and scratch memory of its own.
  void start(int stream, Uses uses, Waiter::Work work,
             const std::function<bool(const Waiter::Slot&)>& body) {
    // One less than there are slots, for this one may have the slot, and so the event, of the first.
    if (started_.size() == Waiter::most_under_way - 1) started_.pop_front();
    waiter_.start(std::move(work), [&](const Waiter::Slot& slot) {
      bool passed[streams] = {};
      passed[stream] = true;
      for (auto it = started_.rbegin(); it != started_.rend(); ++it) {
        if (passed[it->stream] || !conflict(uses, it->uses)) continue;
        passed[it->stream] = true;
        check(cudaStreamWaitEvent(streams_[stream].get(), it->over), "to wait for an event");
      }
      const bool graph = body(slot);
      started_.push_back({stream, std::move(uses), slot.over.get()});
      return graph;
    });
  }
  static Uses everything() { return {true, {}, {}}; }
  static bool conflict(const Uses& a, const Uses& b) {
    const auto touch = [](const std::vector<Use>& reads, const Use& write) {
      const auto after =
          std::lower_bound(reads.begin(), reads.end(), write.end,
                           [](const Use& it, const char* end) { return it.begin < end; });
      return after != reads.begin() && std::prev(after)->end > write.begin;
    };
    if (a.all || b.all) return true;
    for (const Use& write : a.writes) {
      if (touch(b.reads, write)) return true;
      for (const Use& other : b.writes)
        if (other.begin < write.end && write.begin < other.end) return true;
    }
    return std::any_of(b.writes.begin(), b.writes.end(),
                       [&](const Use& write) { return touch(a.reads, write); });
  }

  // Writes down that so many operations are over, see Note [progress].
  void count(const Waiter::Slot& slot, size_t operations, cudaStream_t stream) {
    check(cudaMemcpyAsync(slot.progress, static_cast<const int*>(count_->device) + operations,
                          sizeof(int), cudaMemcpyDeviceToHost, stream),
          "a copy from the GPU");
  }

  cudaDeviceProp properties_;
  StreamOwner streams_[streams] = {make_stream(), make_stream(), make_stream(), make_stream()};
  EventOwner moved_ = make_event(), computed_ = make_event();
  std::string name_;
  Operations operations_;
  Staging staging_;
  std::shared_ptr<Staging::Block> count_;  // the numbers from 0 on
  std::shared_ptr<Staging::Block> tables_[most_lanes];
  Collector collector_;
  Graphs graphs_[most_lanes];  // a lane has memory of its own, and so nodes of its own
  Waiter waiter_;
  size_t ticket_ = 0;     // of the last task that has run
  size_t staged_ = 0;     // bytes that the batch uploads
  Download download_;     // at the end of the batch
  bool program_ = false;  // what was collected last is a program
  int lane_ = 0;          // of the batch
  Uses uses_ = everything();
  Copy copy_;                    // that the task in hand is
  std::deque<Started> started_;  // the last ones
};

}  // namespace

std::shared_ptr<Device> create_device(int gpu, const DeviceOptions& options) {
  return std::make_shared<CudaDevice>(gpu, options);
}

}  // namespace aa::cuda
