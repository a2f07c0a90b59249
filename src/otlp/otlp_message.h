#pragma once
// Spans as OpenTelemetry's protocol has them. The SDK stays inside the .cc.

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "tessera/v1/traces.pb.h"

namespace tessera {

/// Makes requests of fragments. Not thread-safe.
class OtlpMessages {
 public:
  /// `attributes` of the resource, service.name among them; each process adds its own.
  OtlpMessages(std::map<std::string, std::string> attributes, std::string version);
  ~OtlpMessages();

  /// Appends a fragment to the bytes of an ExportTraceServiceRequest.
  void Append(const v1::SpanFragment& fragment, std::string* request);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace tessera
