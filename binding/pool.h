#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "error.h"

namespace aa {

// Where a device's memory comes from.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual void* map(size_t bytes) = 0;  // null when there is none
  virtual void unmap(void* data, size_t bytes) = 0;
  // For the message when there is none: what is left, where that is known.
  virtual std::string left() const { return ""; }
};

// Counts what a device holds and refuses what would pass the limit. Shared by the pool and the
// kernels' scratch memory.
class Budget {
 public:
  explicit Budget(size_t limit) : limit_(limit) {}
  bool take(size_t bytes);  // false: refused
  void give(size_t bytes) { reserved_ -= bytes; }
  size_t reserved() const { return reserved_; }
  size_t peak() const { return peak_; }
  size_t limit() const { return limit_; }

  // The n-th request from now is refused, and all that follow it (0: the next one); negative: none.
  // For tests.
  void fail_after(int n) { fail_after_ = n; }

 private:
  std::atomic<size_t> reserved_{0}, peak_{0};
  std::atomic<int> fail_after_{-1};
  size_t limit_;
};

// `what` says what the memory was for.
Error out_of_memory(size_t bytes, const std::string& what, const Budget& budget,
                    const MemorySource& source);

// Stream-ordered memory: a block released by the thread that enqueues may be handed out again at
// once, although queued work still uses it, because whatever uses it next is queued behind that
// work. Best fit, of equal ones the first; but a segment that was made for something large is not
// broken up for what is small, as long as there is other memory: the large comes again in the next
// frame, the small may stay for many. Neighbours that are free are joined only when nothing else
// fits, so a steady sequence of requests finds the blocks of the last round. Used by one thread
// only.
class Pool {
 public:
  // `press` is called when there is no memory left, and may call trim.
  Pool(MemorySource& source, Budget& budget, std::function<void()> press)
      : source_(source), budget_(budget), press_(std::move(press)) {}
  ~Pool() { clear(); }
  void* allocate(size_t bytes);  // throws Error ERR_OUT_OF_MEMORY
  void release(void* data, size_t ticket);
  // Gives segments back to the system that are free and whose last use, by ticket, is behind
  // `completed`.
  void trim(size_t completed);
  // Gives everything back; blocks that are still out dangle.
  void clear();
  size_t used() const { return used_; }

 private:
  struct Segment;
  struct Block {
    Segment* segment;
    char* data;
    size_t bytes;
    bool free;
  };
  struct Segment {
    char* data;
    size_t bytes;
    size_t ticket = 0;  // of the last work that may use it
  };
  using Blocks = std::map<char*, Block>;
  struct BySize {
    bool operator()(const Block* a, const Block* b) const {
      return a->bytes != b->bytes ? a->bytes < b->bytes : a->data < b->data;
    }
    using is_transparent = void;
    bool operator()(const Block* a, size_t bytes) const { return a->bytes < bytes; }
    bool operator()(size_t bytes, const Block* a) const { return bytes < a->bytes; }
  };
  bool add_segment(size_t bytes);  // false: there is no memory
  void join();

  MemorySource& source_;
  Budget& budget_;
  std::function<void()> press_;
  Blocks blocks_;
  std::set<Block*, BySize> free_;
  std::map<char*, Segment> segments_;
  size_t used_ = 0;

  decltype(free_)::iterator find(size_t bytes);  // a free block for so much, or free_.end()
};

}  // namespace aa
