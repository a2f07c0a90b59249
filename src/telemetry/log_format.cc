#include "telemetry/log_format.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::string_view kColours[] = {"\x1b[2m", "", "\x1b[33m", "\x1b[31m"};
constexpr std::string_view kPlain = "\x1b[0m";

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

void AppendControl(std::string* out, char c) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  StrAppend(out, "\\u00", kDigits.substr(byte >> 4, 1), kDigits.substr(byte & 15, 1));
}

void AppendPlain(std::string* out, std::string_view text) {
  for (const char c : text) {
    if (IsControl(c)) {
      AppendControl(out, c);
    } else {
      out->push_back(c);
    }
  }
}

void AppendQuoted(std::string* out, std::string_view text) {
  out->push_back('"');
  for (const char c : text) {
    if (IsControl(c)) {
      AppendControl(out, c);
    } else {
      if (c == '"' || c == '\\') out->push_back('\\');
      out->push_back(c);
    }
  }
  out->push_back('"');
}

std::string_view Time(const LogRecord& record, char (&buffer)[25]) {
  return Rfc3339(record.time_us / 1000, buffer);
}

bool IsError(std::string_view name) { return name == "reason" || name == "error"; }

// "UNAVAILABLE" of "UNAVAILABLE: nobody answers", as a Status is written.
std::string_view ErrorType(std::string_view text) {
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos || colon == 0) return {};
  for (const char c : text.substr(0, colon)) {
    if ((c < 'A' || c > 'Z') && c != '_') return {};
  }
  return text.substr(0, colon);
}

void WriteFields(const LogRecord& record, JsonWriter& json) {
  bool labels = false;
  bool error = false;
  for (const auto& [name, text] : record.fields) {
    if (IsError(name) && !std::exchange(error, true)) {
      json.Field("error.message", text);
      if (const auto type = ErrorType(text); !type.empty()) json.Field("error.type", type);
    } else {
      labels = true;
    }
  }
  if (!labels && record.tenant.empty() && record.suppressed == 0) return;
  json.Key("labels").BeginObject();
  if (!record.tenant.empty()) json.Field("tenant", record.tenant);
  if (record.suppressed > 0) json.Field("suppressed", StrCat(record.suppressed));
  error = false;
  for (const auto& [name, text] : record.fields) {
    if (!(IsError(name) && !std::exchange(error, true))) json.Field(name, text);
  }
  json.EndObject();
}

}  // namespace

void AppendLogText(std::string* out, const LogRecord& record, bool colour) {
  char buffer[25];
  const std::string_view paint =
      colour ? kColours[static_cast<std::size_t>(record.level)] : std::string_view();
  StrAppend(out, Time(record, buffer), " ", paint, Name(record.level),
            paint.empty() ? std::string_view() : kPlain, " ", record.module, ": ");
  AppendPlain(out, record.message);
  for (const auto& [name, text] : record.fields) {
    StrAppend(out, " ", name, "=");
    AppendQuoted(out, text);
  }
  if (!record.request_id.empty()) {
    *out += " request=";
    AppendQuoted(out, record.request_id);
  }
  if (!record.tenant.empty()) {
    *out += " tenant=";
    AppendQuoted(out, record.tenant);
  }
  if (record.trace_high != 0 || record.trace_low != 0)
    StrAppend(out, " trace=", Hex(record.trace_high), Hex(record.trace_low));
  if (record.suppressed > 0) StrAppend(out, " suppressed=", record.suppressed);
  out->push_back('\n');
}

void AppendEcsJson(std::string* out, const LogRecord& record, const LogOrigin& origin) {
  char buffer[25];
  JsonWriter json(512);
  json.BeginObject()
      .Field("@timestamp", Time(record, buffer))
      .Field("log.level", Name(record.level))
      .Field("message", record.message)
      .Field("ecs.version", "8.11.0")
      .Field("log.logger", record.module)
      .Field("log.origin.file.name", record.file)
      .Field("log.origin.file.line", record.line)
      .Field("event.dataset", "tessera")
      .Field("event.sequence", record.sequence)
      .Field("service.name", origin.service)
      .Field("service.node.name", origin.node)
      .Field("process.pid", origin.pid);
  if (!origin.version.empty()) json.Field("service.version", origin.version);
  if (record.trace_high != 0 || record.trace_low != 0)
    json.Field("trace.id", Hex(record.trace_high) + Hex(record.trace_low));
  if (record.span != 0) json.Field("span.id", Hex(record.span));
  if (!record.request_id.empty()) json.Field("http.request.id", record.request_id);
  WriteFields(record, json);
  json.EndObject();
  *out += json.text();
}

}  // namespace tessera
