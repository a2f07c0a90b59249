#pragma once
// Which slot of the KV cache a new prompt goes to, and what of it need not be computed again.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

/// What a slot holds. `tokens` are those in the KV cache, in order.
struct CachedSlot {
  std::vector<std::int32_t> tokens;
  bool busy = false;
  std::uint64_t last_used = 0;
};

struct SlotChoice {
  int slot = -1;           ///< -1: all are busy
  std::size_t keep = 0;    ///< tokens of the slot itself that the prompt begins with
  int donor = -1;          ///< a slot to copy from first, or -1
  std::size_t reused = 0;  ///< tokens that need not be computed: from the donor, else `keep`
};

std::size_t CommonPrefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

/// A conversation goes on in its own slot; a new one takes the slot that was used longest ago, and
/// copies a prefix (a system prompt, say) that another slot holds when that is worth it. At least
/// one token of the prompt is always left to compute.
SlotChoice ChooseSlot(std::span<const CachedSlot> slots, std::span<const std::int32_t> prompt);

}  // namespace tessera
