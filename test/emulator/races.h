// Races on global memory: between the nodes of a graph that no edges order, and between streams that
// no events order.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace emulator {

// before[i][j]: node j is over when node i begins.
using NodeOrder = std::vector<std::vector<bool>>;

// Of each stream, by its index, how many pieces of its work are over at some point. A stream that is
// left out has none.
using Clock = std::vector<uint64_t>;
inline void merge(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clock[i] = clock[i] < other[i] ? other[i] : clock[i];
}
inline void reach(Clock& clock, size_t stream, uint64_t piece) {
  Clock other(stream + 1);
  other[stream] = piece;
  merge(clock, other);
}

// Who touched what, in cells of 16 bytes. Work runs piece by piece, in an order that is allowed;
// accesses of two pieces, or of two nodes of a graph, are a race if the other order would be allowed
// too, and one of them writes. Of readers side by side two are kept.
class Accesses {
 public:
  // What now runs: a piece of a stream's work, and what is over when it begins.
  void begin(size_t stream, uint64_t piece, Clock clock);
  // A node of the graph that is this piece.
  void begin_node(size_t node, const NodeOrder* order);
  // Whether that is a race.
  bool note(uint64_t address, uint64_t bytes, bool writes);

  // Of the work that runs now; null: no races are looked for.
  static Accesses* current;

 private:
  static constexpr int cell_shift = 4, page_shift = 16;
  struct Who {
    uint32_t piece = 0;  // 0: nobody
    uint16_t stream = 0, node = 0;
    bool operator==(const Who&) const = default;
  };
  struct Cell {
    Who writer, readers[2];
  };
  using Page = std::array<Cell, size_t{1} << (page_shift - cell_shift)>;
  bool ordered(const Who& earlier) const;

  Who me_;
  Clock clock_;
  const NodeOrder* order_ = nullptr;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  uint64_t page_number_ = UINT64_MAX;
  Page* page_ = nullptr;  // the one used last
};

}  // namespace emulator
