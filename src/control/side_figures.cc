#include "control/side_figures.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/str.h"

namespace tessera {
namespace {

double BucketEnd(int bucket) { return std::ldexp(1e-9, bucket + Histogram::kFirstBit); }

double FaultPercent(const MethodSide& side) {
  return side.calls == 0
             ? 0
             : 100.0 * static_cast<double>(side.faults) / static_cast<double>(side.calls);
}

Status CheckSpeed(const std::string& method, const char* what, double old_seconds,
                  double new_seconds, double limit, const MoveSpec& limits) {
  const double slack = std::chrono::duration<double>(limits.slack).count();
  if (new_seconds <= old_seconds * limit || new_seconds - old_seconds <= slack)
    return absl::OkStatus();
  return absl::AbortedError(StrCat("the new instances are slower: ", method, " ", what, " ",
                                   new_seconds * 1e3, " ms against ", old_seconds * 1e3,
                                   " ms, allowed is ", limit, " times"));
}

}  // namespace

double MethodSide::Quantile(double q) const {
  if (calls == 0) return 0;
  const double wanted = q * static_cast<double>(calls);
  double before = 0;
  for (int i = 0; i < Histogram::kBuckets; ++i) {
    const auto here = static_cast<double>(buckets[static_cast<std::size_t>(i)]);
    if (here > 0 && before + here >= wanted) {
      const double end = BucketEnd(i);
      const double begin = i == 0 ? 0 : end / 2;
      return begin + (end - begin) * (wanted - before) / here;
    }
    before += here;
  }
  return BucketEnd(Histogram::kBuckets - 1);
}

void AddFigures(const v1::ClusterFigures& figures, SideFigures& to) {
  for (const v1::MethodFigures& method : figures.methods()) {
    MethodSide& side = to[method.method()];
    side.calls += method.calls();
    side.faults += method.faults();
    const int buckets = std::min(method.buckets_size(), Histogram::kBuckets);
    for (int i = 0; i < buckets; ++i)
      side.buckets[static_cast<std::size_t>(i)] += method.buckets(i);
  }
}

void Add(const SideFigures& figures, SideFigures& to) {
  for (const auto& [method, more] : figures) {
    MethodSide& side = to[method];
    side.calls += more.calls;
    side.faults += more.faults;
    for (std::size_t i = 0; i < side.buckets.size(); ++i) side.buckets[i] += more.buckets[i];
  }
}

SideFigures Since(const SideFigures& start, const SideFigures& now) {
  SideFigures since = now;
  for (auto& [method, side] : since) {
    const auto before = start.find(method);
    if (before == start.end()) continue;
    // A caller that has gone took its counts along.
    const auto less = [](std::uint64_t& count, std::uint64_t by) { count -= std::min(count, by); };
    less(side.calls, before->second.calls);
    less(side.faults, before->second.faults);
    for (std::size_t i = 0; i < side.buckets.size(); ++i)
      less(side.buckets[i], before->second.buckets[i]);
  }
  return since;
}

Status CheckNewSide(const SideFigures& old_side, const SideFigures& new_side,
                    const MoveSpec& limits) {
  MethodSide old_all, new_all;
  for (const auto& [method, side] : old_side) {
    old_all.calls += side.calls;
    old_all.faults += side.faults;
  }
  for (const auto& [method, side] : new_side) {
    new_all.calls += side.calls;
    new_all.faults += side.faults;
  }
  if (new_all.calls >= limits.samples_min &&
      FaultPercent(new_all) > FaultPercent(old_all) + limits.errors_max) {
    return absl::AbortedError(StrCat("the new instances fail: ", new_all.faults, " of ",
                                     new_all.calls, " calls, against ", old_all.faults, " of ",
                                     old_all.calls, "; allowed are ", limits.errors_max,
                                     " percent more"));
  }
  for (const auto& [method, fresh] : new_side) {
    const auto before = old_side.find(method);
    if (before == old_side.end() || fresh.calls < limits.samples_min ||
        before->second.calls < limits.samples_min)
      continue;
    TRY(CheckSpeed(method, "p50", before->second.Quantile(0.5), fresh.Quantile(0.5), limits.p50_max,
                   limits));
    // A hundredth of few calls is one call.
    if (fresh.calls >= 100 && before->second.calls >= 100) {
      TRY(CheckSpeed(method, "p99", before->second.Quantile(0.99), fresh.Quantile(0.99),
                     limits.p99_max, limits));
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
