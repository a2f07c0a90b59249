#include "model/prefix_cache.h"

#include <algorithm>

namespace tessera {
namespace {

// Copying a slot costs about as much as computing one token in fifty that it holds.
constexpr std::size_t kLeastCopied = 24;
constexpr std::size_t kCopiedTokensPerComputed = 50;

bool WorthCopying(std::size_t gain, std::size_t donor_size) {
  return gain >= kLeastCopied && gain * kCopiedTokensPerComputed >= donor_size;
}

}  // namespace

std::size_t CommonPrefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[i] == b[i]) ++i;
  return i;
}

SlotChoice ChooseSlot(std::span<const CachedSlot> slots, std::span<const std::int32_t> prompt) {
  const std::size_t most = prompt.empty() ? 0 : prompt.size() - 1;
  SlotChoice choice;
  int longest = -1;  // of all slots, busy ones too
  int own = -1;      // of the free ones
  int oldest = -1;
  std::vector<std::size_t> common(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto index = static_cast<int>(i);
    common[i] = std::min(CommonPrefix(slots[i].tokens, prompt), most);
    if (longest < 0 || common[i] > common[static_cast<std::size_t>(longest)]) longest = index;
    if (slots[i].busy) continue;
    if (own < 0 || common[i] > common[static_cast<std::size_t>(own)]) own = index;
    // An empty slot before one with something in it.
    if (oldest < 0 || slots[i].last_used < slots[static_cast<std::size_t>(oldest)].last_used)
      oldest = index;
  }
  if (own < 0) return choice;
  const auto own_slot = static_cast<std::size_t>(own);
  const bool same_conversation =
      common[own_slot] > 0 && common[own_slot] * 2 >= slots[own_slot].tokens.size();
  choice.slot = same_conversation ? own : oldest;
  const auto chosen = static_cast<std::size_t>(choice.slot);
  choice.keep = choice.reused = common[chosen];
  const auto donor = static_cast<std::size_t>(longest);
  if (donor != chosen && WorthCopying(common[donor] - choice.keep, slots[donor].tokens.size())) {
    choice.donor = longest;
    choice.reused = common[donor];
  }
  return choice;
}

}  // namespace tessera
