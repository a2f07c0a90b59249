#include "logs/otlp_format.h"

#include <optional>

#include "base/json.h"
#include "base/str.h"
#include "logs/log_message.h"

namespace tessera {
namespace {

// Protobuf's wire format (https://protobuf.dev/programming-guides/encoding/): few fields, so they
// are written by hand instead of carrying another copy of the definitions.
enum Wire : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void PutVarint(std::string* out, std::uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}
void PutNumber(std::string* out, std::uint32_t field, std::uint64_t value) {
  PutVarint(out, field << 3 | kVarint);
  PutVarint(out, value);
}
void PutFixed64(std::string* out, std::uint32_t field, std::uint64_t value) {
  PutVarint(out, field << 3 | kFixed64);
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}
void PutBytes(std::string* out, std::uint32_t field, std::string_view bytes) {
  PutVarint(out, field << 3 | kBytes);
  PutVarint(out, bytes.size());
  out->append(bytes);
}

std::string TextValue(std::string_view text) {
  std::string value;
  PutBytes(&value, 1, text);
  return value;
}
std::string NumberValue(std::int64_t number) {
  std::string value;
  PutNumber(&value, 3, static_cast<std::uint64_t>(number));
  return value;
}
void PutAttribute(std::string* out, std::uint32_t field, std::string_view key,
                  const std::string& value) {
  std::string attribute;
  PutBytes(&attribute, 1, key);
  PutBytes(&attribute, 2, value);
  PutBytes(out, field, attribute);
}

std::string FromHex(std::string_view digits) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(value(digits[i]) << 4 | value(digits[i + 1])));
  return bytes;
}

struct Severity {
  std::uint32_t number;
  std::string_view text;
};
Severity SeverityOf(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return {5, "DEBUG"};
    case v1::LOG_LEVEL_WARNING:
      return {13, "WARN"};
    case v1::LOG_LEVEL_ERROR:
      return {17, "ERROR"};
    default:
      return {9, "INFO"};
  }
}

std::string Record(const v1::LogRecord& record) {
  constexpr std::uint32_t kAttributes = 6;
  const Severity severity = SeverityOf(record.level());
  const auto time = static_cast<std::uint64_t>(record.time_us()) * 1000;
  std::string out;
  PutFixed64(&out, 1, time);
  PutNumber(&out, 2, severity.number);
  PutBytes(&out, 3, severity.text);
  PutBytes(&out, 5, TextValue(record.message()));
  for (const auto& [name, text] : record.fields())
    PutAttribute(&out, kAttributes, name, TextValue(text));
  PutAttribute(&out, kAttributes, "code.file.path", TextValue(record.file()));
  PutAttribute(&out, kAttributes, "code.line.number", NumberValue(record.line()));
  PutAttribute(&out, kAttributes, "log.record.uid", TextValue(IdOf(record)));
  if (!record.request_id().empty())
    PutAttribute(&out, kAttributes, "http.request.id", TextValue(record.request_id()));
  if (!record.tenant().empty())
    PutAttribute(&out, kAttributes, "tenant", TextValue(record.tenant()));
  if (record.suppressed() > 0)
    PutAttribute(&out, kAttributes, "suppressed",
                 NumberValue(static_cast<std::int64_t>(record.suppressed())));
  if (!record.trace_id().empty()) PutBytes(&out, 9, FromHex(record.trace_id()));
  if (!record.span_id().empty()) PutBytes(&out, 10, FromHex(record.span_id()));
  PutFixed64(&out, 11, time);
  return out;
}

std::string Resource(const v1::LogRecord& record, const OtlpResource& resource) {
  std::string out;
  for (const auto& [key, text] : resource) PutAttribute(&out, 1, key, TextValue(text));
  PutAttribute(&out, 1, "service.instance.id", TextValue(record.process()));
  PutAttribute(&out, 1, "process.pid", NumberValue(record.pid()));
  return out;
}

/// Reads fields one after the other; nothing when the bytes are no message.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;
    std::string_view bytes;
  };
  bool done() const { return rest_.empty(); }
  std::optional<Field> Next() {
    const auto tag = Varint();
    if (!tag || *tag >> 3 == 0 || *tag > UINT32_MAX) return std::nullopt;
    Field field{.number = static_cast<std::uint32_t>(*tag >> 3)};
    if ((*tag & 7) == kVarint) {
      const auto value = Varint();
      if (!value) return std::nullopt;
      field.value = *value;
      return field;
    }
    if ((*tag & 7) != kBytes) return std::nullopt;
    const auto size = Varint();
    if (!size || *size > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return field;
  }

 private:
  std::optional<std::uint64_t> Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

}  // namespace

std::string OtlpLogsRequest(const std::vector<v1::LogRecord>& records,
                            const OtlpResource& resource) {
  struct Group {
    std::string resource;
    std::string records;
  };
  std::map<std::pair<std::string, std::int32_t>, Group> groups;
  for (const v1::LogRecord& record : records) {
    Group& group = groups[{record.process(), record.pid()}];
    if (group.resource.empty()) group.resource = Resource(record, resource);
    PutBytes(&group.records, 2, Record(record));
  }
  std::string out;
  for (const auto& [process, group] : groups) {
    std::string scope;
    PutBytes(&scope, 1, "tessera");
    std::string scoped;
    PutBytes(&scoped, 1, scope);
    scoped += group.records;
    std::string one;
    PutBytes(&one, 1, group.resource);
    PutBytes(&one, 2, scoped);
    PutBytes(&out, 1, one);
  }
  return out;
}

Result<OtlpReply> ReadOtlpLogsReply(std::string_view bytes) {
  OtlpReply reply;
  if (bytes.starts_with('{') && JsonDocument::Parse(std::string(bytes)).ok()) return reply;
  FieldReader fields(bytes);
  while (!fields.done()) {
    const auto field = fields.Next();
    if (!field || field->number != 1)
      return absl::UnavailableError("it answered what is no reply of an OpenTelemetry collector");
    FieldReader partial(field->bytes);
    while (!partial.done()) {
      const auto inner = partial.Next();
      if (!inner)
        return absl::UnavailableError("it answered what is no reply of an OpenTelemetry collector");
      if (inner->number == 1) reply.rejected = inner->value;
      if (inner->number == 2) reply.reason = std::string(inner->bytes);
    }
  }
  return reply;
}

}  // namespace tessera
