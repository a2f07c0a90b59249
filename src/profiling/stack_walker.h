#pragma once
// From a captured stack to the calls that were under way.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "profiling/call_frames.h"
#include "profiling/captured_stack.h"
#include "profiling/modules.h"

namespace tessera {

/// Not thread-safe.
class StackWalker {
 public:
  static constexpr std::size_t kCallsMax = 200;

  /// Where each call is now, the innermost first; of those that wait for another, inside the
  /// calling instruction. `whole` becomes false when the outermost could not be found.
  std::vector<std::uint64_t> Walk(const CapturedStack& stack, bool* whole);
  LoadedModules& modules() { return modules_; }

 private:
  struct Frame {
    std::uint64_t values[kFrameRegisters];
  };
  const FrameRules* RulesAt(std::uint64_t pc);
  bool UpByScan(const CapturedStack& stack, Frame* frame);
  bool Up(const CapturedStack& stack, const FrameRules& rules, Frame* frame);

  LoadedModules modules_;
  std::unordered_map<std::uint64_t, std::optional<FrameRules>> rules_;
};

}  // namespace tessera
