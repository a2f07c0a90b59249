#pragma once
// Errors in the words of each API.

#include <string>
#include <string_view>

#include "edge/router_http.h"

namespace tessera {

/// The reply to a failed request: status and headers from the error (net/http_error.h), body in
/// `shape`. INTERNAL and UNKNOWN are told without their message, which goes to the log with the
/// request's id and trace.
HttpReply ErrorReply(ErrorShape shape, const Status& status, const RequestInfo& request,
                     std::string_view path);

/// Only the body, for an error event inside a stream.
std::string ErrorJson(ErrorShape shape, const Status& status, const RequestInfo& request,
                      std::string_view path);

}  // namespace tessera
