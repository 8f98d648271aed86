// A kernel as the engine runs it: instructions whose operands are places in a warp's register file.
//
// Note [registers]. Every register of the PTX text, every special register and every constant has
// a place of its own in the register file: 32 values, lane after lane, as wide as its type. So an
// instruction is a loop over 32 lanes that the compiler turns into vector instructions, and
// constants need no case of their own.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine.h"

namespace emulator {

constexpr int warp_size = 32;
constexpr uint32_t all_lanes = 0xffffffffu;

enum class Space : uint8_t { generic, global, shared, local, parameter, constant };

// Generic addresses carry their space in the upper byte; global ones are addresses of the host,
// where it is 0.
constexpr int window_shift = 56;
constexpr uint64_t shared_window = 1, local_window = 2, parameter_window = 3;

struct Operand {
  enum class Kind : uint8_t { none, value, vector, address, symbol };
  Kind kind = Kind::none;
  uint8_t width = 0;             // bytes a lane in the register file
  Space space = Space::generic;  // of the variable whose address it is
  bool negated = false;          // of predicates
  uint32_t place = 0;            // in the register file
  int64_t displacement = 0;      // of addresses
  uint64_t literal = 0;          // of constants
  std::string symbol;            // a name that is not known yet
  std::vector<Operand> elements;
};

struct Instruction;
struct Warp;
// Runs an instruction for the lanes of a mask.
using Execute = void (*)(Warp&, const Instruction&, uint32_t mask);

// What happens to the program counter, and who has to come along.
enum class Control : uint8_t {
  next,
  collective,  // waits for the lanes that a mask names
  branch,
  indexed_branch,
  call,
  leave,  // ret and exit
  barrier,
  pause,  // nanosleep: others go on
  trap,
  unwritten,  // reads a register that nothing writes
};

// See Counters, and classify() in counters.cpp.
enum class Category : uint8_t { mma, math, address, memory, control, other };

// Instruction::mode of Control::barrier.
enum BarrierMode { barrier_sync, barrier_arrive, barrier_count, barrier_and, barrier_or };

enum class Rounding : uint8_t { none, nearest, zero, down, up };

struct Instruction {
  Execute execute = nullptr;
  Control control = Control::next;
  Category category = Category::other;
  bool predicated = false, predicate_negated = false;
  bool ftz = false, saturate = false;
  Space space = Space::generic;
  Rounding rounding = Rounding::none;
  uint8_t bytes = 0;         // of an element in memory
  uint8_t count = 1;         // elements, matrices, groups of copies
  int8_t mask_operand = -1;  // of collectives: who takes part; -1: all live lanes
  int mode = 0;              // a variant; what it means is said where the instruction is
  uint32_t predicate = 0;    // place
  int target = -1;
  int index = 0;  // in the code
  std::vector<Operand> operands;
  std::vector<int> targets;
  Execute rounded = nullptr;  // what runs in another rounding mode

  std::vector<std::string> parts;  // "ld.global.f32" is ld, global, f32
  std::string text, unwritten;     // as written; the register of Control::unwritten
  int line = 0, source_file = 0, source_line = 0;

  const std::string& opcode() const { return parts[0]; }
  const std::string& type() const { return parts.back(); }
  bool has(std::string_view part) const {
    for (const auto& p : parts)
      if (p == part) return true;
    return false;
  }
};

// A variable of any space, as declared.
struct Variable {
  std::string name, type, initial;
  Space space = Space::generic;
  uint64_t size = 0, align = 1;
  uint64_t offset = 0;  // where it lies in its space
  bool declared_extern = false;
};

// A device function within a kernel's code. Its parameters and results lie in local memory.
struct Function {
  int entry = 0;
  std::vector<Variable> parameters, results;
  uint32_t return_place = 0;  // of the lanes' return addresses
};

// Offsets in shared memory do not start at 0, so that null pointers are out of bounds, and leave
// gaps between variables, so that what runs over one is.
constexpr uint64_t shared_start = 1024, shared_gap = 128;

// Of the register file: places that every block sets anew.
struct SpecialRegister {
  std::string name;
  uint8_t width;
  uint32_t place;
};

struct Program final : Kernel {
  std::string kernel_name, shown_name;  // shown: demangled
  std::vector<Parameter> kernel_parameters;
  size_t parameter_bytes = 0;
  int thread_limit = 1024;

  std::vector<Instruction> code;
  std::vector<uint8_t> registers;  // a register file at the start, with its constants
  std::vector<SpecialRegister> special;
  std::map<std::string, Function> functions;

  std::vector<Variable> shared_variables;
  uint64_t shared_end = 0;     // of the static variables
  uint64_t dynamic_start = 0;  // of the dynamic ones
  bool uses_dynamic = false;
  uint64_t local_size = 0;

  std::vector<std::string> files;     // sources, by their number in the PTX text
  std::vector<std::string> mistakes;  // what is not supported; a launch fails with it

  const std::string& name() const override { return kernel_name; }
  const std::vector<Parameter>& parameters() const override { return kernel_parameters; }
  size_t static_shared() const override {
    size_t sum = 0;
    for (const auto& v : shared_variables) sum += v.size;
    return sum;
  }
  size_t local_bytes() const override { return local_size; }
  int most_threads() const override { return thread_limit; }
};

}  // namespace emulator
