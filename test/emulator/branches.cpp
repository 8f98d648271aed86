#include "branches.h"

namespace emulator {

BranchAccesses* BranchAccesses::current = nullptr;

std::optional<size_t> BranchAccesses::note(uint64_t address, uint64_t bytes, bool writes) {
  std::optional<size_t> other;
  const auto judge = [&](uint16_t earlier) {
    if (!ordered(earlier)) other = earlier - 1;
  };
  for (uint64_t cell = address >> cell_shift; cell <= (address + bytes - 1) >> cell_shift; ++cell) {
    const uint64_t number = cell >> (page_shift - cell_shift);
    if (number != page_number_) {
      auto& page = pages_[number];
      if (!page) page = std::make_unique<Page>();
      page_ = page.get();
      page_number_ = number;
    }
    Cell& it = (*page_)[cell % page_->size()];
    judge(it.writer);
    if (writes) {
      for (uint16_t reader : it.readers) judge(reader);
      it = {node_, {}};
    } else if (it.readers[0] != node_) {
      // Of readers side by side two are kept.
      if (!ordered(it.readers[0])) it.readers[1] = it.readers[0];
      it.readers[0] = node_;
    }
  }
  return other;
}

}  // namespace emulator
