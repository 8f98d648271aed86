#pragma once
#include <stdexcept>
#include <string>

namespace aa {

// What a device can say went wrong; becomes InpaintError in lib/errors.ts.
struct Error : std::runtime_error {
  Error(const char* code, std::string op, const std::string& message)
      : std::runtime_error(message), code(code), op(std::move(op)) {}
  const char* code;
  std::string op;
};

// Turns whatever an operation threw into an Error that names the operation. Call inside a catch
// block.
Error current_error(const char* op);

}  // namespace aa
