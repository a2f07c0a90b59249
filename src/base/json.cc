#include "base/json.h"

#include <algorithm>
#include <bit>

#include <simdjson.h>

#include "base/json_locate.h"

namespace tessera {
namespace {

using Element = simdjson::dom::element;

constexpr std::size_t kDepthMax = 64;
constexpr std::size_t kErrorsMax = 16;

// An element is the pair {document, index}; JsonValue keeps just that, so that no other file needs
// simdjson's header.
static_assert(sizeof(Element) == sizeof(void*) + sizeof(std::size_t));

struct Pair {
  const void* document;
  std::size_t index;
};
Element ToElement(const void* document, std::size_t index) {
  return std::bit_cast<Element>(Pair{document, index});
}

}  // namespace

struct JsonDocument::Parser {
  simdjson::dom::parser parser;
  Element root;

  // Parsers keep their buffers; a thread reuses the last few.
  static std::vector<std::unique_ptr<Parser>>& Idle() {
    thread_local std::vector<std::unique_ptr<Parser>> idle;
    return idle;
  }
  static std::unique_ptr<Parser> Take() {
    auto& idle = Idle();
    if (idle.empty()) return std::make_unique<Parser>();
    auto parser = std::move(idle.back());
    idle.pop_back();
    return parser;
  }
  static void Give(std::unique_ptr<Parser> parser) {
    constexpr std::size_t kIdleMax = 4;
    constexpr std::size_t kCapacityMax = std::size_t{1} << 20;
    auto& idle = Idle();
    if (idle.size() < kIdleMax && parser->parser.capacity() <= kCapacityMax) {
      idle.push_back(std::move(parser));
    }
  }
};

JsonDocument::JsonDocument(std::unique_ptr<Parser> parser) : parser_(std::move(parser)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() {
  if (parser_) Parser::Give(std::move(parser_));
}

Result<JsonDocument> JsonDocument::Parse(std::string text) {
  auto parser = Parser::Take();
  if (text.size() > parser->parser.capacity() || parser->parser.max_depth() != kDepthMax) {
    const std::size_t capacity = std::max<std::size_t>(text.size(), 4096);
    if (parser->parser.allocate(capacity, kDepthMax)) {
      return absl::ResourceExhaustedError("out of memory while reading JSON");
    }
  }
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  const auto error = parser->parser.parse(text.data(), text.size(), false).get(parser->root);
  if (error) return LocateJsonError(text, simdjson::error_message(error));
  return JsonDocument(std::move(parser));
}

JsonValue JsonDocument::root() const {
  const auto pair = std::bit_cast<Pair>(parser_->root);
  return JsonValue(pair.document, pair.index);
}

JsonValue::Kind JsonValue::kind() const {
  if (document_ == nullptr) return Kind::kNull;
  switch (ToElement(document_, index_).type()) {
    case simdjson::dom::element_type::ARRAY:
      return Kind::kArray;
    case simdjson::dom::element_type::OBJECT:
      return Kind::kObject;
    case simdjson::dom::element_type::STRING:
      return Kind::kString;
    case simdjson::dom::element_type::BOOL:
      return Kind::kBool;
    case simdjson::dom::element_type::NULL_VALUE:
      return Kind::kNull;
    default:
      return Kind::kNumber;
  }
}

std::optional<std::string_view> JsonValue::AsString() const {
  std::string_view text;
  if (document_ == nullptr || ToElement(document_, index_).get_string().get(text)) {
    return std::nullopt;
  }
  return text;
}

std::optional<bool> JsonValue::AsBool() const {
  bool value = false;
  if (document_ == nullptr || ToElement(document_, index_).get_bool().get(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::int64_t> JsonValue::AsInt() const {
  std::int64_t value = 0;
  if (kind() != Kind::kNumber) return std::nullopt;
  if (!ToElement(document_, index_).get_int64().get(value)) return value;
  // 3.0 and 1e3 are whole numbers too.
  const auto number = AsDouble();
  if (number && *number >= -9007199254740992.0 && *number <= 9007199254740992.0 &&
      static_cast<double>(static_cast<std::int64_t>(*number)) == *number) {
    return static_cast<std::int64_t>(*number);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> JsonValue::AsUint() const {
  std::uint64_t value = 0;
  if (kind() != Kind::kNumber) return std::nullopt;
  if (!ToElement(document_, index_).get_uint64().get(value)) return value;
  const auto whole = AsInt();
  if (whole && *whole >= 0) return static_cast<std::uint64_t>(*whole);
  return std::nullopt;
}

std::optional<double> JsonValue::AsDouble() const {
  double value = 0;
  if (document_ == nullptr || ToElement(document_, index_).get_double().get(value)) {
    return std::nullopt;
  }
  return value;
}

std::vector<JsonValue> JsonValue::Elements() const {
  std::vector<JsonValue> elements;
  simdjson::dom::array array;
  if (document_ == nullptr || ToElement(document_, index_).get_array().get(array)) return elements;
  elements.reserve(array.size());
  for (const Element element : array) {
    const auto pair = std::bit_cast<Pair>(element);
    elements.push_back(JsonValue(pair.document, pair.index));
  }
  return elements;
}

std::vector<JsonValue::Member> JsonValue::Members() const {
  std::vector<Member> members;
  simdjson::dom::object object;
  if (document_ == nullptr || ToElement(document_, index_).get_object().get(object)) {
    return members;
  }
  members.reserve(object.size());
  for (const auto field : object) {
    const auto pair = std::bit_cast<Pair>(field.value);
    members.emplace_back(field.key, JsonValue(pair.document, pair.index));
  }
  return members;
}

std::optional<JsonValue> JsonValue::Find(std::string_view name) const {
  simdjson::dom::object object;
  if (document_ == nullptr || ToElement(document_, index_).get_object().get(object)) {
    return std::nullopt;
  }
  for (const auto field : object) {
    if (field.key != name) continue;
    const auto pair = std::bit_cast<Pair>(field.value);
    return JsonValue(pair.document, pair.index);
  }
  return std::nullopt;
}

std::string JsonValue::ToJson() const {
  if (document_ == nullptr) return "null";
  return simdjson::minify(ToElement(document_, index_));
}

std::string_view Name(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBool:
      return "a boolean";
    case JsonValue::Kind::kNumber:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kArray:
      return "a list";
    case JsonValue::Kind::kObject:
      return "an object";
  }
  return "";
}

void JsonErrors::Add(std::string field, std::string message) {
  if (errors_.size() < kErrorsMax) errors_.push_back({std::move(field), std::move(message)});
}

Status JsonErrors::status() const {
  return errors_.empty() ? absl::OkStatus() : InvalidFields(errors_);
}

}  // namespace tessera
