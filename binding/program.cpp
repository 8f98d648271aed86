#include "program.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <functional>
#include <map>
#include <string>

namespace aa {

namespace {

// Of tensors in the arena: a sector of a GPU's memory and more than a cache line.
constexpr size_t alignment = 256;
constexpr size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

using Steps = std::bitset<Program::most_steps>;

// An intermediate: its bytes, the step that writes it, and all steps that use it.
struct Life {
  size_t slot, bytes, first;
  Steps used;
};

// Gives every life a place so that those which overlap in time do not overlap in space: the largest
// first, each as low as possible. Returns where the last of them ends. before[i]: the steps that are
// over when step i begins.
size_t plan(std::vector<Life> lives, const std::vector<Steps>& before,
            const std::function<void(size_t slot, size_t place)>& set) {
  const auto precedes = [&](const Life& a, const Life& b) {
    return (a.used & ~before[b.first]).none();
  };
  struct Placed {
    Life life;
    size_t place;
  };
  std::stable_sort(lives.begin(), lives.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  std::vector<Placed> placed;  // by place
  size_t end = 0;
  for (const Life& life : lives) {
    size_t place = 0;
    for (const Placed& other : placed) {
      if (precedes(other.life, life) || precedes(life, other.life)) continue;
      if (place + life.bytes <= other.place) break;
      place = std::max(place, other.place + other.life.bytes);
    }
    const auto after = std::upper_bound(placed.begin(), placed.end(), place,
                                        [](size_t at, const Placed& it) { return at < it.place; });
    placed.insert(after, {life, place});
    set(life.slot, place);
    end = std::max(end, place + life.bytes);
  }
  return end;
}

}  // namespace

void Recorder::add(const char* op, const Recorded& at, const Recorded& shifted,
                   std::vector<TensorInfo> tensors, size_t first_output) {
  Step step{op, at, std::move(tensors), first_output, {}};
  const auto word = [](const Recorded& of, size_t i) {
    uintptr_t value;
    std::memcpy(&value, &of.parameters[i], sizeof value);
    return value;
  };
  // A pointer is what differs by a tensor's shift and points into that tensor; bytes between
  // members may differ by anything.
  for (size_t i = 0; i + sizeof(uintptr_t) <= at.parameters.size(); i += sizeof(uintptr_t)) {
    const uintptr_t here = word(at, i), difference = word(shifted, i) - here;
    const size_t tensor = ((difference & ~direct) >> 48) - 1;
    if (difference == 0 || difference << 16 != 0 || tensor >= step.tensors.size()) continue;
    const TensorInfo& info = step.tensors[tensor];
    const uintptr_t offset = here - reinterpret_cast<uintptr_t>(info.data);
    if (offset < info.bytes)
      step.pointers.push_back({i, tensor, offset, (difference & direct) != 0});
  }
  steps_.push_back(std::move(step));
}

std::shared_ptr<const Program> Recorder::finish(std::vector<TensorInfo> inputs,
                                                std::vector<TensorInfo> constants,
                                                std::vector<TensorInfo> outputs,
                                                bool branches) const {
  if (steps_.size() > Program::most_steps) {
    throw Error("ERR_DEVICE", "record",
                "expected at most " + std::to_string(Program::most_steps) + " operations, got " +
                    std::to_string(steps_.size()));
  }
  auto program = std::make_shared<Program>();
  std::map<uint64_t, size_t> slots;  // by serial
  const auto name = [&](const std::vector<TensorInfo>& list, Program::Slot::Kind kind) {
    for (size_t i = 0; i < list.size(); ++i) {
      slots.try_emplace(list[i].serial, program->slots_.size());
      program->slots_.push_back({kind, i, list[i].bytes});
    }
  };
  using Kind = Program::Slot::Kind;
  name(inputs, Kind::input);
  name(constants, Kind::constant);
  for (const TensorInfo& it : constants) program->constants_.push_back(it.data);
  name(outputs, Kind::output);

  // Of one operation's few launches none is worth a table.
  const bool has_table = branches && steps_.size() > 1;
  std::map<std::pair<size_t, size_t>, size_t> entries;  // of the table, by slot and offset
  std::map<size_t, Life> lives;                         // of intermediates, by slot
  std::map<size_t, size_t> writers;                     // steps, by slot
  std::vector<Steps> before(steps_.size());
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& from = steps_[i];
    Steps direct;  // the writers of what it reads
    Program::Step step{from.op,
                       from.recorded.run,
                       from.recorded.function,
                       round_up(program->parameters_.size(), alignof(std::max_align_t)),
                       {},
                       {}};
    std::vector<size_t> own;  // the slots of its tensors
    for (size_t j = 0; j < from.tensors.size(); ++j) {
      const TensorInfo& info = from.tensors[j];
      if (info.serial == 0) {  // an optional input that is absent
        own.push_back(SIZE_MAX);
        continue;
      }
      auto found = slots.find(info.serial);
      if (j >= from.first_output) {
        if (found == slots.end()) {
          found = slots.emplace(info.serial, program->slots_.size()).first;
          program->slots_.push_back({Kind::intermediate, 0, info.bytes});
          lives[found->second] = {found->second, round_up(info.bytes, alignment), i, {}};
        }
        step.outputs.push_back(found->second);
        writers[found->second] = i;
      } else if (found == slots.end()) {
        throw Error("ERR_DEVICE", from.op, "expected tensors that the program makes or is given");
      } else if (auto writer = writers.find(found->second); writer != writers.end()) {
        direct.set(writer->second);
      }
      own.push_back(found->second);
      if (auto life = lives.find(found->second); life != lives.end()) life->second.used.set(i);
    }
    // From the last on, so that those which a later one waits for are met before.
    for (size_t j = i; j-- > 0;) {
      if (!branches) {
        before[i].set(j);
      } else if (direct[j] && !before[i][j]) {
        step.after.push_back(j);
        before[i] |= before[j];
        before[i].set(j);
      }
    }
    program->parameters_.resize(step.parameters);
    program->parameters_.insert(program->parameters_.end(), from.recorded.parameters.begin(),
                                from.recorded.parameters.end());
    for (const Pointer& it : from.pointers) {
      const Program::Entry entry{own[it.tensor], it.offset};
      const auto kind = program->slots_[entry.slot].kind;
      size_t place = Program::direct;
      if (has_table && !it.direct && (kind == Kind::input || kind == Kind::output)) {
        auto known = entries.find({entry.slot, entry.offset});
        if (known == entries.end() && entries.size() < most_indirect) {
          known = entries.emplace(std::pair(entry.slot, entry.offset), entries.size()).first;
          program->table_.push_back(entry);
        }
        if (known != entries.end()) place = known->second;
      }
      program->pointers_.push_back({step.parameters + it.at, entry.slot, entry.offset, place});
    }
    program->steps_.push_back(std::move(step));
  }
  std::vector<Life> all;
  for (const auto& [slot, life] : lives) all.push_back(life);
  program->arena_ =
      plan(all, before, [&](size_t slot, size_t place) { program->slots_[slot].place = place; });
  program->inputs_ = std::move(inputs);
  program->outputs_ = std::move(outputs);
  return program;
}

Lanes::Turn Lanes::add(double ready, size_t operations) {
  const auto begin = [&](int lane) { return std::max(ends_[lane], ready); };
  int lane = 0;
  for (int i = 1; i < count_; ++i) {
    // Of lanes that are equally good, the one whose last program is over last: it is that one which
    // has been waited for.
    if (begin(i) < begin(lane) || (begin(i) == begin(lane) && ends_[i] > ends_[lane])) lane = i;
  }
  ends_[lane] = begin(lane) + double(operations);
  return {lane, ends_[lane]};
}

void Program::play(std::shared_ptr<const Program> program, Device& device, int lane,
                   std::vector<void*> inputs, std::vector<void*> outputs) {
  char* arena = program->arena_ ? static_cast<char*>(device.arena(lane, program->arena_)) : nullptr;
  if (device.idle) return device.stream().push({"program", [] {}, nullptr});
  auto run = [program = std::move(program), &device, lane, arena, inputs = std::move(inputs),
              outputs = std::move(outputs)] { program->run(device, lane, arena, inputs, outputs); };
  device.stream().push({"program", std::move(run), nullptr});
}

void Program::run(Device& device, int lane, char* arena, const std::vector<void*>& inputs,
                  const std::vector<void*>& outputs) const {
  std::vector<char*> places;  // of the slots
  std::vector<Use> uses;
  for (const Slot& slot : slots_) {
    switch (slot.kind) {
      case Slot::input:
        places.push_back(static_cast<char*>(inputs[slot.place]));
        break;
      case Slot::output:
        places.push_back(static_cast<char*>(outputs[slot.place]));
        break;
      case Slot::constant:
        places.push_back(const_cast<char*>(constants_[slot.place]));
        break;
      case Slot::intermediate:
        places.push_back(arena + slot.place);
        continue;  // the arena is used as a whole
    }
    const char* place = places.back();
    uses.push_back({place, place + slot.bytes, slot.kind == Slot::output});
  }
  if (arena) uses.push_back({arena, arena + arena_, true});
  std::vector<const char*> table;
  for (const Entry& it : table_) table.push_back(places[it.slot] + it.offset);
  char* const indirect = device.program_begins(lane, uses, table);
  Words words(round_up(parameters_.size(), sizeof(Words::value_type)) / sizeof(Words::value_type));
  auto* parameters = reinterpret_cast<std::byte*>(words.data());
  std::memcpy(parameters, parameters_.data(), parameters_.size());
  for (const Pointer& it : pointers_) {
    const char* value = places[it.slot] + it.offset;
    if (indirect && it.entry != direct) value = indirect + it.entry * sizeof value;
    std::memcpy(parameters + it.at, &value, sizeof value);
  }
  for (const Step& step : steps_) {
    if (device.stream().stopping()) return;
    try {
      if (device.poisoning)
        for (size_t slot : step.outputs) device.poison(places[slot], slots_[slot].bytes);
      step.run(step.function, device.context(), parameters + step.parameters);
    } catch (...) {
      throw current_error(step.op);
    }
    device.step_ends(step.op, step.after);
  }
  device.program_ends();
}

}  // namespace aa
