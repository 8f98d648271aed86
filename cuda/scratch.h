// The memory that an operation has for itself while it runs.
#pragma once
#include <memory>
#include <vector>

#include "../binding/pool.h"

namespace aa::cuda {

// Every operation starts from the beginning of the same memory, which is right because all are in
// the order of one stream. Used by its thread only.
class Scratch {
 public:
  Scratch(MemorySource& source, Budget& budget) : source_(source), budget_(budget) {}
  // Before an operation. If the last one ran out of its chunk, one for all of it takes their place;
  // returns those, which operations before this one still use.
  std::vector<std::shared_ptr<void>> begin();
  // Aligned to 256 bytes. Throws Error ERR_OUT_OF_MEMORY.
  void* take(size_t bytes);

 private:
  struct Chunk {
    Chunk(MemorySource& source, Budget& budget, size_t bytes);
    ~Chunk();
    MemorySource& source;
    Budget& budget;
    size_t bytes;
    char* data;
  };
  MemorySource& source_;
  Budget& budget_;
  std::vector<std::shared_ptr<Chunk>> chunks_;
  size_t chunk_ = 0, used_ = 0;  // in use by this operation: chunks before that, bytes of that
};

}  // namespace aa::cuda
