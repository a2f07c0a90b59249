#pragma once
// What was good of how many, over time: the indicator of one objective.

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace tessera {

/// Events of a stretch of time, and how much of that time was watched.
struct SliSum {
  double good = 0;
  double total = 0;
  std::int64_t seen_ms = 0;

  double failed() const { return total - good; }
};

/// Rings of slots of 5 s for an hour, 5 min for a week and 1 h for 92 days; a stretch is added up
/// over the finest that reaches so far back. Not thread-safe.
class SliHistory {
 public:
  static constexpr std::size_t kGrains = 3;
  struct Slot {
    std::int64_t index = -1;  ///< time / length of the grain
    SliSum sum;
  };

  SliHistory();

  /// Events that came in the `seen_ms` up to `now_ms`.
  void Add(std::int64_t now_ms, const SliSum& events);
  /// Of the `length_ms` up to `now_ms`, to a slot's precision.
  SliSum Over(std::int64_t now_ms, std::int64_t length_ms) const;
  /// In `steps` equal stretches up to `now_ms`, the oldest first.
  std::vector<SliSum> Steps(std::int64_t now_ms, std::int64_t length_ms, std::size_t steps) const;

  /// When the first of what is kept came; `now_ms` when nothing is.
  std::int64_t BeganMs(std::int64_t now_ms) const;

  /// Of a grain, the slot that `now_ms` lies in; index -1 when nothing has come in it.
  Slot At(std::size_t grain, std::int64_t now_ms) const;
  void Restore(std::size_t grain, const Slot& slot);
  static std::int64_t GrainMs(std::size_t grain);
  /// Slots of a grain before this index are of no use any more.
  static std::int64_t OldestIndex(std::size_t grain, std::int64_t now_ms);

 private:
  bool HasBefore(std::size_t grain, std::int64_t now_ms, std::int64_t time_ms) const;
  std::size_t GrainFor(std::int64_t length_ms) const;

  std::array<std::vector<Slot>, kGrains> rings_;
};

}  // namespace tessera
