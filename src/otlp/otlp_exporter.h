#pragma once
// Sends spans to a collector, in the background.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "otlp/otlp_message.h"
#include "otlp/otlp_transport.h"
#include "telemetry/metrics.h"
#include "telemetry/telemetry_config.h"

namespace tessera {

/// Thread-safe. Stop() comes before it is destroyed.
class OtlpExporter {
 public:
  struct Retries {
    int attempts = 5;
    Duration first_pause = std::chrono::seconds(1);
    Duration pause_max = std::chrono::seconds(5);
  };
  OtlpExporter(const TelemetryConfig& config, std::string version,
               std::unique_ptr<OtlpTransport> transport, Retries retries);
  OtlpExporter(const TelemetryConfig& config, std::string version,
               std::unique_ptr<OtlpTransport> transport)
      : OtlpExporter(config, std::move(version), std::move(transport), Retries()) {}
  ~OtlpExporter();

  /// Never waits: what finds no room is dropped and counted. Called by one thread.
  void Add(const v1::SpanFragment& fragment);
  /// Sends what waits, for `limit` at most; what is left then is counted as failed.
  void Stop(Duration limit);

 private:
  /// What a fragment comes to on the wire.
  struct Waiting {
    std::string bytes;
    std::uint64_t spans = 0;
  };
  void Run();
  Waiting LockedBatch();
  void SendBatch(const Waiting& batch);
  bool Pause(Duration time);

  const OtlpConfig config_;
  const Retries retries_;
  const std::unique_ptr<OtlpTransport> transport_;
  OtlpMessages messages_;
  Counter& exported_;
  Counter& rejected_;
  Counter& no_room_;
  Counter& failed_;
  Gauge& waiting_;
  CancelSource cancel_;
  std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  std::deque<Waiting> queue_;
  std::uint64_t spans_ = 0;  // in the queue
  SteadyTime oldest_;
  bool stopping_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace tessera
