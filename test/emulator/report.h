// What went wrong, and where.
#pragma once
#include <string>
#include <utility>

#include "execution.h"

namespace emulator {

// Ends a launch.
struct Failure {
  Fault fault;
};

[[noreturn]] void fail(const Warp&, const Instruction&, int lane, Fault::Kind,
                       const std::string& what);

// Notes what went wrong and goes on, so that a launch shows more than its first mistake. Each
// instruction is reported once.
void report(const Warp&, const Instruction&, int lane, Fault::Kind, const std::string& what);

// "source.cu line 12, PTX line 345".
std::string describe_line(const Program&, const Instruction&);

}  // namespace emulator
