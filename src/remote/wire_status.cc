#include "remote/wire_status.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "base/field_error.h"
#include "base/hex.h"
#include "google/rpc/status.pb.h"
#include "net/http_error.h"
#include "net/uri.h"

namespace tessera {
namespace {

constexpr char kTypes[] = "type.googleapis.com/";
constexpr std::size_t kMessageMax = 4 << 10;  // a header block has limits
constexpr int kCodes = 17;

// Printable ASCII but '%', beside letters and digits.
constexpr std::string_view kVisible = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~";

void Pack(const google::protobuf::Message& detail, google::rpc::Status* out) {
  google::protobuf::Any* const any = out->add_details();
  any->set_type_url(kTypes + detail.GetDescriptor()->full_name());
  any->set_value(detail.SerializeAsString());
}

template <class T>
bool Unpack(const google::protobuf::Any& any, T* out) {
  return any.type_url() == kTypes + T::descriptor()->full_name() &&
         out->ParseFromString(any.value());
}

// "" when the code and the message say it all.
std::string DetailsOf(const Status& status) {
  google::rpc::Status out;
  if (const int seconds = RetryAfterOf(status); seconds > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(seconds);
    Pack(retry, &out);
  }
  google::rpc::BadRequest bad;
  for (const FieldError& error : FieldsOf(status)) {
    auto* const violation = bad.add_field_violations();
    violation->set_field(error.field);
    violation->set_description(error.message);
  }
  if (bad.field_violations_size() > 0) Pack(bad, &out);
  const std::string word = ErrorCodeOf(status);
  const int http = HttpStatusOf(status);
  const int usual = HttpStatusOf(Status(status.code(), ""));
  if (!word.empty() || http != usual) {
    google::rpc::ErrorInfo info;
    info.set_reason(word);
    info.set_domain("tessera");
    if (http != usual) (*info.mutable_metadata())["http_status"] = std::to_string(http);
    Pack(info, &out);
  }
  if (out.details_size() == 0) return {};
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()).substr(0, kMessageMax));
  return out.SerializeAsString();
}

Status WithDetails(Status status, std::string_view base64) {
  std::string bytes;
  google::rpc::Status details;
  // The padding may be left away; both are to be taken.
  while (base64.ends_with('=')) base64.remove_suffix(1);
  if (!absl::Base64Unescape(AbslView(base64), &bytes) || !details.ParseFromString(bytes)) {
    return status;
  }
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad;
    google::rpc::ErrorInfo info;
    if (Unpack(any, &retry)) {
      const std::int64_t up = retry.retry_delay().nanos() > 0 ? 1 : 0;
      const std::int64_t seconds = retry.retry_delay().seconds() + up;
      if (seconds > 0 && seconds < 1'000'000) {
        status = WithRetryAfter(std::move(status), static_cast<int>(seconds));
      }
    } else if (Unpack(any, &bad)) {
      std::vector<FieldError> errors;
      for (const auto& violation : bad.field_violations()) {
        errors.push_back({violation.field(), violation.description()});
      }
      status = WithFields(std::move(status), errors);
    } else if (Unpack(any, &info) && info.domain() == "tessera") {
      if (!info.reason().empty()) status = WithErrorCode(std::move(status), info.reason());
      int http = 0;
      const auto found = info.metadata().find("http_status");
      if (found != info.metadata().end() && absl::SimpleAtoi(found->second, &http) && http >= 400 &&
          http < 600) {
        status = WithHttpStatus(std::move(status), http);
      }
    }
  }
  return status;
}

}  // namespace

std::string EncodeField(std::string_view text) { return PercentEncode(text, kVisible); }

std::string EncodeMessage(std::string_view text) {
  if (text.size() < 3) return EncodeField(text);
  static const std::string kInside = StrCat(kVisible, " ");
  return StrCat(EncodeField(text.substr(0, 1)),
                PercentEncode(text.substr(1, text.size() - 2), kInside),
                EncodeField(text.substr(text.size() - 1)));
}

std::string DecodeField(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

StatusTrailers::StatusTrailers(const Status& status) {
  if (status.ok()) {
    fields_[count_++] = {"grpc-status", "0"};
    return;
  }
  code_ = std::to_string(static_cast<int>(status.code()));
  fields_[count_++] = {"grpc-status", code_};
  message_ = EncodeMessage(StdView(status.message()).substr(0, kMessageMax));
  if (!message_.empty()) fields_[count_++] = {"grpc-message", message_, false};
  const std::string details = DetailsOf(status);
  if (!details.empty()) {
    details_ = absl::Base64Escape(details);
    fields_[count_++] = {"grpc-status-details-bin", details_, false};
  }
}

Status StatusOfTrailers(const Http2Headers& trailers) {
  const auto code = trailers.Find("grpc-status");
  if (!code) return absl::UnknownError("the reply ended without a status");
  if (*code == "0") return absl::OkStatus();
  int number = 0;
  if (!absl::SimpleAtoi(AbslView(*code), &number) || number < 0 || number >= kCodes) {
    return absl::UnknownError("the reply has a status that does not exist");
  }
  Status status(static_cast<absl::StatusCode>(number),
                DecodeField(trailers.Find("grpc-message").value_or("")));
  const auto details = trailers.Find("grpc-status-details-bin");
  return details ? WithDetails(std::move(status), *details) : status;
}

// As gRPC has it (http-grpc-status-mapping): these come from proxies.
Status StatusOfHttp(std::string_view http_status) {
  const std::string message =
      StrCat("the peer answered with HTTP status ", http_status.substr(0, 3));
  if (http_status == "400") return absl::InternalError(message);
  if (http_status == "401") return absl::UnauthenticatedError(message);
  if (http_status == "403") return absl::PermissionDeniedError(message);
  if (http_status == "404") return absl::UnimplementedError(message);
  if (http_status == "429" || http_status == "502" || http_status == "503" ||
      http_status == "504") {
    return absl::UnavailableError(message);
  }
  return absl::UnknownError(message);
}

}  // namespace tessera
