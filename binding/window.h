#pragma once
#include <cstddef>
#include <cstdint>

namespace aa {

// A thumbnail: 32 x 18 cells, row major. lib/video/shots.ts compares them.
constexpr int thumbnail_columns = 32;
constexpr int thumbnail_rows = 18;

// Bounds of the non-zero pixels of a mask; of no size when there are none.
struct Bounds {
  int y, x, h, w;
};

// A frame of a source and its mask, and the window's own memory that they are copied to.
struct Taking {
  const uint8_t* frame;
  const uint8_t* mask;
  int width, height;
  int channels;       // of the frame: 3 or 4
  int mask_channels;  // 1, 3 or 4
  uint8_t* frame_copy;
  uint8_t* mask_copy;  // one channel
  float* thumbnail;

  size_t pixels() const { return size_t(width) * size_t(height); }
};

// Copies the frame, brings its mask to one channel (any non-zero colour is hole; alpha does not
// count), and makes the frame's thumbnail.
Bounds take_frame(const Taking& taking);

}  // namespace aa
