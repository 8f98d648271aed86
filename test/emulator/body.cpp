#include "body.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "decode.h"
#include "text.h"

namespace emulator {

namespace {

uint64_t align_up(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

Space space_of(const Instruction& i) {
  for (const auto& part : i.parts) {
    const std::string name = part.substr(0, part.find(':'));  // shared::cta
    if (name == "shared") return Space::shared;
    if (name == "global") return Space::global;
    if (name == "local") return Space::local;
    if (name == "param") return Space::parameter;
    if (name == "const") return Space::constant;
  }
  return Space::generic;
}

bool is_barrier(const Instruction& i) {
  return i.opcode() == "barrier" || (i.opcode() == "bar" && !i.has("warp"));
}

// Where the results are among the operands.
bool is_result(const Instruction& i, size_t operand) {
  if (operand > 0) return false;
  const auto& o = i.opcode();
  return o != "st" && o != "red" && o != "cp" && o != "bar" && o != "barrier";
}

}  // namespace

void Assembler::mistake(const std::string& what) {
  program_.mistakes.push_back("line " + std::to_string(line_) + ": " + what);
}

void Assembler::add_parameter(const Variable& v) { parameters_[v.name] = v.offset; }
void Assembler::add_shared(const Variable& v) { shared_[v.name] = v.offset; }
void Assembler::add_function(const FunctionText& text) {
  Function& f = program_.functions[text.name];
  f.parameters = text.parameters;
  f.results = text.results;
}

uint32_t Assembler::new_place(int width) {
  const uint32_t place = align_up(end_, 64);
  end_ = place + warp_size * width;
  return place;
}

void Assembler::declare_registers(const std::string& text) {  // ".reg .b32 %r<100>, x"
  const std::string type = words(text).at(1);
  const int width = type_width(type.substr(1));
  if (!width) return mistake("unsupported: " + text);
  auto& registers = scopes_[scope_].registers;
  auto declare = [&](const std::string& name) {
    const Register r{new_place(width), static_cast<uint8_t>(width)};
    registers[name] = r;
    register_names_[r.place] = name;
  };
  for (const auto& name : split_list(text.substr(text.find(type) + type.size()))) {
    const size_t bracket = name.find('<');
    if (bracket == std::string::npos) {
      declare(name);
      continue;
    }
    const int count = std::atoi(name.c_str() + bracket + 1);
    for (int i = 0; i < count; i++) declare(name.substr(0, bracket) + std::to_string(i));
  }
}

void Assembler::declare_local(Variable v) {
  v.offset = align_up(program_.local_size, std::max<uint64_t>(v.align, 8));
  program_.local_size = v.offset + v.size;
  scopes_[scope_].locals[v.name] = v.offset;
}

void Assembler::directive(const std::string& text) {
  if (starts_with(text, ".reg")) {
    declare_registers(text);
  } else if (starts_with(text, ".loc ")) {
    int file = 0, line = 0;
    std::sscanf(text.c_str() + 4, "%d %d", &file, &line);
    if (line > 0) source_file_ = file, source_line_ = line;  // 0: the compiler does not know
  } else if (starts_with(text, ".branchtargets")) {
    scopes_[scope_].tables[label_] = split_list(text.substr(14));
  } else if (!starts_with(text, ".pragma") && !starts_with(text, ".callprototype")) {
    const auto v = parse_declaration(text);
    if (!v) return mistake("unsupported: " + text);
    if (v->space == Space::local || v->space == Space::parameter) declare_local(*v);
  }
}

void Assembler::assemble(const FunctionText& text) {
  scope_ = static_cast<int>(scopes_.size());
  scopes_.push_back({-1, {}, {}, {}, {}});
  source_file_ = source_line_ = 0;
  function_ = nullptr;
  if (!text.is_kernel) {
    Function& f = program_.functions[text.name];
    for (auto* list : {&f.parameters, &f.results}) {
      for (auto& v : *list) {
        declare_local(v);
        v.offset = scopes_[scope_].locals[v.name];
      }
    }
    f.entry = static_cast<int>(program_.code.size());
    f.return_place = new_place(sizeof(uint32_t));
    function_ = &f;
  }
  for (const auto& statement : text.body) {
    line_ = statement.line;
    const std::string& s = statement.text;
    if (s == "{") {
      scopes_.push_back({scope_, {}, {}, {}, {}});
      scope_ = static_cast<int>(scopes_.size()) - 1;
    } else if (s == "}") {
      scope_ = scopes_[scope_].parent;
    } else if (s.back() == ':') {
      label_ = trim(s.substr(0, s.size() - 1));
      scopes_[scope_].labels[label_] = static_cast<int>(program_.code.size());
    } else if (s[0] == '.') {
      directive(s);
    } else {
      instruction(s);
    }
  }
  instruction("ret");
  resolve_jumps();
}

void Assembler::instruction(std::string text) {
  Instruction i;
  i.line = line_;
  i.text = text;
  i.source_file = source_file_;
  i.source_line = source_line_;
  i.index = static_cast<int>(program_.code.size());
  if (text[0] == '@') {
    const size_t end = text.find(' ');
    std::string name = text.substr(1, end - 1);
    text = trim(text.substr(end));
    i.predicated = true;
    if (name[0] == '!') {
      i.predicate_negated = true;
      name = name.substr(1);
    }
    const Register* r = find(&Scope::registers, name);
    if (!r) return mistake("unknown predicate " + name);
    i.predicate = r->place;
  }
  const size_t end = text.find_first_of(" {[(");
  i.parts = split_opcode(text.substr(0, end));
  i.space = space_of(i);
  i.ftz = i.has("ftz");
  i.saturate = i.has("sat");
  const auto operands =
      end == std::string::npos ? std::vector<std::string>() : split_list(text.substr(end));
  const size_t mistakes = program_.mistakes.size();
  control(i, operands);
  if (program_.mistakes.size() > mistakes) return;
  if (i.control == Control::next && !i.execute) return mistake("unsupported: " + i.text);
  i.category = classify(i);
  program_.code.push_back(std::move(i));
}

void Assembler::control(Instruction& i, const std::vector<std::string>& operands) {
  const std::string& opcode = i.opcode();
  if (opcode == "bra" && operands.size() == 1) {
    i.control = Control::branch;
    jumps_.push_back({i.index, scope_, operands[0]});
  } else if (opcode == "brx" && operands.size() == 2) {
    i.control = Control::indexed_branch;
    i.operands.push_back(operand(operands[0], "u32"));
    table_jumps_.push_back({i.index, scope_, operands[1]});
  } else if (opcode == "ret" || opcode == "exit") {
    i.control = Control::leave;
    i.mode = opcode == "ret" && function_ ? static_cast<int>(function_->return_place) : -1;
  } else if (opcode == "trap" || opcode == "brkpt") {
    i.control = Control::trap;
  } else if (opcode == "call") {
    call(i, operands);
  } else if (is_barrier(i)) {
    barrier(i, operands);
  } else {
    calculation(i, operands);
  }
}

// Brings the operands into one order: barrier, threads, result, predicate.
void Assembler::barrier(Instruction& i, const std::vector<std::string>& operands) {
  i.control = Control::barrier;
  const bool reduce = i.has("red");
  const size_t first = reduce ? 1 : 0;
  i.mode = i.has("arrive") ? barrier_arrive
           : !reduce       ? barrier_sync
           : i.has("popc") ? barrier_count
           : i.has("and")  ? barrier_and
                           : barrier_or;
  if (operands.size() <= first || (!reduce && !i.has("sync") && !i.has("arrive")))
    return mistake("unsupported: " + i.text);
  const bool counted = operands.size() == first + (reduce ? 3 : 2);
  i.operands = {operand(operands[first], "u32"),
                counted ? operand(operands[first + 1], "u32") : Operand(),
                reduce ? operand(operands[0], "u32") : Operand(),
                reduce ? operand(operands.back(), "pred") : Operand()};
  if (reduce) written_.insert(i.operands[2].place);
}

// "(results), function, (parameters)"; operands become function, results, parameters.
void Assembler::call(Instruction& i, std::vector<std::string> operands) {
  i.control = Control::call;
  std::string results = "()";
  if (!operands.empty() && operands[0][0] == '(') {
    results = operands[0];
    operands.erase(operands.begin());
  }
  operands.resize(2);
  Operand function;
  function.kind = Operand::Kind::symbol;
  function.symbol = operands[0];
  auto list = [&](const std::string& text) {
    Operand all;
    all.kind = Operand::Kind::vector;
    if (text.size() < 2) return all;
    for (const auto& name : split_list(text.substr(1, text.size() - 2))) {
      const uint64_t* offset = find(&Scope::locals, name);
      if (!offset) mistake("unknown argument " + name);
      Operand element;
      element.displacement = offset ? static_cast<int64_t>(*offset) : 0;
      all.elements.push_back(element);
    }
    return all;
  };
  i.operands = {function, list(results), list(operands[1])};
  const auto known = program_.functions.find(function.symbol);
  if (function.symbol == "__assertfail") {
    i.control = Control::trap;
  } else if (known == program_.functions.end() ||
             known->second.parameters.size() != i.operands[2].elements.size() ||
             known->second.results.size() != i.operands[1].elements.size()) {
    mistake("call of an unknown function: " + i.text);
  }
}

void Assembler::calculation(Instruction& i, const std::vector<std::string>& operands) {
  for (size_t k = 0; k < operands.size(); k++) {
    Operand o = operand(operands[k], operand_type(i, k, operands));
    if (o.kind == Operand::Kind::symbol) return mistake("unknown name in: " + i.text);
    for (const auto& element : o.elements)
      if (element.kind == Operand::Kind::symbol) return mistake("unknown name in: " + i.text);
    i.operands.push_back(std::move(o));
  }
  // Arguments and results of calls are declared .param but lie in local memory.
  for (const auto& o : i.operands)
    if (o.space == Space::local && i.space == Space::parameter) i.space = Space::local;
  if (!decode(i)) return mistake("unsupported: " + i.text);
  note_use(i);
}

void Assembler::note_use(const Instruction& i) {
  auto note = [&](const Operand& o) {
    if (o.kind == Operand::Kind::value) written_.insert(o.place);
    for (const auto& element : o.elements)
      if (element.kind == Operand::Kind::value) written_.insert(element.place);
  };
  for (size_t k = 0; k < i.operands.size(); k++)
    if (is_result(i, k)) note(i.operands[k]);
}

void Assembler::resolve_jumps() {
  auto find_label = [&](const Jump& jump, const std::string& label) {
    const int* target = find(&Scope::labels, label, jump.scope);
    if (!target) mistake("unknown label " + label);
    return target ? *target : 0;
  };
  if (program_.mistakes.empty()) {  // else indices are off
    for (const auto& jump : jumps_)
      program_.code[jump.instruction].target = find_label(jump, jump.label);
    for (const auto& jump : table_jumps_) {
      const auto* table = find(&Scope::tables, jump.label, jump.scope);
      if (!table) mistake("unknown table " + jump.label);
      for (const auto& label : table ? *table : std::vector<std::string>())
        program_.code[jump.instruction].targets.push_back(find_label(jump, label));
    }
  }
  jumps_.clear();
  table_jumps_.clear();
}

void Assembler::finish() {
  program_.registers.assign(align_up(end_, 64), 0xff);
  for (const auto& [key, place] : constants_) {
    const auto [value, width] = key;
    for (int lane = 0; lane < warp_size; lane++) {
      uint8_t* at = &program_.registers[place + lane * width];
      std::memset(at, 0, width);
      std::memcpy(at, &value, std::min(width, 8));
    }
  }
  // A register that no instruction writes has no value. Packing (mov) may leave parts undefined.
  for (auto& i : program_.code) {
    auto check = [&](const Operand& o) {
      const auto name = register_names_.find(o.place);
      if (o.kind != Operand::Kind::value && o.kind != Operand::Kind::address) return;
      if (name == register_names_.end() || written_.count(o.place)) return;
      i.control = Control::unwritten;
      i.unwritten = name->second;
    };
    if (i.opcode() == "mov" || i.control == Control::call) continue;
    for (const auto& o : i.operands) {
      check(o);
      for (const auto& element : o.elements) check(element);
    }
    const auto name = register_names_.find(i.predicate);
    if (i.predicated && name != register_names_.end() && !written_.count(i.predicate)) {
      i.control = Control::unwritten;
      i.predicated = false;
      i.unwritten = name->second;
    }
  }
}

}  // namespace emulator
