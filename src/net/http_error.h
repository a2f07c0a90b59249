#pragma once
// Errors of calls as HTTP: the one table from status codes to HTTP statuses.

#include "base/field_error.h"
#include "base/status.h"

namespace tessera {

/// `status` that shall be answered with this HTTP status instead of its code's own (413, 415 …).
Status WithHttpStatus(Status status, int http_status);
/// `status` with a machine-readable word for OpenAI's `code` ("model_not_found").
Status WithErrorCode(Status status, std::string_view code);
/// The word of WithErrorCode, or "".
std::string ErrorCodeOf(const Status& status);
/// `status` that tells the client when to come back.
Status WithRetryAfter(Status status, int seconds);
/// Seconds of WithRetryAfter; 0 when not set.
int RetryAfterOf(const Status& status);
/// The HTTP status of a call's status: 200 of OK, 400 of INVALID_ARGUMENT … 499 of CANCELLED.
int HttpStatusOf(const Status& status);

}  // namespace tessera
