// Races on global memory between the nodes of a graph that no edges order.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace emulator {

// before[i][j]: node j is over when node i begins.
using NodeOrder = std::vector<std::vector<bool>>;

// Who touched what in one launch of a graph, in cells of 16 bytes. Its nodes run one after another,
// in an order that its edges allow; accesses of two of them are a race if the edges would allow the
// other order too, and one of them writes.
class BranchAccesses {
 public:
  explicit BranchAccesses(std::shared_ptr<const NodeOrder> order) : order_(std::move(order)) {}
  // What now runs.
  void begin(size_t node) { node_ = uint16_t(node + 1); }
  // The node that the one that runs is in a race with there, if any.
  std::optional<size_t> note(uint64_t address, uint64_t bytes, bool writes);

  // Of the graph that runs; null: none does, or none of its nodes are side by side.
  static BranchAccesses* current;

 private:
  static constexpr int cell_shift = 4, page_shift = 16;
  struct Cell {
    uint16_t writer = 0, readers[2] = {};  // 1 + node
  };
  using Page = std::array<Cell, size_t{1} << (page_shift - cell_shift)>;
  bool ordered(uint16_t earlier) const {
    return earlier == 0 || earlier == node_ || (*order_)[node_ - 1][earlier - 1];
  }
  std::shared_ptr<const NodeOrder> order_;
  uint16_t node_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  uint64_t page_number_ = UINT64_MAX;
  Page* page_ = nullptr;  // the one used last
};

}  // namespace emulator
