#include "graphs.h"

#include <queue>
#include <utility>

#include "runtime.h"

namespace emulator {

cudaGraphNode_t Graph::add(Action action, const cudaGraphNode_t* after, size_t count) {
  require(after || count == 0);
  auto node = std::make_unique<Node>(Node{std::move(action), {}});
  for (size_t i = 0; i < count; ++i) node->after.push_back(index(after[i]));
  const auto handle = reinterpret_cast<cudaGraphNode_t>(node.get());
  indices_[handle] = nodes_.size();
  nodes_.push_back(std::move(node));
  return handle;
}

void Graph::append(Action action) {
  const cudaGraphNode_t last = nodes_.empty() ? nullptr : node(nodes_.size() - 1);
  add(std::move(action), &last, nodes_.empty() ? 0 : 1);
}

void Graph::add_dependency(cudaGraphNode_t from, cudaGraphNode_t to) {
  nodes_[index(to)]->after.push_back(index(from));
}

size_t Graph::index(cudaGraphNode_t node) const {
  const auto found = indices_.find(node);
  require(found != indices_.end());
  return found->second;
}

cudaGraphNode_t Graph::node(size_t index) const {
  return reinterpret_cast<cudaGraphNode_t>(nodes_[index].get());
}

ExecutableGraph::ExecutableGraph(const Graph& graph) : indices_(graph.indices_) {
  const size_t count = graph.nodes_.size();
  std::vector<size_t> missing(count);
  std::vector<std::vector<size_t>> before(count);
  std::priority_queue<size_t> ready;
  for (size_t i = 0; i < count; ++i) {
    const Node& node = *graph.nodes_[i];
    actions_.push_back(std::make_shared<const Action>(node.action));
    missing[i] = node.after.size();
    for (const size_t each : node.after) before[each].push_back(i);
    if (missing[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const size_t next = ready.top();
    ready.pop();
    order_.push_back(next);
    for (const size_t each : before[next]) {
      if (--missing[each] == 0) ready.push(each);
    }
  }
  require(order_.size() == count);
}

void ExecutableGraph::set(cudaGraphNode_t node, Action action) {
  const auto found = indices_.find(node);
  require(found != indices_.end());
  auto& own = actions_[found->second];
  require(own->index() == action.index());
  own = std::make_shared<const Action>(std::move(action));
}

std::vector<std::shared_ptr<const Action>> ExecutableGraph::plan() const {
  std::vector<std::shared_ptr<const Action>> plan;
  for (const size_t index : order_) plan.push_back(actions_[index]);
  return plan;
}

GraphCounts& graph_counts() {
  static GraphCounts it;
  return it;
}

namespace {

struct Run {
  void operator()(std::monostate) const {}
  template <class T>
  void operator()(const T& action) const {
    action.run();
  }
};

}  // namespace

void run(const Action& action) {
  // What comes after a fault is not done.
  if (device_state() == cudaSuccess) std::visit(Run(), action);
}

}  // namespace emulator
