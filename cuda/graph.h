// Launches, collected and played.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <list>
#include <utility>
#include <vector>

#include "check.h"

namespace aa::cuda {

// Note [graphs]. What operations launch is collected into batches. A batch ends with a read, or with
// the task that fills it (see most_nodes in device.cu), so the same frame makes the same batches
// whatever the time it takes; what is collected waits for the end of its batch. A batch that
// launches what one before it launched, on grids and with parameters that may differ, is played as a
// graph: one call instead of hundreds. It is made when such a batch comes for the second time, so
// that what comes only once (the packing of weights) makes none. The nodes that differ are set anew:
// of a program it is the one that fills its table of addresses, see Note [indirect pointers]; and
// where the hole leaves its window, those whose grids and places change with that. As it may go back
// and forth between two windows, two graphs of the same launches are kept, not more: 33 instead of 10
// were made over 120 frames, before there were tables. Batches are in the order of one stream. Within
// a batch nodes are in order, too, but for those of a program, which only wait for the operations
// that they depend on.

// Kernels, fills and copies in order.
class Batch {
 public:
  void launch(const void* kernel, dim3 grid, int threads, size_t dynamic_shared,
              const void* const* values, const size_t* sizes, size_t count);
  void fill(void* data, int value, size_t bytes);
  void copy(void* to, const void* from, size_t bytes);  // on the GPU
  size_t size() const { return nodes_.size(); }
  // Has node i, as a node of a graph, wait for those alone instead of for node i - 1.
  void set_after(size_t i, std::vector<size_t> nodes) { nodes_[i].after = std::move(nodes); }
  void clear();
  // Whether a graph of the one can be set to the other, and then, whether node i has to be.
  bool like(const Batch& other) const;
  bool differs(size_t i, const Batch& other) const;
  // Queues node i.
  void run(size_t i, cudaStream_t stream) const;

 private:
  friend class Graphs;
  enum class Kind { kernel, fill, copy };
  // What a node of a graph can be set to beside its parameters.
  struct Size {
    unsigned grid[3];
    int threads;   // a fill's value
    size_t bytes;  // of dynamic shared memory; to be filled or copied
    bool operator==(const Size&) const = default;
  };
  struct Node {
    Kind kind;
    const void* kernel;
    size_t first_value, values;
    size_t first_byte, end_byte;  // of the values in bytes_
    Size size;
    std::vector<size_t> after;  // the nodes that it waits for
    // Whether a graph that was made with the one can be set to the other.
    bool like(const Node& other) const;
  };
  // Pointers to the values of a node, as CUDA takes them.
  std::vector<void*> values(const Node& node) const;
  void* pointer(const Node& node, size_t i) const;
  cudaGraphNode_t add(const Node& node, cudaGraph_t graph,
                      const std::vector<cudaGraphNode_t>& after) const;
  void set(const Node& node, cudaGraphExec_t executable, cudaGraphNode_t at) const;
  void begin_node(Kind kind, const void* kernel, dim3 grid, int threads, size_t bytes);
  void add_value(const void* value, size_t size);

  std::vector<Node> nodes_;
  std::vector<size_t> offsets_;  // of all values, in bytes_
  std::vector<std::byte> bytes_;
};

// The graphs of the batches that came last.
class Graphs {
 public:
  // Queues the batch as a graph, if one like it was here before. Returns whether.
  bool play(const Batch& batch, cudaStream_t stream);

 private:
  struct Graph {
    Batch batch;  // as the nodes are set
    std::vector<cudaGraphNode_t> nodes;
    Owner<cudaGraph_t, cudaGraphDestroy> graph;  // the nodes are its
    Owner<cudaGraphExec_t, cudaGraphExecDestroy> executable;
  };
  void make(Graph& graph, const Batch& batch);
  void update(Graph& graph, const Batch& batch);
  std::list<Graph> graphs_;  // the one played last is first
};

}  // namespace aa::cuda
