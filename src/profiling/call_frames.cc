// Formats: DWARF 4, 6.4 and 7.23; .eh_frame and .eh_frame_hdr as the Linux Standard Base has them.
#include "profiling/call_frames.h"

#include <vector>

#include "profiling/byte_reader.h"

namespace tessera {
namespace {

using How = RegisterRule::How;

// Encodings of pointers (DW_EH_PE_…) that linkers write.
constexpr std::uint8_t kRelativeToPlace = 0x10;
constexpr std::uint8_t kRelativeToIndex = 0x30;
constexpr std::uint8_t kOmitted = 0xff;
constexpr std::uint8_t kSigned32 = 0x0b;
constexpr std::uint8_t kTableEncoding = kRelativeToIndex | kSigned32;
constexpr std::size_t kRemembered = 16;

/// What entries have in common (CIE).
struct CommonEntry {
  std::uint64_t code_step = 1;
  std::int64_t data_step = 1;
  std::uint8_t pointers = 0;
  bool is_signal = false;
  bool has_data = false;  // entries have a part of their own that is to be skipped
  std::string_view program;
};

// False: an encoding that is not expected here.
bool ReadPointer(ByteReader& in, std::uint8_t encoding, std::uint64_t* value) {
  const auto place = reinterpret_cast<std::uint64_t>(in.at());
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      *value = in.Fixed<std::uint64_t>();
      break;
    case 0x03:
      *value = in.Fixed<std::uint32_t>();
      break;
    case kSigned32:
      *value = static_cast<std::uint64_t>(std::int64_t{in.Fixed<std::int32_t>()});
      break;
    default:
      return false;
  }
  if ((encoding & 0x70) == kRelativeToPlace) *value += place;
  return in.ok() && ((encoding & 0x70) == 0 || (encoding & 0x70) == kRelativeToPlace);
}

// Whether `augmentation` was understood.
bool ReadAugmentation(std::string_view augmentation, ByteReader& in, CommonEntry* common) {
  if (augmentation.empty()) return true;
  if (augmentation.front() != 'z') return false;
  common->has_data = true;
  const std::uint64_t size = in.Unsigned();
  ByteReader data(in.Bytes(size));
  for (const char part : augmentation.substr(1)) {
    std::uint64_t ignored = 0;
    switch (part) {
      case 'R':
        common->pointers = data.Fixed<std::uint8_t>();
        break;
      case 'P': {
        // Only its size matters, whatever it is relative to.
        const std::uint8_t encoding = data.Fixed<std::uint8_t>();
        if (encoding != kOmitted && !ReadPointer(data, encoding & 0x0f, &ignored)) return false;
        break;
      }
      case 'L':
        data.Skip(1);
        break;
      case 'S':
        common->is_signal = true;
        break;
      case 'B':
        break;
      default:
        return false;
    }
  }
  return data.ok();
}

bool ReadCommon(FrameSection section, const std::uint8_t* at, CommonEntry* common) {
  if (at < section.start || at >= section.end) return false;
  ByteReader in(at, section.end);
  const std::uint32_t size = in.Fixed<std::uint32_t>();
  if (size == 0xffffffff) return false;
  ByteReader entry(in.Bytes(size));
  if (entry.Fixed<std::uint32_t>() != 0) return false;
  const std::uint8_t version = entry.Fixed<std::uint8_t>();
  if (version != 1 && version != 3) return false;
  const std::string_view augmentation = entry.Text();
  common->code_step = entry.Unsigned();
  common->data_step = entry.Signed();
  const std::uint64_t return_register =
      version == 1 ? entry.Fixed<std::uint8_t>() : entry.Unsigned();
  if (return_register != kPcRegister || !ReadAugmentation(augmentation, entry, common))
    return false;
  common->program = entry.Rest();
  return entry.ok();
}

/// Runs the rules' programs up to a place.
class RuleProgram {
 public:
  RuleProgram(const CommonEntry& common, std::uint64_t start, std::uint64_t pc)
      : common_(common), at_(start), pc_(pc) {
    rules_.is_signal = common.is_signal;
    rules_.registers[kPcRegister].how = How::kUndefined;
  }

  bool Run(std::string_view program) {
    ByteReader in(program);
    while (!in.empty() && at_ <= pc_) {
      if (!Step(in) || !in.ok()) return false;
    }
    return true;
  }
  void KeepInitial() { initial_ = rules_.registers; }
  const FrameRules& rules() const { return rules_; }

 private:
  void Advance(std::uint64_t steps) { at_ += steps * common_.code_step; }
  void Set(std::uint64_t number, RegisterRule rule) {
    if (number < kFrameRegisters) rules_.registers[number] = rule;
  }
  std::int64_t Scaled(std::uint64_t value) const {
    return static_cast<std::int64_t>(value) * common_.data_step;
  }
  bool SetBase(std::uint64_t number, std::int64_t offset) {
    rules_.base_register = number;
    rules_.base_offset = offset;
    rules_.base_expression = {};
    return number < kFrameRegisters;
  }
  void Restore(std::uint64_t number) {
    if (number < kFrameRegisters) rules_.registers[number] = initial_[number];
  }
  bool Step(ByteReader& in);
  bool StepOfBase(std::uint8_t code, ByteReader& in);
  bool StepOfRegister(std::uint8_t code, ByteReader& in);

  const CommonEntry& common_;
  std::uint64_t at_;
  const std::uint64_t pc_;
  FrameRules rules_;
  std::array<RegisterRule, kFrameRegisters> initial_;
  std::vector<FrameRules> remembered_;
};

bool RuleProgram::Step(ByteReader& in) {
  const std::uint8_t code = in.Fixed<std::uint8_t>();
  const std::uint8_t low = code & 0x3f;
  switch (code & 0xc0) {
    case 0x40:  // DW_CFA_advance_loc
      Advance(low);
      return true;
    case 0x80: {  // DW_CFA_offset
      const std::int64_t offset = Scaled(in.Unsigned());
      Set(low, {.how = How::kAt, .offset = offset});
      return true;
    }
    case 0xc0:  // DW_CFA_restore
      Restore(low);
      return true;
    default:
      break;
  }
  switch (code) {
    case 0x00:  // DW_CFA_nop
      return true;
    case 0x01: {  // DW_CFA_set_loc
      return ReadPointer(in, common_.pointers, &at_);
    }
    case 0x02:  // DW_CFA_advance_loc1
      Advance(in.Fixed<std::uint8_t>());
      return true;
    case 0x03:
      Advance(in.Fixed<std::uint16_t>());
      return true;
    case 0x04:
      Advance(in.Fixed<std::uint32_t>());
      return true;
    case 0x0a:  // DW_CFA_remember_state
      if (remembered_.size() == kRemembered) return false;
      remembered_.push_back(rules_);
      return true;
    case 0x0b:  // DW_CFA_restore_state
      if (remembered_.empty()) return false;
      rules_ = remembered_.back();
      remembered_.pop_back();
      return true;
    case 0x2e:  // DW_CFA_GNU_args_size
      in.Unsigned();
      return true;
    default:
      return code >= 0x0c && code <= 0x13 && code != 0x10 && code != 0x11
                 ? StepOfBase(code, in)
                 : StepOfRegister(code, in);
  }
}

bool RuleProgram::StepOfBase(std::uint8_t code, ByteReader& in) {
  if (code == 0x0d) return SetBase(in.Unsigned(), rules_.base_offset);  // DW_CFA_def_cfa_register
  if (code == 0x0e)                                                     // DW_CFA_def_cfa_offset
    return SetBase(rules_.base_register, static_cast<std::int64_t>(in.Unsigned()));
  if (code == 0x13) return SetBase(rules_.base_register, in.Signed() * common_.data_step);
  if (code == 0x0f) {  // DW_CFA_def_cfa_expression
    const std::uint64_t size = in.Unsigned();
    rules_.base_expression = in.Bytes(size);
    return !rules_.base_expression.empty();
  }
  const std::uint64_t number = in.Unsigned();
  if (code == 0x0c) return SetBase(number, static_cast<std::int64_t>(in.Unsigned()));
  return SetBase(number, in.Signed() * common_.data_step);  // DW_CFA_def_cfa_sf
}

bool RuleProgram::StepOfRegister(std::uint8_t code, ByteReader& in) {
  const std::uint64_t number = in.Unsigned();
  RegisterRule rule;
  switch (code) {
    case 0x05:  // DW_CFA_offset_extended
      rule = {.how = How::kAt, .offset = Scaled(in.Unsigned())};
      break;
    case 0x06:  // DW_CFA_restore_extended
      Restore(number);
      return true;
    case 0x07:  // DW_CFA_undefined
      rule.how = How::kUndefined;
      break;
    case 0x08:  // DW_CFA_same_value
      break;
    case 0x09:  // DW_CFA_register
      rule = {.how = How::kRegister, .offset = static_cast<std::int64_t>(in.Unsigned())};
      break;
    case 0x10:    // DW_CFA_expression
    case 0x16: {  // DW_CFA_val_expression
      const std::uint64_t size = in.Unsigned();
      rule.how = code == 0x10 ? How::kAtExpression : How::kIsExpression;
      rule.expression = in.Bytes(size);
      break;
    }
    case 0x11:  // DW_CFA_offset_extended_sf
      rule = {.how = How::kAt, .offset = in.Signed() * common_.data_step};
      break;
    case 0x14:  // DW_CFA_val_offset
      rule = {.how = How::kIs, .offset = Scaled(in.Unsigned())};
      break;
    case 0x15:
      rule = {.how = How::kIs, .offset = in.Signed() * common_.data_step};
      break;
    default:
      return false;
  }
  Set(number, rule);
  return true;
}

}  // namespace

std::optional<FrameRules> ReadFrameRules(FrameSection section, const std::uint8_t* entry,
                                         std::uint64_t pc) {
  if (entry < section.start || entry >= section.end) return std::nullopt;
  ByteReader in(entry, section.end);
  const std::uint32_t size = in.Fixed<std::uint32_t>();
  if (size == 0xffffffff || size == 0) return std::nullopt;
  const std::uint8_t* const body = in.at();
  ByteReader own(in.Bytes(size));
  if (!in.ok()) return std::nullopt;
  const std::uint32_t back = own.Fixed<std::uint32_t>();
  CommonEntry common;
  if (back == 0 || back > static_cast<std::uint64_t>(body - section.start) ||
      !ReadCommon(section, body - back, &common))
    return std::nullopt;
  std::uint64_t start = 0, length = 0;
  if (!ReadPointer(own, common.pointers, &start) ||
      !ReadPointer(own, common.pointers & 0x0f, &length) || pc < start || pc - start >= length)
    return std::nullopt;
  if (common.has_data) own.Skip(own.Unsigned());
  RuleProgram program(common, start, pc);
  // What is common holds from the start on, whatever the place.
  if (!own.ok() || !program.Run(common.program)) return std::nullopt;
  program.KeepInitial();
  if (!program.Run(own.Rest())) return std::nullopt;
  return program.rules();
}

std::optional<FrameRules> FindFrameRules(const std::uint8_t* index, std::uint64_t index_size,
                                         std::uint64_t pc) {
  if (index == nullptr) return std::nullopt;
  const std::uint8_t* const end = index + index_size;
  ByteReader in(index, end);
  const std::uint8_t version = in.Fixed<std::uint8_t>();
  const std::uint8_t frame_encoding = in.Fixed<std::uint8_t>();
  const std::uint8_t count_encoding = in.Fixed<std::uint8_t>();
  const std::uint8_t table_encoding = in.Fixed<std::uint8_t>();
  std::uint64_t frames = 0, count = 0;
  if (version != 1 || table_encoding != kTableEncoding ||
      !ReadPointer(in, frame_encoding, &frames) || !ReadPointer(in, count_encoding, &count) ||
      count > static_cast<std::uint64_t>(end - in.at()) / 8)
    return std::nullopt;
  const std::uint8_t* const table = in.at();
  const auto word = [index, table](std::uint64_t row, std::uint64_t column) {
    std::int32_t offset = 0;
    std::memcpy(&offset, table + row * 8 + column * 4, sizeof(offset));
    return reinterpret_cast<std::uint64_t>(index) +
           static_cast<std::uint64_t>(std::int64_t{offset});
  };
  std::uint64_t low = 0, high = count;  // the last row that does not begin after pc
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (word(middle, 0) <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return std::nullopt;
  const auto* const entry = reinterpret_cast<const std::uint8_t*>(word(low - 1, 1));
  // The section's size is not told; entries say their own.
  const auto* const start = reinterpret_cast<const std::uint8_t*>(frames);
  if (entry < start) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, entry, sizeof(size));
  return ReadFrameRules({start, entry + 4 + size}, entry, pc);
}

}  // namespace tessera
