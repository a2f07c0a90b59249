#include "profiling/stack_walker.h"

#include <cstring>

#include "profiling/byte_reader.h"

namespace tessera {
namespace {

using How = RegisterRule::How;

constexpr std::size_t kRulesMax = 100'000;
constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kScanMax = 1024;  // words

/// Computes a DWARF expression over registers and the copied stack.
class Expression {
 public:
  Expression(const CapturedStack& stack, const std::uint64_t* registers)
      : stack_(stack), registers_(registers) {}

  void Push(std::uint64_t value) {
    if (size_ == kDepthMax) {
      ok_ = false;
    } else {
      values_[size_++] = value;
    }
  }
  std::optional<std::uint64_t> Compute(std::string_view text) {
    ByteReader in(text);
    while (!in.empty() && ok_) Step(in);
    if (!ok_ || !in.ok() || size_ == 0) return std::nullopt;
    return values_[size_ - 1];
  }

 private:
  std::uint64_t Pop() {
    if (size_ == 0) {
      ok_ = false;
      return 0;
    }
    return values_[--size_];
  }

  void Step(ByteReader& in) {
    const std::uint8_t code = in.Fixed<std::uint8_t>();
    if (code >= 0x30 && code <= 0x4f) return Push(code - 0x30u);  // DW_OP_lit0…
    if (code >= 0x70 && code <= 0x8f) {                           // DW_OP_breg0…
      const std::size_t number = code - 0x70u;
      const std::int64_t offset = in.Signed();
      if (number >= kFrameRegisters) {
        ok_ = false;
        return;
      }
      return Push(registers_[number] + static_cast<std::uint64_t>(offset));
    }
    if (code >= 0x08 && code <= 0x11) return Constant(code, in);
    Operate(code, in);
  }

  void Constant(std::uint8_t code, ByteReader& in) {
    const auto of_signed = [this](std::int64_t value) { Push(static_cast<std::uint64_t>(value)); };
    switch (code) {
      case 0x08:
        return Push(in.Fixed<std::uint8_t>());
      case 0x09:
        return of_signed(in.Fixed<std::int8_t>());
      case 0x0a:
        return Push(in.Fixed<std::uint16_t>());
      case 0x0b:
        return of_signed(in.Fixed<std::int16_t>());
      case 0x0c:
        return Push(in.Fixed<std::uint32_t>());
      case 0x0d:
        return of_signed(in.Fixed<std::int32_t>());
      case 0x10:
        return Push(in.Unsigned());
      case 0x11:
        return of_signed(in.Signed());
      default:
        return Push(in.Fixed<std::uint64_t>());
    }
  }

  void Operate(std::uint8_t code, ByteReader& in) {
    std::uint64_t value = 0;
    const std::uint64_t last = Pop();
    if (code == 0x06) {  // DW_OP_deref
      ok_ = ok_ && stack_.Read(last, &value);
      return Push(value);
    }
    if (code == 0x12) {  // DW_OP_dup
      Push(last);
      return Push(last);
    }
    if (code == 0x13) return;                             // DW_OP_drop
    if (code == 0x23) return Push(last + in.Unsigned());  // DW_OP_plus_uconst
    const std::uint64_t first = Pop();
    const auto a = static_cast<std::int64_t>(first), b = static_cast<std::int64_t>(last);
    switch (code) {
      case 0x1a:
        return Push(first & last);
      case 0x1c:
        return Push(first - last);
      case 0x1e:
        return Push(first * last);
      case 0x21:
        return Push(first | last);
      case 0x22:
        return Push(first + last);
      case 0x24:
        return Push(last < 64 ? first << last : 0);
      case 0x2a:
        return Push(a >= b);
      case 0x2b:
        return Push(a > b);
      case 0x2c:
        return Push(a <= b);
      case 0x2d:
        return Push(a < b);
      default:
        ok_ = false;
    }
  }

  const CapturedStack& stack_;
  const std::uint64_t* const registers_;
  std::uint64_t values_[kDepthMax] = {};
  std::size_t size_ = 0;
  bool ok_ = true;
};

// Code without rules: most keeps the frame pointer.
bool UpByFramePointer(const CapturedStack& stack, std::uint64_t* registers) {
  const std::uint64_t frame = registers[kFpRegister];
  std::uint64_t fp = 0, pc = 0;
  if (frame < registers[kSpRegister] || frame % 8 != 0 || !stack.Read(frame, &fp) ||
      !stack.Read(frame + 8, &pc))
    return false;
  registers[kFpRegister] = fp;
  registers[kPcRegister] = pc;
  registers[kSpRegister] = frame + 16;
  return true;
}

// By what stands before it: a call of an address, or through a register or memory. `pc` is code of
// a module that is loaded.
bool FollowsCall(std::uint64_t pc) {
  std::uint8_t before[7];
  std::memcpy(before, reinterpret_cast<const void*>(pc - sizeof(before)), sizeof(before));
  const auto through = [&before](std::size_t size) {
    return before[7 - size] == 0xff && (before[8 - size] & 0x38) == 0x10;
  };
  return before[2] == 0xe8 || through(2) || through(3) || through(4) || through(6) || through(7);
}

}  // namespace

const FrameRules* StackWalker::RulesAt(std::uint64_t pc) {
  const auto known = rules_.find(pc);
  if (known != rules_.end()) return known->second ? &*known->second : nullptr;
  if (rules_.size() >= kRulesMax) rules_.clear();
  const LoadedModule* const module = modules_.Find(pc);
  auto rules = module == nullptr ? std::nullopt
                                 : FindFrameRules(module->unwind_index, module->unwind_size, pc);
  const auto at = rules_.emplace(pc, rules).first;
  return at->second ? &*at->second : nullptr;
}

bool StackWalker::Up(const CapturedStack& stack, const FrameRules& rules, Frame* frame) {
  std::uint64_t* const registers = frame->values;
  std::uint64_t base =
      registers[rules.base_register] + static_cast<std::uint64_t>(rules.base_offset);
  if (!rules.base_expression.empty()) {
    const auto computed = Expression(stack, registers).Compute(rules.base_expression);
    if (!computed) return false;
    base = *computed;
  }
  Frame next = *frame;
  for (std::size_t i = 0; i < kFrameRegisters; ++i) {
    const RegisterRule& rule = rules.registers[i];
    const std::uint64_t place = base + static_cast<std::uint64_t>(rule.offset);
    switch (rule.how) {
      case How::kSame:
        break;
      case How::kUndefined:
        next.values[i] = 0;
        break;
      case How::kAt:
        if (!stack.Read(place, &next.values[i]) && i == kPcRegister) return false;
        break;
      case How::kIs:
        next.values[i] = place;
        break;
      case How::kRegister:
        if (rule.offset < 0 || rule.offset >= static_cast<std::int64_t>(kFrameRegisters))
          return false;
        next.values[i] = registers[rule.offset];
        break;
      case How::kAtExpression:
      case How::kIsExpression: {
        Expression expression(stack, registers);
        expression.Push(base);
        const auto computed = expression.Compute(rule.expression);
        if (!computed) return false;
        next.values[i] = *computed;
        if (rule.how == How::kAtExpression && !stack.Read(*computed, &next.values[i])) return false;
        break;
      }
    }
  }
  // Of signals the rules say where the stack was before.
  if (rules.registers[kSpRegister].how == How::kSame) next.values[kSpRegister] = base;
  const bool onward = next.values[kSpRegister] > registers[kSpRegister] || rules.is_signal;
  *frame = next;
  return onward;
}

// Code that was made at run time says nothing of its frames, and uses every register: the next
// place on the stack that a call would have left is taken.
bool StackWalker::UpByScan(const CapturedStack& stack, Frame* frame) {
  std::uint64_t* const registers = frame->values;
  for (std::size_t i = 0; i < kScanMax; ++i) {
    const std::uint64_t place = registers[kSpRegister] + i * 8;
    std::uint64_t pc = 0;
    if (!stack.Read(place, &pc)) return false;
    const LoadedModule* const module = modules_.FindKnown(pc);
    if (module == nullptr || pc - module->start < 8 || !FollowsCall(pc)) continue;
    registers[kPcRegister] = pc;
    registers[kSpRegister] = place + 8;
    return true;
  }
  return false;
}

std::vector<std::uint64_t> StackWalker::Walk(const CapturedStack& stack, bool* whole) {
  Frame frame = {};
  frame.values[3] = stack.rbx;
  frame.values[kFpRegister] = stack.fp;
  frame.values[kSpRegister] = stack.sp;
  for (std::size_t i = 0; i < 4; ++i) frame.values[12 + i] = stack.r12_to_r15[i];
  frame.values[kPcRegister] = stack.pc;
  std::vector<std::uint64_t> calls;
  bool interrupted = true;
  *whole = false;
  while (calls.size() < kCallsMax) {
    // A return address may be past the end of the function that made the call.
    const std::uint64_t pc = frame.values[kPcRegister] - (interrupted ? 0 : 1);
    const FrameRules* const rules = RulesAt(pc);
    if (rules == nullptr && !calls.empty() && modules_.Find(pc) == nullptr) return calls;
    calls.push_back(pc);
    interrupted = rules != nullptr && rules->is_signal;
    const bool up = rules != nullptr               ? Up(stack, *rules, &frame)
                    : modules_.Find(pc) == nullptr ? UpByScan(stack, &frame)
                                                   : UpByFramePointer(stack, frame.values);
    if (!up) return calls;
    if (frame.values[kPcRegister] == 0) {
      *whole = true;
      return calls;
    }
  }
  return calls;
}

}  // namespace tessera
