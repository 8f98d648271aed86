// cudart: graphs.
#include "cudart.h"

using namespace emulator;

namespace emulator {

Handles<Graph, cudaGraph_t>& graphs() {
  static auto& it = *std::make_unique<Handles<Graph, cudaGraph_t>>().release();
  return it;
}

}  // namespace emulator

namespace {

Handles<ExecutableGraph, cudaGraphExec_t>& executables() {
  static auto& it = *std::make_unique<Handles<ExecutableGraph, cudaGraphExec_t>>().release();
  return it;
}

KernelLaunch launch_of(const cudaKernelNodeParams* p) {
  require(p && p->func && !p->extra);
  return {Registry::instance().function(p->func), p->gridDim, p->blockDim, p->sharedMemBytes,
          p->kernelParams};
}

Fill fill_of(const cudaMemsetParams* p) {
  require(p);
  const size_t pitch = p->height > 1 ? p->pitch : p->width * p->elementSize;
  const Fill fill{p->dst, pitch, p->value, p->elementSize, p->width, p->height};
  fill.check();
  return fill;
}

Copy copy_of(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  Copy copy = Copy::flat(to, from, bytes, kind);
  copy.check();
  return copy;
}

cudaError_t add(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* after,
                size_t count, const auto& action) {
  return call([&] {
    require(node);
    *node = graphs().find(graph)->add(action(), after, count);
  });
}

cudaError_t set(cudaGraphExec_t executable, cudaGraphNode_t node, const auto& action) {
  return call([&] {
    executables().find(executable)->set(node, action());
    ++graph_counts().set;
  });
}

}  // namespace

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags) {
  return call([&] {
    require(graph && flags == 0);
    *graph = graphs().add(std::make_shared<Graph>());
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return release([&] { graphs().remove(graph); });
}

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* after, size_t count,
                                   const cudaKernelNodeParams* parameters) {
  return add(node, graph, after, count, [&] { return launch_of(parameters); });
}

cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* after, size_t count,
                                   const cudaMemsetParams* parameters) {
  return add(node, graph, after, count, [&] { return fill_of(parameters); });
}

cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t* node, cudaGraph_t graph,
                                     const cudaGraphNode_t* after, size_t count, void* to,
                                     const void* from, size_t bytes, cudaMemcpyKind kind) {
  return add(node, graph, after, count, [&] { return copy_of(to, from, bytes, kind); });
}

cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                  const cudaGraphNode_t* after, size_t count) {
  return add(node, graph, after, count, [] { return std::monostate(); });
}

cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                     const cudaGraphNode_t* to, const cudaGraphEdgeData*,
                                     size_t count) {
  return call([&] {
    const auto found = graphs().find(graph);
    for (size_t i = 0; i < count; ++i) found->add_dependency(from[i], to[i]);
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call([&] {
    const auto found = graphs().find(graph);
    const size_t most = nodes ? std::min(*count, found->size()) : 0;
    for (size_t i = 0; i < most; ++i) nodes[i] = found->node(i);
    *count = nodes ? most : found->size();
  });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  return call([&] {
    require(executable);
    *executable = executables().add(std::make_shared<ExecutableGraph>(*graphs().find(graph)));
    ++graph_counts().made;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long flags) {
  return cudaGraphInstantiateWithFlags(executable, graph, flags);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return release([&] { executables().remove(executable); });
}

cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* parameters) {
  return set(executable, node, [&] { return launch_of(parameters); });
}

cudaError_t cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                             const cudaMemsetParams* parameters) {
  return set(executable, node, [&] { return fill_of(parameters); });
}

cudaError_t cudaGraphExecMemcpyNodeSetParams1D(cudaGraphExec_t executable, cudaGraphNode_t node,
                                               void* to, const void* from, size_t bytes,
                                               cudaMemcpyKind kind) {
  return set(executable, node, [&] { return copy_of(to, from, bytes, kind); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  return call([&] {
    executables().find(executable);
    scheduler().find(stream);
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return call([&] {
    auto plan = executables().find(executable)->plan();
    ++graph_counts().launched;
    scheduler().queue(uncaptured(stream), std::move(plan));
  });
}

}  // extern "C"
