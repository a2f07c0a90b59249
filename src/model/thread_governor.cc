#include "model/thread_governor.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr int kProbeSteps = 3;
constexpr int kFirstInterval = 32;
constexpr int kLongestInterval = 512;
constexpr double kClearlyBetter = 0.93;  // of the other's time
constexpr double kWeight = 0.1;          // of a new step in the running mean

void Mix(double& mean, double value, double weight) {
  mean = mean == 0 ? value : mean + (value - mean) * weight;
}

}  // namespace

ThreadGovernor::ThreadGovernor(int threads) : threads_(std::max(1, threads)) {}

std::size_t ThreadGovernor::ClassOf(std::size_t tokens) {
  if (tokens <= 1) return 0;
  if (tokens <= 4) return 1;
  return tokens <= 16 ? 2 : 3;
}

int ThreadGovernor::Threads(std::size_t tokens) {
  if (threads_ == 1) return 1;
  SizeClass& c = classes_[ClassOf(tokens)];
  if (c.probe_left == 0 && --c.until_probe <= 0) {
    c.probe_left = kProbeSteps;
    c.probe_seconds = c.probe_tokens = 0;
  }
  used_ = c.probe_left > 0 ? 1 - c.choice : c.choice;
  return used_ == 1 ? threads_ : 1;
}

void ThreadGovernor::FinishProbe(SizeClass& c) {
  const int other = 1 - c.choice;
  const auto now = static_cast<std::size_t>(c.choice);
  // What it was before says nothing of the machine as it is now.
  c.seconds_per_token[static_cast<std::size_t>(other)] = c.probe_seconds / c.probe_tokens;
  if (c.seconds_per_token[static_cast<std::size_t>(other)] <
      c.seconds_per_token[now] * kClearlyBetter) {
    c.choice = other;
    c.interval = kFirstInterval;
  } else {
    c.interval = std::min(c.interval * 2, kLongestInterval);
  }
  c.until_probe = c.interval;
}

void ThreadGovernor::Report(std::size_t tokens, double seconds) {
  tokens = std::max<std::size_t>(tokens, 1);
  if (tokens >= 16) Mix(prompt_rate_, static_cast<double>(tokens) / std::max(seconds, 1e-6), 0.3);
  if (threads_ == 1) return;
  SizeClass& c = classes_[ClassOf(tokens)];
  const double each = seconds / static_cast<double>(tokens);
  if (used_ == c.choice) {
    Mix(c.seconds_per_token[static_cast<std::size_t>(used_)], each, kWeight);
    return;
  }
  c.probe_seconds += seconds;
  c.probe_tokens += static_cast<double>(tokens);
  if (--c.probe_left == 0) FinishProbe(c);
}

std::size_t ThreadGovernor::PromptTokensIn(double seconds) const {
  return static_cast<std::size_t>(std::clamp(prompt_rate_ * seconds, 16.0, 4096.0));
}

}  // namespace tessera
