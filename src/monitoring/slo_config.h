#pragma once
// Section `slos` of the configuration: what the platform promises, and who is told when it does
// not hold.

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "config/fields.h"

namespace tessera {

enum class SloIndicator : std::uint8_t {
  kAvailability,  ///< the share of requests that the platform did not fail
  kLatency,       ///< the share that was answered within a threshold
  kFirstToken     ///< the share of answers of language models that began within a threshold
};

/// One objective.
struct SloObjective {
  std::string name;
  std::string description;
  double target = 99.5;  ///< percent
  std::chrono::hours window = std::chrono::hours(720);
  SloIndicator indicator = SloIndicator::kAvailability;
  std::vector<std::string> routes;
  std::vector<std::string> contracts;
  std::chrono::microseconds threshold{0};
  std::uint32_t failures_min = 3;
  static void Describe(Fields<SloObjective>& f);

  /// The share that may fail, of 1.
  double allowed() const { return 1 - target / 100; }
};

/// Who is told of alerts.
struct AlertReceiverConfig {
  std::string url;
  std::map<std::string, Secret> headers;
  std::string ca_file;
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  static void Describe(Fields<AlertReceiverConfig>& f);
};

struct SloNotifyConfig {
  std::vector<AlertReceiverConfig> webhooks;
  std::vector<AlertReceiverConfig> alertmanagers;
  std::map<std::string, std::string> labels = {{"service", "tessera"}};
  std::chrono::milliseconds resend = std::chrono::minutes(1);
  std::chrono::milliseconds retry_max = std::chrono::minutes(1);
  static void Describe(Fields<SloNotifyConfig>& f);
};

struct SloConfig {
  std::vector<SloObjective> objectives = Defaults();
  SloNotifyConfig notify;
  std::chrono::milliseconds resolve_after = std::chrono::minutes(1);
  static void Describe(Fields<SloConfig>& f);
  static std::vector<SloObjective> Defaults();
};

/// The bound of our histograms at which a threshold is counted: the first one at or above it, when
/// that is within a tenth; INVALID_ARGUMENT names the two around it otherwise.
Result<std::chrono::nanoseconds> CountedThreshold(std::chrono::nanoseconds threshold);

}  // namespace tessera
