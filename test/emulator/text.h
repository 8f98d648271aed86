// Pieces of PTX text: words, lists, types, literals, declarations.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "instruction.h"

namespace emulator {

std::string trim(std::string_view text);
bool starts_with(std::string_view text, std::string_view start);

// Splits at separators that are in no bracket; pieces come trimmed.
std::vector<std::string> split_list(std::string_view text, char separator = ',');

// "ld.global.f32" is ld, global, f32.
std::vector<std::string> split_opcode(std::string_view text);

// With comments replaced by white space; lines stay where they are.
std::string without_comments(std::string_view text);

// Bytes of a type such as f32, 0 if there is none of the name.
int type_width(std::string_view type);

// A number, its bits as a value of the type.
std::optional<uint64_t> parse_literal(const std::string& text, std::string_view type);

// ".shared .align 4 .b8 name[16] = {...}".
std::optional<Variable> parse_declaration(std::string_view text);

// Its words between spaces.
std::vector<std::string> words(std::string_view text);

}  // namespace emulator
