// Special registers: where a thread is.
#pragma once
#include <string>

namespace emulator {

struct Warp;

bool is_special_register(const std::string& name);
int special_width(const std::string& name);

// Writes those that the program uses into the warp's register file.
void set_special_registers(Warp& warp);

}  // namespace emulator
