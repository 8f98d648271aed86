#include "graph.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace aa::cuda {

namespace {
// A frame makes a few batches, one with a new reference or another hole some others.
constexpr size_t most_graphs = 64;
constexpr size_t value_alignment = 16;
// Graphs of the same launches; and for a second one, how many nodes have to be set in the first.
constexpr size_t most_alike = 2, many_set = 8;
// Of a single node, a graph is no gain.
constexpr size_t least_nodes = 2;
}  // namespace

void Batch::begin_node(Kind kind, const void* kernel, dim3 grid, int threads, size_t bytes) {
  nodes_.push_back({kind,
                    kernel,
                    offsets_.size(),
                    0,
                    bytes_.size(),
                    bytes_.size(),
                    {{grid.x, grid.y, grid.z}, threads, bytes},
                    {}});
  if (nodes_.size() > 1) nodes_.back().after = {nodes_.size() - 2};
}

void Batch::add_value(const void* value, size_t size) {
  offsets_.push_back(bytes_.size());
  bytes_.resize((bytes_.size() + size + value_alignment - 1) / value_alignment * value_alignment);
  std::memcpy(&bytes_[offsets_.back()], value, size);
  ++nodes_.back().values;
  nodes_.back().end_byte = bytes_.size();
}

void Batch::launch(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
                   const void* const* values, const size_t* sizes, size_t count) {
  begin_node(Kind::kernel, kernel, grid, threads, dynamic_shared);
  for (size_t i = 0; i < count; ++i) add_value(values[i], sizes[i]);
}

void Batch::fill(void* data, int value, size_t bytes) {
  begin_node(Kind::fill, nullptr, {}, value, bytes);
  add_value(&data, sizeof data);
}

void Batch::copy(void* to, const void* from, size_t bytes) {
  begin_node(Kind::copy, nullptr, {}, 0, bytes);
  add_value(&to, sizeof to);
  add_value(&from, sizeof from);
}

void Batch::clear() {
  nodes_.clear();
  offsets_.clear();
  bytes_.clear();
}

bool Batch::Node::like(const Node& other) const {
  return kind == other.kind && kernel == other.kernel && first_value == other.first_value &&
         values == other.values && first_byte == other.first_byte && end_byte == other.end_byte &&
         after == other.after;
}

bool Batch::like(const Batch& other) const {
  return offsets_ == other.offsets_ &&
         std::equal(nodes_.begin(), nodes_.end(), other.nodes_.begin(), other.nodes_.end(),
                    [](const Node& a, const Node& b) { return a.like(b); });
}

bool Batch::differs(size_t i, const Batch& other) const {
  const Node& node = nodes_[i];
  const std::byte* values = bytes_.data() + node.first_byte;
  return node.size != other.nodes_[i].size ||
         !std::equal(values, bytes_.data() + node.end_byte, other.bytes_.data() + node.first_byte);
}

std::vector<void*> Batch::values(const Node& node) const {
  std::vector<void*> all;
  for (size_t i = 0; i < node.values; ++i)
    all.push_back(const_cast<std::byte*>(&bytes_[offsets_[node.first_value + i]]));
  return all;
}

void* Batch::pointer(const Node& node, size_t i) const {
  void* value;
  std::memcpy(&value, &bytes_[offsets_[node.first_value + i]], sizeof value);
  return value;
}

void Batch::run(size_t i, cudaStream_t stream) const {
  const Node& node = nodes_[i];
  switch (node.kind) {
    case Kind::kernel:
      return check(cudaLaunchKernel(
                       node.kernel, dim3(node.size.grid[0], node.size.grid[1], node.size.grid[2]),
                       dim3(node.size.threads), values(node).data(), node.size.bytes, stream),
                   "a kernel to start");
    case Kind::fill:
      return check(cudaMemsetAsync(pointer(node, 0), node.size.threads, node.size.bytes, stream),
                   "memory to be filled");
    case Kind::copy:
      return check(cudaMemcpyAsync(pointer(node, 0), pointer(node, 1), node.size.bytes,
                                   cudaMemcpyDeviceToDevice, stream),
                   "memory to be copied");
  }
}

namespace {

cudaKernelNodeParams kernel_of(const void* kernel, const unsigned (&grid)[3], int threads,
                               size_t shared, void** values) {
  cudaKernelNodeParams p{};
  p.func = const_cast<void*>(kernel);
  p.gridDim = dim3(grid[0], grid[1], grid[2]);
  p.blockDim = dim3(threads);
  p.sharedMemBytes = unsigned(shared);
  p.kernelParams = values;
  return p;
}

cudaMemsetParams fill_of(void* data, int value, size_t bytes) {
  cudaMemsetParams p{};
  p.dst = data;
  p.value = unsigned(value);
  p.elementSize = 1;
  p.width = bytes;
  p.height = 1;
  return p;
}

}  // namespace

cudaGraphNode_t Batch::add(const Node& node, cudaGraph_t graph,
                           const std::vector<cudaGraphNode_t>& after) const {
  const char* expected = "a node of a graph";
  cudaGraphNode_t made;
  if (node.kind == Kind::kernel) {
    auto all = values(node);
    const auto p =
        kernel_of(node.kernel, node.size.grid, node.size.threads, node.size.bytes, all.data());
    check(cudaGraphAddKernelNode(&made, graph, after.data(), after.size(), &p), expected);
  } else if (node.kind == Kind::fill) {
    const auto p = fill_of(pointer(node, 0), node.size.threads, node.size.bytes);
    check(cudaGraphAddMemsetNode(&made, graph, after.data(), after.size(), &p), expected);
  } else {
    check(cudaGraphAddMemcpyNode1D(&made, graph, after.data(), after.size(), pointer(node, 0),
                                   pointer(node, 1), node.size.bytes, cudaMemcpyDeviceToDevice),
          expected);
  }
  return made;
}

void Batch::set(const Node& node, cudaGraphExec_t executable, cudaGraphNode_t at) const {
  const char* expected = "a node of a graph to be set";
  if (node.kind == Kind::kernel) {
    auto all = values(node);
    const auto p =
        kernel_of(node.kernel, node.size.grid, node.size.threads, node.size.bytes, all.data());
    check(cudaGraphExecKernelNodeSetParams(executable, at, &p), expected);
  } else if (node.kind == Kind::fill) {
    const auto p = fill_of(pointer(node, 0), node.size.threads, node.size.bytes);
    check(cudaGraphExecMemsetNodeSetParams(executable, at, &p), expected);
  } else {
    check(cudaGraphExecMemcpyNodeSetParams1D(executable, at, pointer(node, 0), pointer(node, 1),
                                             node.size.bytes, cudaMemcpyDeviceToDevice),
          expected);
  }
}

bool Graphs::play(const Batch& batch, cudaStream_t stream) {
  if (batch.size() < least_nodes) return false;
  auto found = graphs_.end();
  size_t alike = 0, fewest = SIZE_MAX;
  for (auto it = graphs_.begin(); it != graphs_.end(); ++it) {
    if (!it->batch.like(batch)) continue;
    ++alike;
    size_t set = 0;
    for (size_t i = 0; i < batch.size(); ++i) set += it->batch.differs(i, batch);
    if (set >= fewest) continue;
    fewest = set;
    found = it;
  }
  if (fewest > many_set && alike < most_alike) {
    graphs_.push_front({batch, {}, nullptr, nullptr});
    if (graphs_.size() > most_graphs) graphs_.pop_back();  // if it runs, it still runs to its end
    return false;
  }
  graphs_.splice(graphs_.begin(), graphs_, found);
  Graph& graph = graphs_.front();
  if (graph.executable) {
    update(graph, batch);
  } else {
    make(graph, batch);
  }
  check(cudaGraphLaunch(graph.executable.get(), stream), "a graph to start");
  return true;
}

void Graphs::make(Graph& graph, const Batch& batch) {
  cudaGraph_t made;
  check(cudaGraphCreate(&made, 0), "a graph");
  graph.graph.reset(made);
  graph.nodes.clear();
  for (const Batch::Node& node : batch.nodes_) {
    std::vector<cudaGraphNode_t> after;
    for (size_t i : node.after) after.push_back(graph.nodes[i]);
    graph.nodes.push_back(batch.add(node, made, after));
  }
  cudaGraphExec_t executable;
  check(cudaGraphInstantiate(&executable, made, 0), "a graph to be made ready");
  graph.executable.reset(executable);
  graph.batch = batch;
}

void Graphs::update(Graph& graph, const Batch& batch) {
  for (size_t i = 0; i < batch.size(); ++i)
    if (graph.batch.differs(i, batch))
      batch.set(batch.nodes_[i], graph.executable.get(), graph.nodes[i]);
  graph.batch = batch;
}

}  // namespace aa::cuda
