#include "report.h"

namespace emulator {

namespace {

std::string triple(uint32_t x, uint32_t y, uint32_t z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string describe(const Warp& warp, const Instruction& i, int lane, const std::string& what) {
  const Block& b = *warp.block;
  const uint32_t thread = warp.index * warp_size + lane;
  return what + "\n    kernel " + b.launch.program.shown_name + ", block " +
         triple(b.position.x, b.position.y, b.position.z) + ", thread " +
         triple(thread % b.size.x, thread / b.size.x % b.size.y, thread / (b.size.x * b.size.y)) +
         "\n    " + describe_line(b.launch.program, i) + ": " + i.text.substr(0, 160);
}

}  // namespace

std::string describe_line(const Program& program, const Instruction& i) {
  std::string text;
  if (i.source_line > 0) {
    const auto file = static_cast<size_t>(i.source_file);
    text = (file < program.files.size() ? program.files[file] : "source") + " line " +
           std::to_string(i.source_line) + ", ";
  }
  return text + "PTX line " + std::to_string(i.line);
}

void fail(const Warp& warp, const Instruction& i, int lane, Fault::Kind kind,
          const std::string& what) {
  throw Failure{{kind, describe(warp, i, lane, what)}};
}

void report(const Warp& warp, const Instruction& i, int lane, Fault::Kind kind,
            const std::string& what) {
  constexpr size_t most = 20;
  Launch& launch = warp.block->launch;
  const std::string place = std::to_string(static_cast<int>(kind)) + "@" + std::to_string(i.index);
  std::lock_guard lock(launch.mutex);
  if (launch.reported[place]++ > 0 || launch.reported.size() > most) return;
  Fault& fault = launch.fault;
  if (fault.kind == Fault::Kind::none) fault.kind = kind;
  if (!fault.text.empty()) fault.text += "\n";
  fault.text += describe(warp, i, lane, what);
}

}  // namespace emulator
