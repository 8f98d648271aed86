#pragma once
#include "simd.h"

namespace aa::cpu::AA_ISA {

// Runs body(row, worker) for rows 0 to rows - 1. A task takes several, so that short rows are not
// outweighed by the taking; about 64 tasks keep the workers' ends close together.
template <class Body>
static inline void parallel_rows(Context& context, int rows, Body&& body) {
  const int each = (rows + 63) / 64;
  parallel(context, each ? (rows + each - 1) / each : 0, [&](int task, int worker) {
    const int end = (task + 1) * each < rows ? (task + 1) * each : rows;
    for (int row = task * each; row < end; ++row) body(row, worker);
  });
}

}  // namespace aa::cpu::AA_ISA
