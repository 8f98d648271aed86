#pragma once

namespace aa {

// Note [windows]. A plane is a whole map; a Window is the part of it that a tensor holds: rows y to
// y + h, columns x to x + w. Coordinates in parameters are always those of the plane, so a layer
// computed on a window gives the numbers that the layer computed on the whole plane has there, but
// for rounding, as long as what it reads lies in its inputs' windows. All maps are n h w c,
// channels last, dense.
struct Window {
  const float* data = nullptr;  // [n, h, w, c]
  int h = 0, w = 0, c = 0;
  int y = 0, x = 0;
};

// Note [maps]. Tensors of floats and rank 4 are maps. The CPU stores them as float32, a GPU as
// float16 unless asked for float32; all other floats are float32 everywhere. Pointers to maps are
// declared float*, and a backend casts them to what it stores.

// Where in its plane an operation's output lies.
struct Region {
  int h = 0, w = 0;
  int y = 0, x = 0;
};

// Note [corners]. Positions in [-1, 1] span a plane's outer edges, corners not aligned: pixel i of
// n has its centre at (i + 0.5) * 2 / n - 1. A plane's extent may be fractional, when it is a
// scaled copy of a padded plane.
struct Extent {
  float h = 0, w = 0;
};

constexpr int max_references = 64;

}  // namespace aa
