// libFuzzer on what the window does with a frame and its mask: sizes and channels from the input,
// pixels too. The bounds and the mask's copy are compared with plain loops.
#include <algorithm>
#include <cstdint>
#include <memory>

#include "../../binding/window.h"

namespace {

void expect(bool holds) {
  if (!holds) __builtin_trap();
}

// Of just the size, so that a byte too far is found.
std::unique_ptr<uint8_t[]> filled(size_t count, const uint8_t* from, size_t size, size_t rarity) {
  auto bytes = std::make_unique<uint8_t[]>(count);
  for (size_t i = 0; i < count && size; ++i) {
    const uint8_t value = from[i % size];
    bytes[i] = (i * 31 + value) % rarity ? 0 : value;
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  if (size < 5) return 0;
  const int width = 1 + input[0], height = 1 + input[1] % 64;
  const int channels = input[2] & 1 ? 4 : 3;
  const int mask_channels = (const int[]){1, 3, 4, 1}[input[2] >> 1 & 3];
  const size_t pixels = size_t(width) * height, rarity = 1 + input[3];
  input += 4, size -= 4;
  auto frame = filled(pixels * channels, input, size, 1);
  auto mask = filled(pixels * mask_channels, input, size, rarity);
  auto frame_copy = std::make_unique<uint8_t[]>(pixels * channels);
  auto mask_copy = std::make_unique<uint8_t[]>(pixels);
  auto thumbnail = std::make_unique<float[]>(aa::thumbnail_columns * aa::thumbnail_rows);
  const aa::Bounds found =
      aa::take_frame({frame.get(), mask.get(), width, height, channels, mask_channels,
                      frame_copy.get(), mask_copy.get(), thumbnail.get()});
  expect(std::equal(frame.get(), frame.get() + pixels * channels, frame_copy.get()));
  int top = height, bottom = -1, left = width, right = -1;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const uint8_t* p = mask.get() + (size_t(y) * width + x) * mask_channels;
      bool is_hole = false;
      for (int c = 0; c < std::min(mask_channels, 3); ++c) is_hole |= p[c] != 0;
      expect((mask_copy[size_t(y) * width + x] != 0) == is_hole);
      if (!is_hole) continue;
      top = std::min(top, y), bottom = y;
      left = std::min(left, x), right = std::max(right, x);
    }
  }
  if (bottom < 0) {
    expect(found.h == 0);
  } else {
    expect(found.y == top && found.h == bottom - top + 1);
    expect(found.x == left && found.w == right - left + 1);
  }
  return 0;
}
