#include "monitoring/sli_history.h"

#include <algorithm>

namespace tessera {
namespace {

struct Grain {
  std::int64_t length_ms;
  std::int64_t slots;
};
// One slot more than the longest stretch asked of each: it begins within a slot.
constexpr std::array<Grain, SliHistory::kGrains> kGrainsOf = {
    {{5'000, 721}, {300'000, 2'017}, {3'600'000, 2'209}}};

void AddTo(SliSum& to, const SliSum& from) {
  to.good += from.good;
  to.total += from.total;
  to.seen_ms += from.seen_ms;
}

}  // namespace

SliHistory::SliHistory() {
  for (std::size_t grain = 0; grain < kGrains; ++grain)
    rings_[grain].resize(static_cast<std::size_t>(kGrainsOf[grain].slots));
}

std::int64_t SliHistory::GrainMs(std::size_t grain) { return kGrainsOf[grain].length_ms; }

std::int64_t SliHistory::OldestIndex(std::size_t grain, std::int64_t now_ms) {
  return now_ms / kGrainsOf[grain].length_ms - kGrainsOf[grain].slots + 1;
}

void SliHistory::Add(std::int64_t now_ms, const SliSum& events) {
  for (std::size_t grain = 0; grain < kGrains; ++grain) {
    const std::int64_t index = now_ms / kGrainsOf[grain].length_ms;
    Slot& slot = rings_[grain][static_cast<std::size_t>(index % kGrainsOf[grain].slots)];
    if (slot.index != index) slot = {.index = index, .sum = {}};
    AddTo(slot.sum, events);
  }
}

SliHistory::Slot SliHistory::At(std::size_t grain, std::int64_t now_ms) const {
  const std::int64_t index = now_ms / kGrainsOf[grain].length_ms;
  const Slot& slot = rings_[grain][static_cast<std::size_t>(index % kGrainsOf[grain].slots)];
  return slot.index == index ? slot : Slot();
}

void SliHistory::Restore(std::size_t grain, const Slot& slot) {
  if (grain >= kGrains || slot.index < 0) return;
  Slot& there = rings_[grain][static_cast<std::size_t>(slot.index % kGrainsOf[grain].slots)];
  if (there.index < slot.index) there = slot;
}

std::size_t SliHistory::GrainFor(std::int64_t length_ms) const {
  std::size_t grain = 0;
  while (grain + 1 < kGrains &&
         length_ms > kGrainsOf[grain].length_ms * (kGrainsOf[grain].slots - 1))
    ++grain;
  return grain;
}

std::vector<SliSum> SliHistory::Steps(std::int64_t now_ms, std::int64_t length_ms,
                                      std::size_t steps) const {
  const std::size_t grain = GrainFor(length_ms);
  const std::int64_t slot_ms = kGrainsOf[grain].length_ms;
  std::vector<SliSum> sums(steps);
  const std::int64_t from = now_ms - length_ms;
  for (std::int64_t index = std::max<std::int64_t>(from / slot_ms, 0); index <= now_ms / slot_ms;
       ++index) {
    const Slot& slot = rings_[grain][static_cast<std::size_t>(index % kGrainsOf[grain].slots)];
    if (slot.index != index) continue;
    const std::int64_t at = std::clamp<std::int64_t>(index * slot_ms - from, 0, length_ms - 1);
    AddTo(sums[static_cast<std::size_t>(at * static_cast<std::int64_t>(steps) / length_ms)],
          slot.sum);
  }
  return sums;
}

// The finest ring that still has its beginning says it best.
std::int64_t SliHistory::BeganMs(std::int64_t now_ms) const {
  std::int64_t began = now_ms;
  for (std::size_t grain = 0; grain < kGrains; ++grain) {
    const std::int64_t oldest = OldestIndex(grain, now_ms);
    std::int64_t first = now_ms / kGrainsOf[grain].length_ms;
    for (const Slot& slot : rings_[grain])
      if (slot.index >= oldest) first = std::min(first, slot.index);
    began = first * kGrainsOf[grain].length_ms;
    // A coarser slot begins before its first event; one that ended before this ring says more.
    bool more = false;
    for (std::size_t coarser = grain + 1; coarser < kGrains; ++coarser)
      more = more || HasBefore(coarser, now_ms, began);
    if (!more) return began;
  }
  return began;
}

bool SliHistory::HasBefore(std::size_t grain, std::int64_t now_ms, std::int64_t time_ms) const {
  const std::int64_t oldest = OldestIndex(grain, now_ms);
  return std::ranges::any_of(rings_[grain], [&](const Slot& slot) {
    return slot.index >= oldest && (slot.index + 1) * kGrainsOf[grain].length_ms <= time_ms;
  });
}

SliSum SliHistory::Over(std::int64_t now_ms, std::int64_t length_ms) const {
  SliSum sum = Steps(now_ms, length_ms, 1).front();
  sum.seen_ms = std::min(sum.seen_ms, length_ms);
  return sum;
}

}  // namespace tessera
