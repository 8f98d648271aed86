#include "text.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "small_float.h"

namespace emulator {

namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)); }
bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}

std::optional<uint64_t> parse_float(const std::string& text, std::string_view type) {
  double value;
  char* end;
  if (starts_with(text, "0f") || starts_with(text, "0F")) {
    const uint32_t bits = std::strtoul(text.c_str() + 2, &end, 16);
    if (*end) return {};
    float x;
    std::memcpy(&x, &bits, sizeof x);
    value = x;
    if (type == "f32" || type_width(type) == 4) return bits;
  } else if (starts_with(text, "0d") || starts_with(text, "0D")) {
    const uint64_t bits = std::strtoull(text.c_str() + 2, &end, 16);
    if (*end) return {};
    if (type_width(type) == 8) return bits;
    std::memcpy(&value, &bits, sizeof value);
  } else {
    value = std::strtod(text.c_str(), &end);
    if (*end) return {};
  }
  uint64_t result = 0;
  if (type == "f64" || type_width(type) == 8) {
    std::memcpy(&result, &value, sizeof value);
  } else if (type == "f16" || type_width(type) == 2) {
    result = to_half(value);
  } else {
    const float x = static_cast<float>(value);
    std::memcpy(&result, &x, sizeof x);
  }
  return result;
}

}  // namespace

std::string trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if (std::strchr("[{(", text[i])) depth++;
    if (std::strchr("]})", text[i])) depth--;
    if (text[i] == separator && depth == 0) {
      pieces.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  std::string last = trim(text.substr(begin));
  if (!last.empty()) pieces.push_back(std::move(last));
  return pieces;
}

std::vector<std::string> split_opcode(std::string_view text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string without_comments(std::string_view text) {
  std::string result(text);
  for (size_t i = 0; i + 1 < text.size(); i++) {
    if (text[i] != '/') continue;
    size_t end;
    if (text[i + 1] == '/') {
      end = text.find('\n', i);
    } else if (text[i + 1] == '*') {
      end = text.find("*/", i + 2);
      if (end != std::string_view::npos) end += 2;
    } else {
      continue;
    }
    if (end == std::string_view::npos) end = text.size();
    for (; i < end; i++)
      if (result[i] != '\n') result[i] = ' ';
    i--;
  }
  return result;
}

int type_width(std::string_view type) {
  if (type == "pred" || type == "u8" || type == "s8" || type == "b8") return 1;
  if (type == "u16" || type == "s16" || type == "b16" || type == "f16") return 2;
  if (type == "u32" || type == "s32" || type == "b32" || type == "f32" || type == "f16x2") return 4;
  if (type == "u64" || type == "s64" || type == "b64" || type == "f64") return 8;
  if (type == "b128") return 16;
  return 0;
}

std::optional<uint64_t> parse_literal(const std::string& text, std::string_view type) {
  std::string number = text;
  const bool minus = !number.empty() && number[0] == '-';
  if (minus) number = trim(number.substr(1));
  if (number.empty() || !std::isdigit(static_cast<unsigned char>(number[0]))) return {};
  const bool exact = number.size() > 2 && number[0] == '0' && std::strchr("fFdD", number[1]);
  const bool hexadecimal = starts_with(number, "0x") || starts_with(number, "0X");
  const bool real = !hexadecimal && number.find_first_of(".eE") != std::string::npos;
  if (exact || real || (!type.empty() && type[0] == 'f' && !hexadecimal))
    return parse_float(exact ? number : (minus ? "-" : "") + number, type);
  char* end;
  uint64_t value;
  if (starts_with(number, "0b") || starts_with(number, "0B")) {
    value = std::strtoull(number.c_str() + 2, &end, 2);
  } else {
    value = std::strtoull(number.c_str(), &end, 0);
  }
  if (*end == 'U') end++;
  if (*end) return {};
  return minus ? 0 - value : value;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && !is_space(text[end])) end++;
    if (end > i) result.emplace_back(text.substr(i, end - i));
    i = end + 1;
  }
  return result;
}

std::optional<Variable> parse_declaration(std::string_view text) {
  Variable v;
  int width = 0;
  bool placed = false, pointer = false;
  size_t i = 0;
  auto skip = [&] {
    while (i < text.size() && is_space(text[i])) i++;
  };
  auto word = [&] {
    const size_t begin = i;
    while (i < text.size() && (is_name(text[i]) || text[i] == ':')) i++;
    return text.substr(begin, i - begin);
  };
  for (skip(); i < text.size() && text[i] == '.'; skip()) {
    i++;
    const std::string_view attribute = word();
    if (attribute == "align") {
      skip();
      const uint64_t align = std::strtoull(std::string(word()).c_str(), nullptr, 0);
      if (!pointer) v.align = align;
    } else if (attribute == "ptr") {
      pointer = true;  // what follows is of what it points to
    } else if (attribute == "shared" || attribute == "global" || attribute == "const" ||
               attribute == "local" || attribute == "param") {
      if (pointer) continue;
      placed = true;
      v.space = attribute == "shared"   ? Space::shared
                : attribute == "global" ? Space::global
                : attribute == "const"  ? Space::constant
                : attribute == "local"  ? Space::local
                                        : Space::parameter;
    } else if (attribute == "extern") {
      v.declared_extern = true;
    } else if (type_width(attribute)) {
      width = type_width(attribute);
      v.type = attribute;
    } else if (attribute == "v2" || attribute == "v4" || attribute == "maxntid") {
      return {};
    }
  }
  if (!placed || !width) return {};
  v.name = word();
  v.size = width;
  if (v.align < static_cast<uint64_t>(width)) v.align = width;
  for (skip(); i < text.size() && text[i] == '['; skip()) {
    const size_t end = text.find(']', i);
    if (end == std::string_view::npos) return {};
    v.size *= std::strtoull(std::string(text.substr(i + 1, end - i - 1)).c_str(), nullptr, 0);
    i = end + 1;
  }
  if (i < text.size() && text[i] == '=') v.initial = trim(text.substr(i + 1));
  return v.name.empty() ? std::nullopt : std::optional(v);
}

}  // namespace emulator
