#include "pool.h"

#include <algorithm>

namespace aa {

namespace {
// A cache line, and what the widest vector load wants.
constexpr size_t alignment = 64;
// Large enough that a frame's small tensors share a few segments, small enough that giving one back
// matters.
constexpr size_t segment_bytes = size_t(16) << 20;
constexpr size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }
}  // namespace

bool Budget::take(size_t bytes) {
  if (fail_after_ >= 0 && fail_after_-- == 0) {
    fail_after_ = 0;
    return false;
  }
  size_t now = reserved_ += bytes;
  if (now > limit_) {
    reserved_ -= bytes;
    return false;
  }
  size_t peak = peak_;
  while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
  }
  return true;
}

Error out_of_memory(size_t bytes, const std::string& what, const Budget& budget,
                    const MemorySource& source) {
  return Error("ERR_OUT_OF_MEMORY", "",
               "expected " + std::to_string(bytes) + " bytes " + what +
                   "more, got none: " + std::to_string(budget.reserved()) + " of " +
                   std::to_string(budget.limit()) + " are in use" + source.left());
}

void Pool::clear() {
  for (auto& [data, segment] : segments_) {
    source_.unmap(data, segment.bytes);
    budget_.give(segment.bytes);
  }
  segments_.clear();
  free_.clear();
  blocks_.clear();
  used_ = 0;
}

bool Pool::add_segment(size_t bytes) {
  size_t sizes[] = {std::max(bytes, segment_bytes), round_up(bytes, 4096)};
  // What is large is followed by what is a little larger, as references become more.
  if (bytes > segment_bytes) press_();
  for (bool trimmed : {false, true}) {
    if (trimmed) press_();
    for (size_t size : sizes) {
      if (!budget_.take(size)) continue;
      auto data = static_cast<char*>(source_.map(size));
      if (!data) {
        budget_.give(size);
        continue;
      }
      Segment& segment = segments_[data] = {data, size};
      Block& block = blocks_[data] = {&segment, data, size, true};
      free_.insert(&block);
      return true;
    }
  }
  return false;
}

auto Pool::find(size_t bytes) -> decltype(free_)::iterator {
  auto found = free_.lower_bound(bytes);
  while (found != free_.end() && (*found)->segment->bytes > segment_bytes &&
         bytes < (*found)->segment->bytes / 4) {
    ++found;
  }
  return found;
}

void* Pool::allocate(size_t bytes) {
  bytes = round_up(std::max<size_t>(bytes, 1), alignment);
  auto found = find(bytes);
  if (found == free_.end()) {
    join();
    found = find(bytes);
  }
  if (found == free_.end()) {
    if (!add_segment(bytes) && free_.lower_bound(bytes) == free_.end())
      throw out_of_memory(bytes, "", budget_, source_);
    found = free_.lower_bound(bytes);
  }
  Block& block = **found;
  free_.erase(found);
  block.free = false;
  if (block.bytes > bytes) {
    Block& rest = blocks_[block.data + bytes] = {block.segment, block.data + bytes,
                                                 block.bytes - bytes, true};
    block.bytes = bytes;
    free_.insert(&rest);
  }
  used_ += bytes;
  return block.data;
}

void Pool::release(void* data, size_t ticket) {
  Block& block = blocks_.at(static_cast<char*>(data));
  used_ -= block.bytes;
  block.segment->ticket = ticket;
  block.free = true;
  free_.insert(&block);
}

void Pool::join() {
  for (auto at = blocks_.begin(); at != blocks_.end();) {
    Block& block = at->second;
    ++at;
    if (!block.free) continue;
    free_.erase(&block);
    while (at != blocks_.end() && at->second.free && at->second.segment == block.segment) {
      free_.erase(&at->second);
      block.bytes += at->second.bytes;
      at = blocks_.erase(at);
    }
    free_.insert(&block);
  }
}

void Pool::trim(size_t completed) {
  join();
  for (auto at = segments_.begin(); at != segments_.end();) {
    auto block = blocks_.find(at->first);
    if (!block->second.free || block->second.bytes != at->second.bytes ||
        at->second.ticket > completed) {
      ++at;
      continue;
    }
    free_.erase(&block->second);
    blocks_.erase(block);
    source_.unmap(at->first, at->second.bytes);
    budget_.give(at->second.bytes);
    at = segments_.erase(at);
  }
}

}  // namespace aa
