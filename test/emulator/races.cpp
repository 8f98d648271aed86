#include "races.h"

#include <utility>

namespace emulator {

Accesses* Accesses::current = nullptr;

void Accesses::begin(size_t stream, uint64_t piece, Clock clock) {
  me_ = {uint32_t(piece), uint16_t(stream), 0};
  clock_ = std::move(clock);
  order_ = nullptr;
}

void Accesses::begin_node(size_t node, const NodeOrder* order) {
  me_.node = uint16_t(node);
  order_ = order;
}

bool Accesses::ordered(const Who& earlier) const {
  if (earlier.piece == 0 || earlier == me_) return true;
  if (earlier.stream == me_.stream) {
    return earlier.piece != me_.piece || !order_ || (*order_)[me_.node][earlier.node];
  }
  return earlier.stream < clock_.size() && clock_[earlier.stream] >= earlier.piece;
}

bool Accesses::note(uint64_t address, uint64_t bytes, bool writes) {
  bool race = false;
  for (uint64_t cell = address >> cell_shift; cell <= (address + bytes - 1) >> cell_shift; ++cell) {
    const uint64_t number = cell >> (page_shift - cell_shift);
    if (number != page_number_) {
      auto& page = pages_[number];
      if (!page) page = std::make_unique<Page>();
      page_ = page.get();
      page_number_ = number;
    }
    Cell& it = (*page_)[cell % page_->size()];
    race = race || !ordered(it.writer);
    if (writes) {
      for (const Who& reader : it.readers) race = race || !ordered(reader);
      it = {me_, {}};
    } else if (it.readers[0] != me_) {
      if (!ordered(it.readers[0])) it.readers[1] = it.readers[0];
      it.readers[0] = me_;
    }
  }
  return race;
}

}  // namespace emulator
