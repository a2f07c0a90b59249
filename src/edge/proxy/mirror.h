#pragma once
// Copies of requests to a target that is on trial: its answers are compared, never sent.

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "edge/proxy/proxy_target.h"
#include "runtime/scope.h"
#include "telemetry/metrics.h"

namespace tessera {

/// What the client was told.
struct MirroredReply {
  int status = 0;
  bool comparable = false;  ///< not a stream, not too large
  std::string body;
  static MirroredReply Of(const Result<HttpReply>& reply);
};

/// Of one route. Thread-safe. It never delays or fails the request that it copies.
class Mirror {
 public:
  /// `target`, `background` and `executor` outlive it, and `background` is stopped before.
  static Result<std::unique_ptr<Mirror>> Make(std::string route, MirrorConfig config,
                                              const ProxyTarget& target, Scope& background,
                                              Executor& executor);

  /// Whether this request is to be copied: its part of all, and there is room.
  bool Wants();
  /// Sends the copy. `ctx` is the request's; its end is not the copy's. `owner` keeps this and the
  /// target until the copy has come to an end.
  void Send(const Ctx& ctx, ProxyCall call, MirroredReply original,
            std::shared_ptr<const void> owner);
  /// Counts, and the last differences: where, never what, as replies may be private.
  void Write(JsonWriter& json) const;

 private:
  struct Difference {
    std::int64_t at_ms = 0;
    std::string request_id;
    int status = 0;
    int mirrored_status = 0;
    std::string error;
    std::vector<std::string> fields;
  };
  enum Outcome { kSame, kDifferent, kFailed, kSkipped, kNotCompared, kOutcomes };

  Mirror(std::string route, MirrorConfig config, std::vector<JsonPath> ignore,
         const ProxyTarget& target, Scope& background, Executor& executor);
  Task<void> Run(Ctx ctx, ProxyCall call, MirroredReply original,
                 std::shared_ptr<const void> owner);
  Outcome Compare(const MirroredReply& original, const Result<HttpReply>& mirrored,
                  Difference* difference) const;
  std::vector<std::string> Fields(const std::string& a, const std::string& b) const;
  void Count(Outcome outcome);

  const std::string route_;
  const MirrorConfig config_;
  const std::vector<JsonPath> ignore_;
  const ProxyTarget& target_;
  Scope& background_;
  Executor& executor_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint64_t> counts_[kOutcomes] = {};
  Counter* counters_[kOutcomes] = {};
  mutable std::mutex mutex_;
  std::deque<Difference> recent_;
};

}  // namespace tessera
