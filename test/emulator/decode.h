// From an instruction's text to the function that runs it.
//
// Each file in instructions/ knows one group. Its function looks at the opcode, sets `execute` and
// what else of the instruction that needs, and returns false when the instruction is not its own.
#pragma once
#include <string>
#include <vector>

#include "instruction.h"

namespace emulator {

bool decode(Instruction&);

bool decode_arithmetic(Instruction&);
bool decode_bits(Instruction&);
bool decode_float(Instruction&);
bool decode_half(Instruction&);
bool decode_convert(Instruction&);
bool decode_compare(Instruction&);
bool decode_move(Instruction&);
bool decode_load_store(Instruction&);
bool decode_atomic(Instruction&);
bool decode_copy(Instruction&);
bool decode_collective(Instruction&);
bool decode_matrix(Instruction&);

// The type of an operand, for constants: mostly the last of the opcode.
std::string operand_type(const Instruction&, size_t index,
                         const std::vector<std::string>& operands);

// What it counts as.
Category classify(const Instruction&);

}  // namespace emulator
