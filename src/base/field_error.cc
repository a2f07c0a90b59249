#include "base/field_error.h"

#include "absl/strings/str_split.h"
#include "base/str.h"

namespace tessera {
namespace {
constexpr char kFields[] = "tessera/fields";
}  // namespace

Status InvalidField(std::string_view field, std::string_view message) {
  return InvalidFields({FieldError{std::string(field), std::string(message)}});
}

Status InvalidFields(const std::vector<FieldError>& errors) {
  if (errors.empty()) return absl::InvalidArgumentError("bad request");
  const FieldError& first = errors.front();
  const std::string message =
      first.field.empty() ? first.message : StrCat(first.field, ": ", first.message);
  return WithFields(absl::InvalidArgumentError(message), errors);
}

// A payload is text: field and message with NUL behind each.
Status WithFields(Status status, const std::vector<FieldError>& errors) {
  std::string payload;
  for (const FieldError& error : errors) {
    payload.append(error.field).push_back('\0');
    payload.append(error.message).push_back('\0');
  }
  status.SetPayload(kFields, absl::Cord(AbslView(payload)));
  return status;
}

std::vector<FieldError> FieldsOf(const Status& status) {
  std::vector<FieldError> errors;
  const auto payload = status.GetPayload(kFields);
  if (!payload) return errors;
  const std::vector<std::string> texts = absl::StrSplit(std::string(*payload), '\0');
  for (std::size_t i = 0; i + 1 < texts.size(); i += 2) errors.push_back({texts[i], texts[i + 1]});
  return errors;
}

}  // namespace tessera
