// From statements to instructions: scopes, registers, labels, operands.
#pragma once
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parser.h"

namespace emulator {

using GlobalVariables = std::map<std::string, Module::Variable>;

// Assembles a kernel and the device functions it calls into one program.
class Assembler {
 public:
  Assembler(Program& program, const GlobalVariables& globals)
      : program_(program), globals_(globals) {}

  // Makes known what the statements of all bodies may name.
  void add_parameter(const Variable&);
  void add_shared(const Variable&);  // with its offset
  void add_function(const FunctionText&);

  // The kernel's own body first.
  void assemble(const FunctionText&);

  // Lays out the register file and finds registers that nothing writes.
  void finish();

 private:
  struct Register {
    uint32_t place;
    uint8_t width;
  };
  struct Scope {
    int parent;
    std::unordered_map<std::string, Register> registers;
    std::unordered_map<std::string, int> labels;
    std::unordered_map<std::string, std::vector<std::string>> tables;
    std::unordered_map<std::string, uint64_t> locals;
  };
  struct Jump {
    int instruction, scope;
    std::string label;
  };

  void mistake(const std::string& what);
  uint32_t new_place(int width);
  uint32_t constant(uint64_t value, int width);
  template <class T>
  const T* find(std::unordered_map<std::string, T> Scope::*table, const std::string& name) const {
    return find(table, name, scope_);
  }
  template <class T>
  const T* find(std::unordered_map<std::string, T> Scope::*table, const std::string& name,
                int scope) const {
    for (; scope >= 0; scope = scopes_[scope].parent) {
      const auto& map = scopes_[scope].*table;
      if (auto found = map.find(name); found != map.end()) return &found->second;
    }
    return nullptr;
  }

  void declare_registers(const std::string& text);
  void declare_local(Variable);
  void directive(const std::string& text);
  void instruction(std::string text);
  void control(Instruction&, const std::vector<std::string>& operands);
  void barrier(Instruction&, const std::vector<std::string>& operands);
  void call(Instruction&, std::vector<std::string> operands);
  void calculation(Instruction&, const std::vector<std::string>& operands);
  void leave(const std::string& text);
  void resolve_jumps();

  Operand operand(const std::string& text, const std::string& type);
  Operand address(const std::string& text, const std::string& type);
  Operand variable(const std::string& text, const std::string& type);
  bool variable_address(const std::string& name, Space&, uint64_t& value) const;
  Operand immediate(uint64_t value, int width, Space space = Space::generic);
  Operand special(const std::string& name);
  void note_use(const Instruction&);

  Program& program_;
  const GlobalVariables& globals_;
  std::vector<Scope> scopes_;
  int scope_ = -1;
  std::map<std::string, uint64_t> parameters_, shared_;
  std::map<std::pair<uint64_t, int>, uint32_t> constants_;
  std::map<uint32_t, std::string> register_names_;
  std::set<uint32_t> written_;
  std::vector<Jump> jumps_, table_jumps_;
  uint32_t end_ = 0;  // of the register file
  const Function* function_ = nullptr;
  std::string label_;  // the last one
  int line_ = 0, source_file_ = 0, source_line_ = 0;
};

}  // namespace emulator
