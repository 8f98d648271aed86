#include "staging.h"

#include "check.h"

namespace aa::cuda {

namespace {
constexpr size_t page = 4096;
// What may lie idle: three 8-bit frames of 3840 x 2160 with their masks. More than that was needed
// once, for the weights.
constexpr size_t most_idle = size_t(128) << 20;
}  // namespace

std::shared_ptr<Staging::Block> Staging::take(size_t bytes) {
  bytes = (bytes + page - 1) / page * page;
  std::unique_ptr<Block> block = find(bytes);
  if (!block) block = make(bytes);
  if (!block) {
    trim();
    block = make(bytes);
  }
  if (!block) throw out_of_memory(2 * bytes, "for a copy (half of them pinned) ", budget_, source_);
  return {block.release(), [this](Block* done) { give(std::unique_ptr<Block>(done)); }};
}

std::unique_ptr<Staging::Block> Staging::find(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = idle_.lower_bound({bytes, nullptr});
  if (found == idle_.end() || found->first.first > 2 * bytes) return nullptr;
  std::unique_ptr<Block> block = std::move(found->second);
  idle_.erase(found);
  idle_bytes_ -= block->bytes;
  return block;
}

std::unique_ptr<Staging::Block> Staging::make(size_t bytes) {
  if (!budget_.take(2 * bytes)) return nullptr;
  auto block = std::make_unique<Block>(Block{nullptr, nullptr, bytes});
  if (cudaSetDevice(gpu_) == cudaSuccess && cudaMallocHost(&block->host, bytes) == cudaSuccess &&
      (block->device = source_.map(bytes))) {
    return block;
  }
  cudaGetLastError();
  free(*block);
  return nullptr;
}

void Staging::give(std::unique_ptr<Block> block) {
  {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + block->bytes <= most_idle) {
      idle_bytes_ += block->bytes;
      const std::pair key(block->bytes, block->host);
      idle_.emplace(key, std::move(block));
      return;
    }
  }
  free(*block);
}

void Staging::trim() {
  decltype(idle_) idle;
  {
    const std::lock_guard lock(mutex_);
    idle.swap(idle_);
    idle_bytes_ = 0;
  }
  for (const auto& [_, block] : idle) free(*block);
}

void Staging::free(const Block& block) {
  cudaSetDevice(gpu_);
  if (block.host) cudaFreeHost(block.host);
  if (block.device) source_.unmap(block.device, block.bytes);
  budget_.give(2 * block.bytes);
}

}  // namespace aa::cuda
