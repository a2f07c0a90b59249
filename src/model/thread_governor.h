#pragma once
// Chooses, step by step, whether a model computes with one thread or with all it may use.

#include <array>
#include <cstddef>
#include <cstdint>

namespace tessera {

/// Threads that wait for each other at every layer are slower than a single one when the machine
/// has other work. This compares the two by measuring: mostly it uses the better one, and now and
/// then (ever more seldom while nothing changes) a few steps with the other. Not thread-safe.
class ThreadGovernor {
 public:
  explicit ThreadGovernor(int threads);

  /// For the next step, of `tokens` tokens.
  int Threads(std::size_t tokens);
  /// What that step took. Call once after each Threads().
  void Report(std::size_t tokens, double seconds);

  /// Tokens of a prompt that take about `seconds`, by what was measured; at least 16.
  std::size_t PromptTokensIn(double seconds) const;

 private:
  // Steps of like size are compared with each other only.
  struct SizeClass {
    std::array<double, 2> seconds_per_token = {0, 0};  // [one thread, all threads]; 0: unknown
    int choice = 1;
    int probe_left = 0;
    int until_probe = 8;
    int interval = 32;
    double probe_seconds = 0;
    double probe_tokens = 0;
  };
  static std::size_t ClassOf(std::size_t tokens);
  static void FinishProbe(SizeClass& c);

  const int threads_;
  std::array<SizeClass, 4> classes_;
  int used_ = 1;  // index used by the step under way
  double prompt_rate_ = 150;
};

}  // namespace tessera
