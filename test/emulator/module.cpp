// Modules: their variables, and their kernels with the device functions that they call.
#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

#include "body.h"
#include "memory.h"
#include "text.h"

namespace emulator {

namespace {

uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

bool names(const FunctionText& function, const std::string& name) {
  return std::any_of(function.body.begin(), function.body.end(),
                     [&](const Statement& s) { return s.text.find(name) != std::string::npos; });
}

std::string demangled(const std::string& name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

class LoadedModule final : public Module {
 public:
  explicit LoadedModule(const std::string& ptx) : text_(read_module(ptx)) {
    make_variables();
    for (const auto& function : text_.functions)
      if (function.is_kernel) make_kernel(function);
  }

  ~LoadedModule() override {
    for (const auto& [name, v] : variables_) memory::free(reinterpret_cast<void*>(v.address));
  }

  const Kernel* kernel(const std::string& name) const override {
    auto found = kernels_.find(name);
    return found == kernels_.end() ? nullptr : found->second.get();
  }

  Variable variable(const std::string& name) const override {
    auto found = variables_.find(name);
    return found == variables_.end() ? Variable() : found->second;
  }

 private:
  void make_variables() {
    for (const auto& v : text_.variables)
      if (v.space != Space::shared)
        variables_[v.name] = {reinterpret_cast<uint64_t>(memory::allocate_variable(v.size)),
                              v.size};
    for (const auto& v : text_.variables)
      if (v.space != Space::shared && !v.initial.empty()) initialise(v);
  }

  // "{1, 2, name, generic(name)}"
  void initialise(const emulator::Variable& v) {
    auto* const data = reinterpret_cast<uint8_t*>(variables_[v.name].address);
    const size_t width = type_width(v.type);
    std::string list;
    for (char c : v.initial)
      if (c != '{' && c != '}') list += c;
    size_t offset = 0;
    for (std::string item : split_list(list)) {
      auto value = parse_literal(item, v.type);
      if (!value) {
        if (starts_with(item, "generic(")) item = item.substr(8, item.size() - 9);
        value = variable(item).address;
        if (!*value) throw std::runtime_error("PTX: unknown value of " + v.name + ": " + item);
      }
      if (offset + width <= v.size) std::memcpy(data + offset, &*value, width);
      offset += width;
    }
  }

  // The functions that a kernel may call, directly or not.
  std::vector<const FunctionText*> functions_of(const FunctionText& kernel) const {
    std::vector<const FunctionText*> list = {&kernel};
    for (size_t k = 0; k < list.size(); k++)
      for (const auto& f : text_.functions)
        if (!f.is_kernel && std::find(list.begin(), list.end(), &f) == list.end() &&
            names(*list[k], f.name))
          list.push_back(&f);
    return list;
  }

  void place_parameters(Program& program, const FunctionText& kernel, Assembler& assembler) {
    size_t end = 0;
    for (auto v : kernel.parameters) {
      v.offset = align_up(end, v.align);
      end = v.offset + v.size;
      program.kernel_parameters.push_back({v.offset, v.size});
      assembler.add_parameter(v);
    }
    program.parameter_bytes = end;
  }

  // Static variables first, then all dynamic arrays at one place.
  void place_shared(Program& program, const std::vector<const FunctionText*>& functions,
                    Assembler& assembler) {
    std::vector<emulator::Variable> found;
    for (const auto& v : text_.variables)
      if (v.space == Space::shared &&
          std::any_of(functions.begin(), functions.end(),
                      [&](const FunctionText* f) { return names(*f, v.name); }))
        found.push_back(v);
    for (const auto* f : functions)
      for (const auto& statement : f->body)
        if (starts_with(statement.text, ".shared"))
          if (auto v = parse_declaration(statement.text)) found.push_back(*v);
    uint64_t end = 0;
    for (auto& v : found) {
      if (v.size == 0) continue;
      v.offset = align_up(end ? end + shared_gap : shared_start, std::max<uint64_t>(v.align, 16));
      end = v.offset + v.size;
      program.shared_variables.push_back(v);
    }
    program.shared_end = end;
    program.dynamic_start = end ? align_up(end + shared_gap, 1024) : shared_start;
    for (auto& v : found) {
      if (v.size == 0) {
        v.offset = program.dynamic_start;
        program.uses_dynamic = true;
      }
      assembler.add_shared(v);
    }
  }

  void make_kernel(const FunctionText& text) {
    auto program = std::make_unique<Program>();
    program->kernel_name = text.name;
    program->shown_name = demangled(text.name);
    program->thread_limit = text.thread_limit;
    program->files = text_.files;
    Assembler assembler(*program, variables_);
    const auto functions = functions_of(text);
    place_parameters(*program, text, assembler);
    place_shared(*program, functions, assembler);
    for (const auto* f : functions)
      if (!f->is_kernel) assembler.add_function(*f);
    for (const auto* f : functions) assembler.assemble(*f);
    assembler.finish();
    kernels_[text.name] = std::move(program);
  }

  ModuleText text_;
  GlobalVariables variables_;
  std::map<std::string, std::unique_ptr<Program>> kernels_;
};

}  // namespace

std::unique_ptr<Module> parse(const std::string& ptx) {
  return std::make_unique<LoadedModule>(ptx);
}

}  // namespace emulator
