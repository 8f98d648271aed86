// What the window of frames (lib/video/window.ts) does with the pixels of a frame that comes in.
// Compiled without contraction of products and sums: whether two frames differ by a cut has to be
// decided alike on every machine.
#include "window.h"

#include <algorithm>
#include <cstring>

namespace aa {

namespace {

// Samples along each side of a thumbnail's cell.
constexpr int samples = 4;
// Bytes looked at together: enough to keep vectors busy, few enough to stop soon at a hole.
constexpr size_t block = 256;

uint64_t word_at(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Whether any byte is not zero.
bool any(const uint8_t* bytes, size_t count) {
  size_t i = 0;
  for (; i + block <= count; i += block) {
    uint64_t all = 0;
    for (size_t k = 0; k < block; k += sizeof all) all |= word_at(bytes + i + k);
    if (all) return true;
  }
  for (; i + sizeof(uint64_t) <= count; i += sizeof(uint64_t))
    if (word_at(bytes + i)) return true;
  for (; i < count; ++i)
    if (bytes[i]) return true;
  return false;
}

// The first byte that is not zero, or count.
int first(const uint8_t* bytes, int count) {
  int i = 0;
  while (i + 8 <= count && !word_at(bytes + i)) i += 8;
  while (i < count && !bytes[i]) ++i;
  return i;
}

// One behind the last byte that is not zero, or 0.
int end(const uint8_t* bytes, int count) {
  int i = count;
  while (i >= 8 && !word_at(bytes + i - 8)) i -= 8;
  while (i > 0 && !bytes[i - 1]) --i;
  return i;
}

// A row of a mask in colour, in one channel. Most of a mask is zero: eight pixels at a time, the
// values only where they are not.
template <int channels>
void merge(const uint8_t* from, uint8_t* into, int width) {
  static constexpr uint8_t alpha_less[8] = {255, 255, 255, 0, 255, 255, 255, 0};
  const uint64_t colours = channels == 4 ? word_at(alpha_less) : ~uint64_t{0};
  const auto pixel = [](const uint8_t* p) { return uint8_t(p[0] | p[1] | p[2]); };
  int x = 0;
  for (; x + 8 <= width; x += 8) {
    const uint8_t* at = from + size_t(x) * channels;
    uint64_t all = 0;
    for (int k = 0; k < channels; ++k) all |= word_at(at + 8 * k);
    if (all & colours) {
      for (int k = 0; k < 8; ++k) into[x + k] = pixel(at + k * channels);
    } else {
      std::memset(into + x, 0, 8);
    }
  }
  for (; x < width; ++x) into[x] = pixel(from + size_t(x) * channels);
}

// Each row is looked through when it has just been copied and is near.
Bounds take_mask(const Taking& taking) {
  const int width = taking.width;
  int top = -1, bottom = -1, left = width, right = 0;
  for (int y = 0; y < taking.height; ++y) {
    const uint8_t* from = taking.mask + size_t(y) * width * taking.mask_channels;
    uint8_t* row = taking.mask_copy + size_t(y) * width;
    switch (taking.mask_channels) {
      case 1:
        std::memcpy(row, from, width);
        break;
      case 3:
        merge<3>(from, row, width);
        break;
      default:
        merge<4>(from, row, width);
    }
    if (!any(row, width)) continue;
    if (top < 0) top = y;
    bottom = y;
    left = first(row, left);
    right += end(row + right, width - right);
  }
  return top < 0 ? Bounds{} : Bounds{top, left, bottom - top + 1, right - left};
}

// Averages samples. The sums are rounded to float32 one by one, in this order: the limits of a cut
// were found with them.
void make_thumbnail(const Taking& taking) {
  constexpr int across = thumbnail_columns * samples, down = thumbnail_rows * samples;
  std::fill_n(taking.thumbnail, thumbnail_columns * thumbnail_rows, 0.0f);
  for (int i = 0; i < down; ++i) {
    const size_t y = size_t(2 * i + 1) * taking.height / (2 * down);
    float* cells = taking.thumbnail + i / samples * thumbnail_columns;
    for (int j = 0; j < across; ++j) {
      const size_t x = size_t(2 * j + 1) * taking.width / (2 * across);
      const uint8_t* p = taking.frame_copy + (y * taking.width + x) * taking.channels;
      const double grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      float& cell = cells[j / samples];
      cell = float(double(cell) + grey / (samples * samples));
    }
  }
}

}  // namespace

Bounds take_frame(const Taking& taking) {
  std::memcpy(taking.frame_copy, taking.frame, taking.pixels() * taking.channels);
  make_thumbnail(taking);
  return take_mask(taking);
}

}  // namespace aa
