#pragma once
// The three services of an OpenTelemetry collector, as the SDK's messages describe them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "base/contract.h"
#include "base/status.h"
#include "telemetry/telemetry_config.h"

namespace tessera {

/// What a collector did not take of a request that it has answered.
struct OtlpRejected {
  std::uint64_t count = 0;  ///< of spans, points or records
  std::string reason;
};

/// How one of them is called.
struct OtlpService {
  MethodInfo export_method;
  std::unique_ptr<google::protobuf::Message> (*new_request)();
  std::unique_ptr<google::protobuf::Message> (*new_response)();
  /// `response` is of new_response().
  OtlpRejected (*rejected)(const google::protobuf::Message& response);
};
const OtlpService& ServiceOf(OtlpSignal signal);

/// A reply's bytes. Empty is one, and a JSON object is taken for one that rejects nothing; anything
/// else that is not the service's response is UNKNOWN.
Result<OtlpRejected> ReadOtlpReply(const OtlpService& service, const std::string& bytes);

}  // namespace tessera
