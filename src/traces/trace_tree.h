#pragma once
// A trace as a tree of text.

#include <string>

#include "tessera/v1/traces.pb.h"

namespace tessera {

/// One line a span, children below their parents: when it began, how long it took, in which
/// process, and what is known of it. A span whose parent is not there stands at the top.
std::string TraceTree(const v1::Trace& trace, bool attributes);

}  // namespace tessera
