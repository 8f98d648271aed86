// Operands: registers, constants, special registers, addresses, lists.
#include "body.h"
#include "decode.h"
#include "special.h"
#include "text.h"

namespace emulator {

uint32_t Assembler::constant(uint64_t value, int width) {
  if (width < 8) value &= (uint64_t{1} << (8 * width)) - 1;
  const auto [entry, added] = constants_.try_emplace({value, width}, 0);
  if (added) entry->second = new_place(width);
  return entry->second;
}

Operand Assembler::immediate(uint64_t value, int width, Space space) {
  Operand o;
  o.kind = Operand::Kind::value;
  o.width = static_cast<uint8_t>(width);
  o.space = space;
  o.place = constant(value, width);
  o.literal = value;
  return o;
}

Operand Assembler::special(const std::string& name) {
  Operand o;
  o.kind = Operand::Kind::value;
  o.width = static_cast<uint8_t>(special_width(name));
  for (const auto& known : program_.special)
    if (known.name == name) return o.place = known.place, o;
  o.place = new_place(o.width);
  program_.special.push_back({name, o.width, o.place});
  return o;
}

bool Assembler::variable_address(const std::string& name, Space& space, uint64_t& value) const {
  if (const uint64_t* offset = find(&Scope::locals, name)) {
    space = Space::local;
    value = *offset;
  } else if (auto parameter = parameters_.find(name); parameter != parameters_.end()) {
    space = Space::parameter;
    value = parameter->second;
  } else if (auto shared = shared_.find(name); shared != shared_.end()) {
    space = Space::shared;
    value = shared->second;
  } else if (auto global = globals_.find(name); global != globals_.end()) {
    space = Space::global;
    value = global->second.address;
  } else {
    return false;
  }
  return true;
}

// "name", "name+8" or "name[8]".
Operand Assembler::variable(const std::string& text, const std::string& type) {
  uint64_t displacement = 0;
  std::string name = text;
  if (const size_t at = name.find_first_of("+["); at != std::string::npos) {
    displacement = std::strtoull(name.c_str() + at + 1, nullptr, 0);
    name = trim(name.substr(0, at));
  }
  Space space;
  uint64_t value;
  if (variable_address(name, space, value)) {
    const int width = space != Space::global && type_width(type) == 4 ? 4 : 8;
    return immediate(value + displacement, width, space);
  }
  Operand o;
  o.kind = Operand::Kind::symbol;
  o.symbol = text;
  return o;
}

// "[register+displacement]", "[variable+displacement]", "[number]".
Operand Assembler::address(const std::string& text, const std::string& type) {
  const std::string inner = trim(text.substr(1, text.rfind(']') - 1));
  const size_t at = inner.find_first_of("+-", 1);
  const std::string base = trim(inner.substr(0, at));
  Operand o;
  if (const Register* r = find(&Scope::registers, base)) {
    o.place = r->place;
    o.width = r->width;
    if (at != std::string::npos)
      o.displacement = std::strtoll(inner.c_str() + at + (inner[at] == '+'), nullptr, 0);
  } else if (auto number = parse_literal(inner, "u64")) {
    o = immediate(*number, 8);
  } else {
    o = variable(inner, type);
    if (o.kind == Operand::Kind::symbol) return o;
  }
  o.kind = Operand::Kind::address;
  return o;
}

Operand Assembler::operand(const std::string& text, const std::string& type) {
  Operand o;
  if (text.empty() || text == "_") return o;
  if (text[0] == '{') {
    o.kind = Operand::Kind::vector;
    for (const auto& element : split_list(text.substr(1, text.rfind('}') - 1)))
      o.elements.push_back(operand(element, type));
    return o;
  }
  if (text[0] == '[') return address(text, type);
  if (const size_t bar = text.find('|'); bar != std::string::npos) {  // "%r1|%p1"
    o.kind = Operand::Kind::vector;
    o.elements = {operand(trim(text.substr(0, bar)), type),
                  operand(trim(text.substr(bar + 1)), "pred")};
    return o;
  }
  const bool negated = text[0] == '!';
  const std::string name = negated ? trim(text.substr(1)) : text;
  if (const Register* r = find(&Scope::registers, name)) {
    o.kind = Operand::Kind::value;
    o.width = r->width;
    o.place = r->place;
    o.negated = negated;
    return o;
  }
  if (const auto number = parse_literal(name, type)) {
    const int width = type_width(type);
    return immediate(*number, width ? width : 4);
  }
  if (is_special_register(name)) return special(name);
  return variable(name, type);
}

}  // namespace emulator
