#include "logs/bulk_format.h"

#include "base/json.h"
#include "base/str.h"
#include "logs/log_message.h"

namespace tessera {
namespace {

constexpr std::size_t kReasonMax = 300;

Status NoReply() {
  return absl::UnavailableError("it answered what is no reply of a bulk request");
}

std::string ReasonOf(const JsonValue& result) {
  const auto error = result.Find("error");
  if (!error || !error->is_object()) return "";
  std::string text;
  for (const char* const part : {"type", "reason"}) {
    const auto value = error->Find(part);
    if (!value || !value->is_string()) continue;
    StrAppend(&text, text.empty() ? "" : ": ", *value->AsString());
  }
  return text.substr(0, kReasonMax);
}

}  // namespace

std::string BulkRequest(const std::vector<v1::LogRecord>& records, const std::string& service,
                        const std::string& version) {
  std::string body;
  for (const v1::LogRecord& record : records)
    StrAppend(&body, R"({"create":{"_id":")", IdOf(record), "\"}}\n",
              EcsJson(record, service, version), "\n");
  return body;
}

Result<LogSink::Reply> ReadBulkReply(std::string body, std::size_t count) {
  Result<JsonDocument> document = JsonDocument::Parse(std::move(body));
  if (!document.ok() || !document->root().is_object()) return NoReply();
  const auto items = document->root().Find("items");
  if (!items || !items->is_array()) return NoReply();
  LogSink::Reply reply;
  std::size_t index = 0;
  for (const JsonValue& item : items->Elements()) {
    const auto result = item.is_object() ? item.Find("create") : std::nullopt;
    const auto status = result && result->is_object() ? result->Find("status") : std::nullopt;
    if (!status) return NoReply();
    const auto code = status->AsInt();
    if (!code) return NoReply();
    const bool taken = (*code >= 200 && *code < 300) || *code == 409;
    if (!taken) {
      if (reply.reason.empty()) reply.reason = ReasonOf(*result);
      if (*code == 429 || *code >= 500) {
        reply.again.push_back(index);
      } else {
        ++reply.rejected;
      }
    }
    ++index;
  }
  if (index != count) return NoReply();
  return reply;
}

}  // namespace tessera
