#pragma once
// Traces that were kept, in a file of their own.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/sqlite.h"
#include "tessera/v1/traces.pb.h"

namespace tessera {

/// DATA/traces.db. Bounded by size and age: the oldest go first, those that failed have a part of
/// the room of their own. What is in it may be lost with the machine's power, never damaged. Used
/// by one thread at a time; several may have the file open.
class TraceStore {
 public:
  struct Limits {
    std::uint64_t bytes_max = std::uint64_t{256} << 20;
    double error_part = 0.25;  ///< of bytes_max, for traces that failed
    std::int64_t age_max_s = 3 * 24 * 3600;
  };
  /// Makes the file where it is missing; one that is damaged is begun anew.
  static Result<std::unique_ptr<TraceStore>> Open(const std::string& path, Limits limits);
  /// For looking only. NOT_FOUND: there is no file.
  static Result<std::unique_ptr<TraceStore>> OpenReadOnly(const std::string& path);

  /// Adds fragments to their traces, in one transaction; then makes room where it is needed.
  Status Write(const std::vector<v1::SpanFragment>& fragments, std::int64_t now_ms);

  Result<v1::ListTracesReply> List(const v1::ListTracesRequest& request);
  /// By the trace's id, or that of its request. NOT_FOUND.
  Result<v1::Trace> Get(const std::string& id);
  /// Names of traces' first spans, for choosing.
  Result<std::vector<std::string>> Routes();

  std::uint64_t bytes() const { return bytes_[0] + bytes_[1]; }
  std::uint64_t evicted() const { return evicted_; }

 private:
  TraceStore(std::unique_ptr<SqliteConnection> connection, Limits limits)
      : connection_(std::move(connection)), limits_(limits) {}
  Status WriteOne(const v1::SpanFragment& fragment);
  Status MakeRoom(std::int64_t now_ms);
  Result<bool> EvictSome(bool failed, std::uint64_t room, std::int64_t oldest_us);
  Status CountBytes();

  const std::unique_ptr<SqliteConnection> connection_;
  const Limits limits_;
  std::uint64_t bytes_[2] = {0, 0};  // [1]: of those that failed
  std::uint64_t evicted_ = 0;
};

}  // namespace tessera
