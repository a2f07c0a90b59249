#pragma once
// What a request waited for.

#include <string>
#include <vector>

#include "tessera/v1/traces.pb.h"

namespace tessera {

/// A kind of work, and how long the request waited for it and for nothing else.
struct PathPart {
  std::string name;  ///< "edge", "step retrieve", "sqlite search", "model decode", "call retrieval"
  double ms = 0;
};

/// The longest first; together they are as long as `root`. Of spans that ran side by side the one
/// that ended last counts. Spans that do not hang together with the root are left out. A model's
/// time is split at its first token.
std::vector<PathPart> CriticalPath(const google::protobuf::RepeatedPtrField<v1::Span>& spans,
                                   const v1::Span& root);

}  // namespace tessera
