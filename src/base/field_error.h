#pragma once
// Errors that say which field of a request is wrong; they travel as a payload of a Status.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// What is wrong with one field of a request: {"messages[0].role", "must be one of …"}.
struct FieldError {
  std::string field;
  std::string message;
};

/// INVALID_ARGUMENT that names the field.
Status InvalidField(std::string_view field, std::string_view message);
/// INVALID_ARGUMENT with several fields; the message is the first one's.
Status InvalidFields(const std::vector<FieldError>& errors);
/// `status` with the fields it is about. Keeps the code and message.
Status WithFields(Status status, const std::vector<FieldError>& errors);
/// The fields named by a status; empty when there are none.
std::vector<FieldError> FieldsOf(const Status& status);

}  // namespace tessera
