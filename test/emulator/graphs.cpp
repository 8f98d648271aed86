#include "graphs.h"

#include <algorithm>
#include <optional>
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
    after_.push_back(node.after);
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
  NodeOrder before_each(count, std::vector<bool>(count));
  bool chain = true;
  for (size_t position = 0; position < count; ++position) {
    auto& own = before_each[order_[position]];
    for (const size_t earlier : graph.nodes_[order_[position]]->after) {
      own[earlier] = true;
      for (size_t i = 0; i < count; ++i) own[i] = own[i] || before_each[earlier][i];
    }
    chain = chain && size_t(std::count(own.begin(), own.end(), true)) == position;
  }
  if (!chain) before_ = std::make_shared<const NodeOrder>(std::move(before_each));
}

void ExecutableGraph::set(cudaGraphNode_t node, Action action) {
  const auto found = indices_.find(node);
  require(found != indices_.end());
  auto& own = actions_[found->second];
  require(own->index() == action.index());
  own = std::make_shared<const Action>(std::move(action));
}

GraphCounts& graph_counts() {
  static GraphCounts it;
  return it;
}

namespace {

void note(const void* data, size_t bytes, bool writes) {
  if (!Accesses::current || bytes == 0) return;
  if (!Accesses::current->note(reinterpret_cast<uint64_t>(data), bytes, writes)) return;
  break_device(cudaErrorLaunchFailure,
               "race between nodes of a graph or streams: a copy or a fill");
}

struct Run {
  void operator()(std::monostate) const {}
  void operator()(const KernelLaunch& it) const { it.run(); }
  void operator()(const Copy& it) const {
    const bool from = it.kind == cudaMemcpyDeviceToHost || it.kind == cudaMemcpyDeviceToDevice;
    const bool to = it.kind == cudaMemcpyHostToDevice || it.kind == cudaMemcpyDeviceToDevice;
    if (it.rows == 1 && from) note(it.from, it.width, false);
    if (it.rows == 1 && to) note(it.to, it.width, true);
    it.run();
  }
  void operator()(const Fill& it) const {
    if (it.rows == 1) note(it.to, it.width * it.value_size, true);
    it.run();
  }
};

}  // namespace

void run(const Action& action) {
  // What comes after a fault is not done.
  if (device_state() == cudaSuccess) std::visit(Run(), action);
}

std::function<void()> ExecutableGraph::plan() const {
  return [actions = actions_, order = order_, after = after_, before = before_] {
    static uint64_t number = 0;
    ++number;
    // Counted launches that whatever waits for a node waits for: its own, or those before a copy.
    std::vector<std::vector<size_t>> counted(actions.size());
    Accesses* const streams = Accesses::current;
    std::optional<Accesses> own;
    // The accesses of threads of the host are not told apart.
    if (!streams && before && settings().races && settings().threads == 1) {
      Accesses::current = &own.emplace();
      own->begin(0, 1, {});
    }
    for (const size_t node : order) {
      if (Accesses::current) Accesses::current->begin_node(node, before.get());
      auto& own = counted[node];
      for (const size_t each : after[node])
        own.insert(own.end(), counted[each].begin(), counted[each].end());
      const size_t before_it = counted_launches();
      set_graph_place({number, own});
      run(*actions[node]);
      if (counted_launches() > before_it) own = {before_it};
    }
    Accesses::current = streams;
    set_graph_place({});
  };
}

}  // namespace emulator
