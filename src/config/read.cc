#include "config/read.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/str.h"
#include "config/describe.h"
#include "config/secret.h"
#include "config/suggest.h"
#include "config/units.h"

namespace tessera {
namespace {

using Kind = TypeSpec::Kind;

std::string Join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : StrCat(path, ".", name);
}

// A value as it may be shown in a message: short, on one line.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c != 0x7f ? c : ' ';
  return StrCat(out, text.size() > 60 ? "…\"" : "\"");
}

std::string Found(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  return Quote(node.scalar);
}

// Reads one tree; collects what is wrong with it.
class Reader {
 public:
  explicit Reader(std::vector<Problem>& problems) : problems_(problems) {}

  void Struct(const YamlNode& node, const StructSpec& spec, const std::string& path, void* object) {
    if (node.kind != YamlNode::Kind::kMap && node.kind != YamlNode::Kind::kNull) {
      Say(node.mark, path, StrCat("expected a map of fields; found ", Found(node)));
      return;
    }
    const std::size_t before = problems_.size();
    for (const YamlNode::Entry& entry : node.entries) Entry(entry, spec, path, object);
    for (const FieldSpec& field : spec.fields) {
      if (field.required && node.Find(field.name) == nullptr)
        Say(node.mark, Join(path, field.name),
            StrCat("missing; write for example \"", field.name, ": ", ExampleOf(field), "\""));
    }
    if (problems_.size() != before) return;
    for (const StructCheck& check : spec.checks) {
      const Status status = check(object);
      if (!status.ok()) Say(node.mark, path, std::string(status.message()));
    }
  }

 private:
  void Say(Mark mark, std::string path, std::string message) {
    problems_.push_back({mark, std::move(path), std::move(message)});
  }

  void Entry(const YamlNode::Entry& entry, const StructSpec& spec, const std::string& path,
             void* object) {
    for (const FieldSpec& field : spec.fields) {
      if (field.name != entry.key) continue;
      Value(*entry.value, *field.type, field, Join(path, field.name), field.at(object));
      return;
    }
    std::vector<std::string> names;
    for (const FieldSpec& field : spec.fields) names.push_back(field.name);
    Say(entry.mark, Join(path, entry.key), UnknownKey(entry.key, names));
  }

  void Value(const YamlNode& node, const TypeSpec& type, const FieldSpec& field,
             const std::string& path, void* to) {
    switch (type.kind) {
      case Kind::kOptional:
        type.clear(to);
        if (node.kind != YamlNode::Kind::kNull)
          Value(node, *type.element, field, path, type.add(to, ""));
        return;
      case Kind::kStruct:
        return Struct(node, type.fields(), path, to);
      case Kind::kList:
      case Kind::kMap:
        return Container(node, type, field, path, to);
      default:
        break;
    }
    if (node.kind != YamlNode::Kind::kScalar) {
      const bool empty_text = type.kind == Kind::kString && node.kind == YamlNode::Kind::kNull;
      Say(node.mark, path,
          StrCat("expected ", TypeName(type), " such as ", ExampleOf(field, type), "; found ",
                 Found(node), empty_text ? " (an empty text is written \"\")" : ""));
      return;
    }
    const std::optional<Scalar> value = Convert(node, type, field, path);
    if (value && InLimits(node.mark, *value, type, field, path)) type.set(to, *value);
  }

  void Container(const YamlNode& node, const TypeSpec& type, const FieldSpec& field,
                 const std::string& path, void* to) {
    const bool list = type.kind == Kind::kList;
    if (node.kind != (list ? YamlNode::Kind::kList : YamlNode::Kind::kMap)) {
      Say(node.mark, path,
          StrCat("expected ", TypeName(type), " such as ", ExampleOf(field, type), "; found ",
                 Found(node)));
      return;
    }
    const auto size = static_cast<std::int64_t>(list ? node.items.size() : node.entries.size());
    if (!LengthInLimits(node.mark, size, list ? "items" : "entries", field, path)) return;
    type.clear(to);     // what is given replaces the default
    FieldSpec element;  // limits of the field are those of the length, not of the elements
    for (std::size_t i = 0; i < node.items.size(); ++i)
      Value(*node.items[i], *type.element, element, StrCat(path, "[", i, "]"), type.add(to, ""));
    for (const YamlNode::Entry& entry : node.entries)
      Value(*entry.value, *type.element, element, Join(path, entry.key), type.add(to, entry.key));
  }

  std::optional<Scalar> Convert(const YamlNode& node, const TypeSpec& type, const FieldSpec& field,
                                const std::string& path) {
    const std::string& text = node.scalar;
    const auto wrong = [&](std::string_view hint = "") {
      Say(node.mark, path,
          StrCat(Found(node), " is not ", TypeName(type), "; write for example ",
                 ExampleOf(field, type), hint));
      return std::nullopt;
    };
    switch (type.kind) {
      case Kind::kString:
        return text;
      case Kind::kSecret:
        return SecretOf(node, path);
      case Kind::kBool:
        if (text == "true" || text == "false") return text == "true";
        Say(node.mark, path, StrCat(Found(node), " is neither true nor false"));
        return std::nullopt;
      case Kind::kEnum:
        return ChoiceOf(node, type, path);
      case Kind::kInteger:
      case Kind::kNumber:
        if (node.quoted) return wrong(", without quotes");
        return NumberOf(text, type.kind, wrong);
      case Kind::kDuration:
      case Kind::kBytes: {
        const auto value = type.kind == Kind::kBytes ? ParseBytes(text) : ParseDuration(text);
        if (!value.ok()) return wrong();
        return *value;
      }
      default:
        return wrong();
    }
  }

  template <class Wrong>
  static std::optional<Scalar> NumberOf(const std::string& text, Kind kind, const Wrong& wrong) {
    const char* const end = text.data() + text.size();
    if (kind == Kind::kInteger) {
      std::int64_t value = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc() || stop != end) return wrong("");
      return value;
    }
    double value = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value)) return wrong("");
    return value;
  }

  // The text itself is not shown: it may be the secret.
  std::optional<Scalar> SecretOf(const YamlNode& node, const std::string& path) {
    if (node.scalar.empty()) return std::string();  // none
    const Result<Secret> secret = ResolveSecret(node.scalar);
    if (!secret.ok()) {
      Say(node.mark, path, std::string(secret.status().message()));
      return std::nullopt;
    }
    return secret->Reveal();
  }

  std::optional<Scalar> ChoiceOf(const YamlNode& node, const TypeSpec& type,
                                 const std::string& path) {
    std::vector<std::string> words;
    for (const auto& [word, value] : type.choices) {
      if (word == node.scalar) return value;
      words.push_back(word);
    }
    const std::string near = NearestWord(node.scalar, words);
    Say(node.mark, path,
        StrCat(Found(node), " is not one of ", TypeName(type),
               near.empty() ? "" : StrCat("; did you mean \"", near, "\"?")));
    return std::nullopt;
  }

  bool InLimits(Mark mark, const Scalar& value, const TypeSpec& type, const FieldSpec& field,
                const std::string& path) {
    if (type.kind == Kind::kString || type.kind == Kind::kSecret)
      return LengthInLimits(mark, static_cast<std::int64_t>(std::get<std::string>(value).size()),
                            "bytes", field, path);
    const bool integer = type.kind == Kind::kInteger;
    const std::optional<Scalar> min = field.min || !integer ? field.min : Scalar(type.lowest);
    const std::optional<Scalar> max = field.max || !integer ? field.max : Scalar(type.highest);
    const bool below = min && value < *min;
    if (!below && !(max && value > *max)) return true;
    Say(mark, path,
        StrCat(ShowScalar(type, value), below ? " is below " : " is above ",
               ShowScalar(type, below ? *min : *max)));
    return false;
  }

  bool LengthInLimits(Mark mark, std::int64_t size, std::string_view what, const FieldSpec& field,
                      const std::string& path) {
    const std::int64_t min = field.min ? std::get<std::int64_t>(*field.min) : 0;
    const std::int64_t max = field.max ? std::get<std::int64_t>(*field.max) : INT64_MAX;
    if (size >= min && size <= max) return true;
    if (size == 0) {
      Say(mark, path, "must not be empty");
    } else {
      Say(mark, path,
          StrCat("has ", size, " ", what, "; ", size < min ? "at least " : "at most ",
                 size < min ? min : max));
    }
    return false;
  }

  std::vector<Problem>& problems_;
};

}  // namespace

void ReadStruct(const YamlNode& node, const StructSpec& spec, const std::string& path, void* object,
                std::vector<Problem>& problems) {
  Reader(problems).Struct(node, spec, path, object);
}

std::string UnknownKey(std::string_view key, const std::vector<std::string>& known) {
  const std::string near = NearestWord(key, known);
  if (!near.empty()) return StrCat("unknown key; did you mean \"", near, "\"?");
  std::string list;
  for (std::size_t i = 0; i < known.size() && i < 12; ++i)
    StrAppend(&list, i == 0 ? "" : ", ", known[i]);
  return StrCat("unknown key; known here: ", list, known.size() > 12 ? ", …" : "");
}

}  // namespace tessera
