#include "parser.h"

#include <cctype>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "text.h"

namespace emulator {

namespace {

class Reader {
 public:
  explicit Reader(const std::string& ptx) : text_(without_comments(ptx)) {}

  ModuleText read() {
    while (skip_space(), at_ < text_.size()) read_declaration();
    return std::move(module_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("PTX line " + std::to_string(line_) + ": " + what);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char take() {
    if (at_ >= text_.size()) fail("the text ends too early");
    if (text_[at_] == '\n') line_++;
    return text_[at_++];
  }
  void skip_space() {
    while (std::isspace(static_cast<unsigned char>(peek()))) take();
  }
  void take_quoted(std::string& to) {  // with the first quote taken
    while (peek() != '"') to += take();
    to += take();
  }
  std::string take_line() {
    std::string line;
    while (at_ < text_.size() && peek() != '\n') line += take();
    return line;
  }

  // ".file 1 "a.cu"" and ".version 9.0" end with the line.
  bool read_line_directive() {
    for (const char* name : {".version", ".target", ".address_size"}) {
      if (text_.compare(at_, std::strlen(name), name) == 0) return take_line(), true;
    }
    if (text_.compare(at_, 5, ".file") != 0) return false;
    const std::string line = take_line();
    const size_t number = std::strtoul(line.c_str() + 5, nullptr, 10);
    const size_t begin = line.find('"'), end = line.find('"', begin + 1);
    if (end == std::string::npos) return true;
    if (module_.files.size() <= number) module_.files.resize(number + 1);
    const std::string path = line.substr(begin + 1, end - begin - 1);
    module_.files[number] = path.substr(path.rfind('/') + 1);
    return true;
  }

  void read_declaration() {
    if (read_line_directive()) return;
    std::string head;
    bool initialised = false;
    int depth = 0;
    while (true) {
      const char c = peek();
      if (c == '\0') fail("the text ends within: " + trim(head).substr(0, 80));
      if (c == ';' && depth == 0) break;
      if (c == '{' && !initialised) break;
      if (c == '=') initialised = true;
      if (std::strchr("([{", c)) depth++;
      if (std::strchr(")]}", c)) depth--;
      head += take();
      if (c == '"') take_quoted(head);
    }
    head = trim(head);
    const bool is_kernel = head.find(".entry") != std::string::npos;
    const bool has_body = peek() == '{';
    if (is_kernel || head.find(".func") != std::string::npos) {
      FunctionText function = read_head(head, is_kernel);
      take();
      if (!has_body) return;
      read_body(function);
      module_.functions.push_back(std::move(function));
    } else if (has_body) {  // .section of debug information
      int braces = 0;
      do {
        const char c = take();
        braces += c == '{' ? 1 : c == '}' ? -1 : 0;
      } while (braces > 0);
    } else {
      take();
      if (head.empty() || starts_with(head, ".pragma") || starts_with(head, ".alias")) return;
      auto variable = parse_declaration(head);
      if (!variable) fail("not understood: " + head.substr(0, 80));
      module_.variables.push_back(std::move(*variable));
    }
  }

  std::vector<Variable> read_parameters(const std::string& list) {
    std::vector<Variable> parameters;
    for (const auto& text : split_list(list)) {
      auto parameter = parse_declaration(text);
      if (!parameter) fail("not understood: " + text);
      parameters.push_back(std::move(*parameter));
    }
    return parameters;
  }

  // ".visible .entry name(parameters) .maxntid 128, 1, 1" or ".func (results) name(parameters)".
  FunctionText read_head(const std::string& head, bool is_kernel) {
    FunctionText function;
    function.is_kernel = is_kernel;
    const char* keyword = is_kernel ? ".entry" : ".func";
    std::string rest = trim(head.substr(head.find(keyword) + std::strlen(keyword)));
    if (rest[0] == '(') {
      const size_t end = rest.find(')');
      function.results = read_parameters(rest.substr(1, end - 1));
      rest = trim(rest.substr(end + 1));
    }
    function.name = rest.substr(0, rest.find_first_of(" \t\n("));
    rest = trim(rest.substr(function.name.size()));
    if (!rest.empty() && rest[0] == '(') {
      const size_t end = rest.find(')');
      function.parameters = read_parameters(rest.substr(1, end - 1));
      rest = rest.substr(end + 1);
    }
    if (const size_t found = rest.find(".maxntid"); found != std::string::npos) {
      int x = 1, y = 1, z = 1;
      std::sscanf(rest.c_str() + found + 8, "%d , %d , %d", &x, &y, &z);
      function.thread_limit = x * y * z;
    }
    return function;
  }

  static bool is_label(const std::string& text) {
    for (char c : text)
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '$') return false;
    return !text.empty();
  }

  void read_body(FunctionText& function) {
    std::string text;
    int line = line_;
    auto finish = [&](const std::string& end = "") {
      std::string statement = trim(text);
      for (char& c : statement)
        if (std::isspace(static_cast<unsigned char>(c))) c = ' ';
      if (!statement.empty()) function.body.push_back({statement + end, line});
      text.clear();
    };
    for (int depth = 1;;) {
      if (text.empty()) {
        skip_space();
        line = line_;
      }
      const char c = take();
      if (c == '"') {
        text += c;
        take_quoted(text);
      } else if (c == '{' && text.empty()) {
        depth++;
        function.body.push_back({"{", line});
      } else if (c == '{') {  // a list of operands
        text += c;
        while (peek() != '}') text += take();
        text += take();
      } else if (c == '}') {
        finish();
        if (--depth == 0) return;
        function.body.push_back({"}", line});
      } else if (c == ';') {
        finish();
      } else if (c == ':' && peek() != ':' && is_label(trim(text))) {
        finish(":");
      } else if (c == '\n' && (starts_with(text, ".loc ") || starts_with(text, ".loc\t"))) {
        finish();
      } else {
        text += c;
      }
    }
  }

  std::string text_;
  size_t at_ = 0;
  int line_ = 1;
  ModuleText module_;
};

}  // namespace

ModuleText read_module(const std::string& ptx) { return Reader(ptx).read(); }

}  // namespace emulator
