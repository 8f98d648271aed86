#include "scratch.h"

#include <algorithm>
#include <utility>

namespace aa::cuda {

namespace {
// Enough for the small sums of most operations.
constexpr size_t least_chunk = size_t(1) << 20;
}  // namespace

Scratch::Chunk::Chunk(MemorySource& source, Budget& budget, size_t bytes)
    : source(source), budget(budget), bytes(bytes), data(nullptr) {
  if (budget.take(bytes)) {
    data = static_cast<char*>(source.map(bytes));
    if (!data) budget.give(bytes);
  }
  if (!data) throw out_of_memory(bytes, "of scratch memory ", budget, source);
}

Scratch::Chunk::~Chunk() {
  source.unmap(data, bytes);
  budget.give(bytes);
}

std::vector<std::shared_ptr<void>> Scratch::begin() {
  chunk_ = used_ = 0;
  if (chunks_.size() < 2) return {};
  size_t all = 0;
  for (const auto& chunk : chunks_) all += chunk->bytes;
  try {
    std::vector<std::shared_ptr<Chunk>> one{std::make_shared<Chunk>(source_, budget_, all)};
    const auto old = std::exchange(chunks_, std::move(one));
    return {old.begin(), old.end()};
  } catch (const Error&) {  // both do not fit at once: the parts serve as well
    return {};
  }
}

void* Scratch::take(size_t bytes) {
  bytes = (bytes + 255) / 256 * 256;
  while (chunk_ < chunks_.size() && used_ + bytes > chunks_[chunk_]->bytes) {
    ++chunk_;
    used_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    chunks_.push_back(std::make_shared<Chunk>(source_, budget_, std::max(bytes, least_chunk)));
  }
  char* data = chunks_[chunk_]->data + used_;
  used_ += bytes;
  return data;
}

}  // namespace aa::cuda
