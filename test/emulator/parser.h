// From PTX text to functions as lists of statements; body.h goes on from there.
#pragma once
#include <string>
#include <vector>

#include "instruction.h"

namespace emulator {

struct Statement {
  std::string text;  // without the semicolon; "{" and "}" are statements, and so are labels
  int line;
};

struct FunctionText {
  bool is_kernel = false;
  std::string name;
  std::vector<Variable> parameters, results;
  std::vector<Statement> body;
  int thread_limit = 1024;  // of .maxntid
};

struct ModuleText {
  std::vector<FunctionText> functions;
  std::vector<Variable> variables;  // of the module, in all spaces
  std::vector<std::string> files;   // by number
};

// Throws std::runtime_error.
ModuleText read_module(const std::string& ptx);

}  // namespace emulator
