// Products of matrices that lie spread over a warp's registers, and loads of such (PTX ISA 9.7.14).
//
// With lane = 4 g + t, a register of a fragment holds elements [g, 2t] and [g, 2t + 1] of an 8 x 8
// matrix. A is 16 x 8 or 16 x 16: rows g and g + 8 in turn, then columns 2t + 8. B is 8 or 16 x 8:
// [2t, g] and [2t + 1, g], then rows 2t + 8. C and D are 16 x 8 float32: [g, 2t], [g, 2t + 1],
// [g + 8, 2t], [g + 8, 2t + 1].
#include <cstring>

#include "../access.h"
#include "../decode.h"
#include "../report.h"
#include "../small_float.h"
#include "../traffic.h"
#include "lanewise.h"

namespace emulator {

namespace {

constexpr int rows = 16, columns = 8, most_depth = 16;

void need_all_lanes(Warp& warp, const Instruction& i, uint32_t mask) {
  if (mask != all_lanes)
    fail(warp, i, __builtin_ctz(mask), Fault::Kind::barrier,
         i.opcode() + " is executed by only some lanes of a warp");
}

// Products are exact, sums are in float64 and rounded once. A device rounds sums on the way, in an
// order of its own: results may differ in the last bits.
void multiply_add(Warp& warp, const Instruction& i, uint32_t mask) {
  need_all_lanes(warp, i, mask);
  const int depth = i.count;
  const auto &d = i.operands[0].elements, &a = i.operands[1].elements, &c = i.operands[3].elements;
  auto part_of_b = [&](int k) -> const Operand& {
    return i.operands[2].kind == Operand::Kind::vector ? i.operands[2].elements[k] : i.operands[2];
  };
  float left[rows][most_depth], right[most_depth][columns];
  double sum[rows][columns];
  for (int part = 0; part < depth / 4; part++) {
    const uint32_t* const values = warp.lanes<uint32_t>(a[part]);
    for (int lane = 0; lane < warp_size; lane++) {
      float* const to = &left[lane / 4 + 8 * (part % 2)][lane % 4 * 2 + 8 * (part / 2)];
      to[0] = from_half(static_cast<uint16_t>(values[lane]));
      to[1] = from_half(static_cast<uint16_t>(values[lane] >> 16));
    }
  }
  for (int part = 0; part < depth / 8; part++) {
    const uint32_t* const values = warp.lanes<uint32_t>(part_of_b(part));
    for (int lane = 0; lane < warp_size; lane++) {
      const int row = lane % 4 * 2 + 8 * part;
      right[row][lane / 4] = from_half(static_cast<uint16_t>(values[lane]));
      right[row + 1][lane / 4] = from_half(static_cast<uint16_t>(values[lane] >> 16));
    }
  }
  for (int part = 0; part < 4; part++) {
    const float* const values = warp.lanes<float>(c[part]);
    for (int lane = 0; lane < warp_size; lane++)
      sum[lane / 4 + 8 * (part / 2)][lane % 4 * 2 + part % 2] = values[lane];
  }
  for (int row = 0; row < rows; row++)
    for (int k = 0; k < depth; k++) {
      const double factor = left[row][k];
      for (int column = 0; column < columns; column++)
        sum[row][column] += factor * static_cast<double>(right[k][column]);
    }
  for (int part = 0; part < 4; part++) {
    float* const values = warp.lanes<float>(d[part]);
    for (int lane = 0; lane < warp_size; lane++)
      values[lane] = static_cast<float>(sum[lane / 4 + 8 * (part / 2)][lane % 4 * 2 + part % 2]);
  }
  warp.block->counters.mma_operations += 2ull * rows * columns * depth;
}

// Lanes 8 m to 8 m + 7 hold the addresses of matrix m's rows, 16 bytes each.
void load_matrices(Warp& warp, const Instruction& i, uint32_t mask) {
  need_all_lanes(warp, i, mask);
  const Operand& to = i.operands[0];
  uint16_t matrices[4][8][8];
  const int lanes = 8 * i.count;
  if (warp.block->launch.settings.count)
    count_shared(warp, i.operands[1], lanes == 32 ? all_lanes : (1u << lanes) - 1, 16);
  for (int lane = 0; lane < lanes; lane++) {
    const uint64_t address = lane_address(warp, i.operands[1], lane);
    std::memcpy(matrices[lane / 8][lane % 8], access(warp, i, lane, address, 16, AccessKind::read),
                16);
  }
  for (int m = 0; m < i.count; m++) {
    const Operand& target = to.kind == Operand::Kind::vector ? to.elements[m] : to;
    uint32_t* const values = warp.lanes<uint32_t>(target);
    const auto& matrix = matrices[m];
    for (int lane = 0; lane < warp_size; lane++) {
      const int g = lane / 4, t = lane % 4 * 2;
      const uint32_t low = i.mode ? matrix[t][g] : matrix[g][t];
      const uint32_t high = i.mode ? matrix[t + 1][g] : matrix[g][t + 1];
      values[lane] = high << 16 | low;
    }
  }
}

size_t registers_of(const Operand& o) {
  return o.kind == Operand::Kind::vector ? o.elements.size() : 1;
}

bool decode_mma(Instruction& i) {
  if (i.operands.size() != 4 || i.parts.size() < 9) return false;
  const bool deep = i.has("m16n8k16");
  if (!deep && !i.has("m16n8k8")) return false;
  const size_t n = i.parts.size();
  if (i.parts[n - 4] != "f32" || i.parts[n - 3] != "f16" || i.parts[n - 2] != "f16" ||
      i.parts[n - 1] != "f32" || !i.has("row") || !i.has("col"))
    return false;
  i.count = deep ? 16 : 8;
  i.execute = multiply_add;
  return registers_of(i.operands[0]) == 4 && registers_of(i.operands[1]) == i.count / 4u &&
         registers_of(i.operands[2]) == i.count / 8u && registers_of(i.operands[3]) == 4;
}

bool decode_ldmatrix(Instruction& i) {
  if (!i.has("m8n8") || i.type() != "b16" || i.operands.size() != 2) return false;
  i.count = i.has("x4") ? 4 : i.has("x2") ? 2 : 1;
  i.mode = i.has("trans");
  i.execute = load_matrices;
  return registers_of(i.operands[0]) == i.count;
}

}  // namespace

bool decode_matrix(Instruction& i) {
  if (i.opcode() == "mma") {
    if (!decode_mma(i)) return false;
  } else if (i.opcode() == "ldmatrix") {
    if (!decode_ldmatrix(i)) return false;
  } else {
    return false;
  }
  i.control = Control::collective;
  return true;
}

}  // namespace emulator
