#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kKnownFirst = 16;  // names, before the list of them grows

// Levenshtein distance of two short names; names beyond 64 characters count as far.
std::size_t Distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kFar = 64;
  if (a.size() >= kFar || b.size() >= kFar) return kFar;
  std::array<std::size_t, kFar + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

// What a name in a message may show: input can be long or hold anything.
std::string Shown(std::string_view name) { return std::string(name.substr(0, 80)); }

std::string JoinNames(std::initializer_list<std::string_view> names) {
  std::string joined;
  for (const std::string_view name : names) {
    if (!joined.empty()) joined.append(", ");
    joined.append(name);
  }
  return joined;
}

}  // namespace

std::string_view NearestName(std::string_view name, const std::vector<std::string_view>& known) {
  std::string_view nearest;
  // Two swapped letters are two edits, and the commonest slip.
  const std::size_t edits = name.size() <= 3 ? 1 : std::max<std::size_t>(2, name.size() / 3);
  std::size_t best = edits + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = Distance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

JsonFields::JsonFields(JsonValue object, std::string path, JsonErrors& errors)
    : path_(std::move(path)), errors_(errors) {
  if (!object.is_object()) {
    errors_.Add(path_, StrCat("must be an object, is ", Name(object.kind())));
    return;
  }
  members_ = object.Members();
  known_.reserve(kKnownFirst);
}

std::optional<JsonValue> JsonFields::Take(std::string_view name) {
  known_.push_back(name);
  for (const auto& [key, value] : members_) {
    if (key == name) {
      if (value.is_null()) return std::nullopt;
      return value;
    }
  }
  return std::nullopt;
}

bool JsonFields::String(std::string_view name, std::string* out, std::size_t size_max) {
  const auto value = Take(name);
  if (!value) return false;
  const auto text = value->AsString();
  if (!text) {
    WrongKind(name, "a string", *value);
    return false;
  }
  if (text->size() > size_max) {
    Error(name, StrCat("is ", text->size(), " bytes long; at most ", size_max));
    return false;
  }
  out->assign(*text);
  return true;
}

bool JsonFields::Bool(std::string_view name, bool* out) {
  const auto value = Take(name);
  if (!value) return false;
  const auto flag = value->AsBool();
  if (!flag) {
    WrongKind(name, "true or false", *value);
    return false;
  }
  *out = *flag;
  return true;
}

bool JsonFields::Int(std::string_view name, std::int64_t* out, std::int64_t min, std::int64_t max) {
  const auto value = Take(name);
  if (!value) return false;
  const auto number = value->AsInt();
  if (!number) {
    WrongKind(name, "a whole number", *value);
    return false;
  }
  if (*number < min || *number > max) {
    Error(name, max == std::numeric_limits<std::int64_t>::max()
                    ? StrCat("must be at least ", min, ", is ", *number)
                    : StrCat("must be between ", min, " and ", max, ", is ", *number));
    return false;
  }
  *out = *number;
  return true;
}

bool JsonFields::Double(std::string_view name, double* out, double min, double max) {
  const auto value = Take(name);
  if (!value) return false;
  const auto number = value->AsDouble();
  if (!number) {
    WrongKind(name, "a number", *value);
    return false;
  }
  if (*number < min || *number > max) {
    Error(name, StrCat("must be between ", min, " and ", max, ", is ", *number));
    return false;
  }
  *out = *number;
  return true;
}

bool JsonFields::OneOf(std::string_view name, std::string* out,
                       std::initializer_list<std::string_view> allowed) {
  std::string text;
  if (!String(name, &text)) return false;
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    const std::string_view nearest = NearestName(text, allowed);
    std::string message =
        StrCat("must be one of ", JoinNames(allowed), "; is \"", Shown(text), "\"");
    if (!nearest.empty()) StrAppend(&message, "; did you mean \"", nearest, "\"?");
    Error(name, std::move(message));
    return false;
  }
  *out = std::move(text);
  return true;
}

bool JsonFields::Strings(std::string_view name, std::vector<std::string>* out, bool or_one) {
  const auto value = Take(name);
  if (!value) return false;
  if (or_one && value->is_string()) {
    out->assign(1, std::string(*value->AsString()));
    return true;
  }
  if (!value->is_array()) {
    WrongKind(name, or_one ? "a string or a list of strings" : "a list of strings", *value);
    return false;
  }
  std::vector<std::string> texts;
  for (const JsonValue& element : value->Elements()) {
    const auto text = element.AsString();
    if (!text) {
      errors_.Add(At(name, texts.size()), StrCat("must be a string, is ", Name(element.kind())));
      return false;
    }
    texts.emplace_back(*text);
  }
  *out = std::move(texts);
  return true;
}

std::optional<std::vector<JsonValue>> JsonFields::Array(std::string_view name) {
  const auto value = Take(name);
  if (!value) return std::nullopt;
  if (!value->is_array()) {
    WrongKind(name, "a list", *value);
    return std::nullopt;
  }
  return value->Elements();
}

std::optional<JsonValue> JsonFields::Object(std::string_view name) {
  const auto value = Take(name);
  if (!value) return std::nullopt;
  if (!value->is_object()) {
    WrongKind(name, "an object", *value);
    return std::nullopt;
  }
  return value;
}

bool JsonFields::Require(std::string_view name) {
  if (Take(name)) return true;
  Error(name, "is missing");
  return false;
}

void JsonFields::Ignore(std::initializer_list<std::string_view> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void JsonFields::Finish() {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::string_view name = members_[i].first;
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      const std::string_view nearest = NearestName(name, known_);
      Error(Shown(name), nearest.empty()
                             ? "is not a known field"
                             : StrCat("is not a known field; did you mean \"", nearest, "\"?"));
      continue;
    }
    // Readers may disagree on which of two wins, so neither does. Only known names get here, so
    // this stays short.
    for (std::size_t j = 0; j < i; ++j) {
      if (members_[j].first == name) {
        Error(name, "is there more than once");
        break;
      }
    }
  }
}

std::string JsonFields::At(std::string_view name) const {
  return path_.empty() ? std::string(name) : StrCat(path_, ".", name);
}

std::string JsonFields::At(std::string_view name, std::size_t index) const {
  return StrCat(At(name), "[", index, "]");
}

void JsonFields::Error(std::string_view name, std::string message) {
  errors_.Add(At(name), std::move(message));
}

void JsonFields::WrongKind(std::string_view name, std::string_view wanted, JsonValue value) {
  const bool fraction = value.kind() == JsonValue::Kind::kNumber && wanted == "a whole number";
  Error(name, StrCat("must be ", wanted, ", is ",
                     fraction ? std::string_view("a fraction or too large") : Name(value.kind())));
}

}  // namespace tessera
