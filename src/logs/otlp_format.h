#pragma once
// OpenTelemetry's protocol for logs (opentelemetry-proto 1.x, collector/logs/v1), as bytes.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tessera/v1/logs.pb.h"

namespace tessera {

/// What a resource says of itself besides the process: service.name, service.version …
using OtlpResource = std::map<std::string, std::string>;

/// An ExportLogsServiceRequest: one resource a process.
std::string OtlpLogsRequest(const std::vector<v1::LogRecord>& records,
                            const OtlpResource& resource);

/// How many records an ExportLogsServiceResponse rejects, and why. Empty is one, and a JSON object
/// is taken for one that rejects nothing; anything else is an error.
struct OtlpReply {
  std::uint64_t rejected = 0;
  std::string reason;
};
Result<OtlpReply> ReadOtlpLogsReply(std::string_view bytes);

}  // namespace tessera
