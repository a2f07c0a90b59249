#pragma once
// How the caller of a function is found: the rules that compilers write for exceptions.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

/// Registers of x86-64 by their DWARF numbers; those beyond are not followed.
constexpr std::size_t kFrameRegisters = 17;
constexpr std::size_t kFpRegister = 6;
constexpr std::size_t kSpRegister = 7;
constexpr std::size_t kPcRegister = 16;

/// Where the caller's value of one register is.
struct RegisterRule {
  enum class How : std::uint8_t {
    kSame,          ///< still in the register
    kUndefined,     ///< lost; of the return address: there is no caller
    kAt,            ///< in memory, `offset` from the frame's address
    kIs,            ///< the frame's address and `offset`
    kRegister,      ///< in register `offset`
    kAtExpression,  ///< in memory, where the expression says
    kIsExpression,  ///< what the expression says
  };
  How how = How::kSame;
  std::int64_t offset = 0;
  std::string_view expression;
};

/// The rules that hold at one place of a program.
struct FrameRules {
  std::size_t base_register = kSpRegister;  ///< of the frame's address
  std::int64_t base_offset = 0;
  std::string_view base_expression;  ///< instead, where it is not empty
  std::array<RegisterRule, kFrameRegisters> registers;
  bool is_signal = false;  ///< the frame was made by a signal: its caller was interrupted anywhere
};

/// The rules at `pc`, after a module's index of them (.eh_frame_hdr, of `index_size` bytes), both
/// where they were loaded. Nothing: there are none, or none that are understood.
std::optional<FrameRules> FindFrameRules(const std::uint8_t* index, std::uint64_t index_size,
                                         std::uint64_t pc);

/// The same for a piece of memory: entries between `start` and `end`. For tests.
struct FrameSection {
  const std::uint8_t* start;
  const std::uint8_t* end;
};
/// After one entry (FDE), which begins at `entry`.
std::optional<FrameRules> ReadFrameRules(FrameSection section, const std::uint8_t* entry,
                                         std::uint64_t pc);

}  // namespace tessera
