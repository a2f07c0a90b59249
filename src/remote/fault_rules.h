#pragma once
// Faults on purpose, for tests and drills: calls are delayed or aborted by percentage and metadata.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/ctx.h"
#include "config/fields.h"

namespace tessera {

/// One rule; a call that matches `method` and `header` meets its faults.
struct FaultRule {
  std::string method;        ///< full name, or its beginning: "tessera.v1.Inference."; empty: every
  std::string header;        ///< metadata that the call must have; empty: none
  std::string header_value;  ///< and its value; empty: any
  double delay_percent = 0;
  Duration delay{0};
  double abort_percent = 0;
  std::string abort_code = "UNAVAILABLE";

  bool operator==(const FaultRule&) const = default;
  static void Describe(Fields<FaultRule>& f);
};

/// What is to befall a call.
struct Fault {
  Duration delay{0};
  Status abort;  ///< OK: not aborted
};

/// The rules in force, none at first. Thread-safe; costs a flag's read while there are none. Used
/// by callers (ClusterConfig::faults) and by callees (RemoteServerConfig::faults).
class FaultRules {
 public:
  /// The value of a call's metadata; "" when it has none.
  using HeaderOf = std::function<std::string_view(std::string_view name)>;

  /// INVALID_ARGUMENT, and nothing is changed, when a rule makes no sense.
  Status Set(std::vector<FaultRule> rules);
  bool any() const { return any_.load(std::memory_order_relaxed); }
  /// Of the first rule that matches.
  Fault Decide(std::string_view method, const HeaderOf& header) const;
  /// For a caller: its request id, tenant and principal, by the names they have on the wire.
  Fault Decide(std::string_view method, const Ctx& ctx) const;

 private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<const std::vector<FaultRule>> rules_;
};

}  // namespace tessera
