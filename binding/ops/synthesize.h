#pragma once
#include "window.h"

namespace aa {

// Contract: lib/ops/synthesize.ts
struct Synthesize {
  int h, w, seed;
  Window decoded;              // c = 4
  const float* frame;          // [h, w, 3]
  const float* known;          // [h, w]
  const float* carried;        // [h, w, 3], or null
  const float* carried_known;  // [h, w], likewise
  const float* fading;         // [h, w], or null
  const float* motion;         // [h / 4, w / 4, 3], likewise
  float* output;               // [h, w, 3]
  float* made;                 // [h, w]
  float* left;                 // [decoded.h, decoded.w, 4]
  float* share;                // [h, w]
  float* moved;                // [h / 4, w / 4, 3], or null
  // What the seam is off by, where it is, and that spread over the frame.
  float* seam;      // [h, w, 3]
  float* ring;      // [h, w]
  float* membrane;  // [h, w, 3]

  static constexpr int levels = 3;
  static constexpr int radius = 3;  // of a patch: 7 x 7 pixels
  // Of the patches that are mixed in the frame itself, and how often the one around a pixel counts:
  // both are for sharpness.
  static constexpr int last_radius = 1, centre = 4;
  // How often matches are looked for and mixed at the smallest level; in the frame itself never,
  // between them once. Rounds of looking; the second asks neighbours that are `jump` away.
  static constexpr int searches = 12, rounds = 2, jump = 4;
  static constexpr int candidates = 4;  // at random: two anywhere, two near the match
  // Below this nothing is known; from here on what is carried counts, and what is known is copied from.
  static constexpr float least = 1e-6f, enough = .5f, sure = .9f;
  static constexpr int most = 64, depths = 12;  // what a pixel counts, halved up to how deep
  static constexpr float steady =
      1.f / 256;                          // how much what was there before counts in the membrane
  static constexpr float fade = 1.f / 2;  // what a share loses from frame to frame once it is shown
  static constexpr float all = -20;       // the logit of a blend that takes all of what was before
  static constexpr int soft = 4, unit = 1 << 14;  // a patch counts unit / (soft + distance)
};

}  // namespace aa
