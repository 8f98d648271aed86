// Graphs: work that is described once and launched many times.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "launches.h"
#include "races.h"
#include "transfers.h"

namespace emulator {

// What a node does; nothing for an empty one.
using Action = std::variant<std::monostate, KernelLaunch, Copy, Fill>;

struct Node {
  Action action;
  std::vector<size_t> after;  // indices of nodes
};

class Graph {
 public:
  // Throws Error for a dependency that is no node of this graph.
  cudaGraphNode_t add(Action action, const cudaGraphNode_t* after, size_t count);
  // After the node that was added last.
  void append(Action action);
  void add_dependency(cudaGraphNode_t from, cudaGraphNode_t to);
  size_t index(cudaGraphNode_t node) const;
  size_t size() const { return nodes_.size(); }
  cudaGraphNode_t node(size_t index) const;

 private:
  friend class ExecutableGraph;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unordered_map<cudaGraphNode_t, size_t> indices_;
};

class ExecutableGraph {
 public:
  // Throws Error for a circle.
  explicit ExecutableGraph(const Graph& graph);
  // For launches from now on. Throws Error if the node's kind is another.
  void set(cudaGraphNode_t node, Action action);
  // Runs the nodes as they are set now, in an order that their edges allow: of those that are ready,
  // the one that was added last comes first, so that a forgotten edge shows. Looks for races
  // between nodes side by side.
  std::function<void()> plan() const;

 private:
  std::vector<std::shared_ptr<const Action>> actions_;
  std::vector<size_t> order_;
  std::vector<std::vector<size_t>> after_;
  std::shared_ptr<const NodeOrder> before_;  // null: all nodes are one chain
  std::unordered_map<cudaGraphNode_t, size_t> indices_;
};

void run(const Action& action);

// How many executable graphs were made, launches of them queued, and nodes set anew, since the start
// or reset().
struct GraphCounts {
  std::atomic<uint64_t> made = 0, launched = 0, set = 0;
};
GraphCounts& graph_counts();

}  // namespace emulator
