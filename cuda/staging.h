// Where bytes stop on their way between the host and a GPU.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "../binding/pool.h"

namespace aa::cuda {

// Hands out blocks and takes them back for the next copies; a steady sequence of copies settles on
// the same ones. Used from all threads.
class Staging {
 public:
  // Pinned memory of the host, which the GPU copies from and to while others compute, and as much
  // of the GPU's, so that no copy touches memory of the pool: that is in the order of another
  // stream.
  struct Block {
    void* host;
    void* device;
    size_t bytes;
  };

  Staging(int gpu, MemorySource& source, Budget& budget)
      : gpu_(gpu), source_(source), budget_(budget) {}
  ~Staging() { trim(); }
  // Goes back when its last owner lets go of it; that has to be after the GPU is done with it.
  // Throws Error ERR_OUT_OF_MEMORY.
  std::shared_ptr<Block> take(size_t bytes);
  // Frees the blocks that are not out.
  void trim();

 private:
  std::unique_ptr<Block> find(size_t bytes);
  std::unique_ptr<Block> make(size_t bytes);
  void give(std::unique_ptr<Block> block);
  void free(const Block& block);

  const int gpu_;
  MemorySource& source_;
  Budget& budget_;
  std::mutex mutex_;
  // By size, then address, so that the same requests get the same blocks.
  std::map<std::pair<size_t, void*>, std::unique_ptr<Block>> idle_;
  size_t idle_bytes_ = 0;
};

}  // namespace aa::cuda
