// From a definition as people write it to one that can be asked: every fault is told, with its
// path.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/field_error.h"
#include "base/json.h"
#include "flags/flag_set.h"

namespace tessera {
namespace {

constexpr std::size_t kKeyMax = 128;
constexpr std::size_t kTextMax = 16 << 10;
constexpr std::size_t kFaultsMax = 16;
constexpr int kVariantsMax = 50;
constexpr int kRulesMax = 100;
constexpr int kEntriesMax = 1000;
constexpr std::int64_t kIntegerMax = (std::int64_t{1} << 53) - 1;  // what JSON carries unharmed

bool IsName(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  };
  return !text.empty() && text.size() <= kKeyMax && std::all_of(text.begin(), text.end(), fits);
}

template <class Number>
bool ReadWhole(std::string_view text, Number* number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

}  // namespace

class FlagCompiler {
 public:
  FlagCompiler(const v1::Flag& flag, std::string_view path) : path_(path) {
    made_.definition_ = flag;
  }

  Result<std::unique_ptr<const CompiledFlag>> Run() {
    v1::Flag& flag = made_.definition_;
    if (!IsName(flag.key()))
      Fault("key", "must have 1 to 128 letters, digits, \".\", \"_\", \"-\" or \":\"");
    made_.hash_ = StableHash(flag.key());
    if (flag.description().size() > kTextMax) Fault("description", "is longer than 16 KB");
    Variants();
    if (const auto at = Variant("default_variant", flag.default_variant()))
      made_.default_variant_ = *at;
    if (flag.rules_size() > kRulesMax) Fault("rules", StrCat("are more than ", kRulesMax));
    for (int i = 0; i < std::min(flag.rules_size(), kRulesMax); ++i)
      made_.rules_.push_back(Rule(StrCat("rules[", i, "]"), *flag.mutable_rules(i)));
    if (!faults_.empty()) return InvalidFields(faults_);
    return std::unique_ptr<const CompiledFlag>(
        std::make_unique<CompiledFlag>(CompiledFlag(std::move(made_))));
  }

 private:
  void Fault(std::string_view field, std::string_view message) {
    if (faults_.size() < kFaultsMax)
      faults_.push_back({StrCat(path_, field), std::string(message)});
  }

  void Variants() {
    const v1::Flag& flag = made_.definition_;
    if (flag.type() <= v1::FLAG_TYPE_UNSPECIFIED || flag.type() > v1::FLAG_TYPE_OBJECT)
      return Fault("type", "must be one of boolean, string, integer, number, object");
    if (flag.variants().empty()) Fault("variants", "must have at least one entry");
    if (flag.variants_size() > kVariantsMax)
      return Fault("variants", StrCat("are more than ", kVariantsMax));
    for (const auto& [name, text] : flag.variants()) {
      const std::string at = StrCat("variants[\"", name.substr(0, 80), "\"]");
      if (!IsName(name))
        Fault(at, "its name must have 1 to 128 letters, digits, \".\", \"_\", \"-\" or \":\"");
      FlagVariant variant{.name = name, .hash = StableHash(name), .text = text};
      if (text.size() > kTextMax) {
        Fault(at, "is longer than 16 KB");
      } else if (const std::string fault = ReadValue(flag.type(), variant); !fault.empty()) {
        Fault(at, fault);
      }
      made_.variants_.push_back(std::move(variant));
    }
  }

  // What is wrong with the text; "" when nothing is.
  static std::string ReadValue(v1::FlagType type, FlagVariant& variant) {
    const std::string_view text = variant.text;
    switch (type) {
      case v1::FLAG_TYPE_BOOLEAN:
        variant.boolean = text == "true";
        return text == "true" || text == "false" ? "" : "must be \"true\" or \"false\"";
      case v1::FLAG_TYPE_INTEGER:
        if (!ReadWhole(text, &variant.integer) || std::abs(variant.integer) > kIntegerMax)
          return "must be a whole number of at most 2^53 - 1 either way";
        variant.number = static_cast<double>(variant.integer);
        return "";
      case v1::FLAG_TYPE_NUMBER:
        return ReadWhole(text, &variant.number) && std::isfinite(variant.number)
                   ? ""
                   : "must be a number";
      case v1::FLAG_TYPE_OBJECT: {
        const Result<JsonDocument> document = JsonDocument::Parse(variant.text);
        if (!document.ok()) return std::string(document.status().message());
        if (!document->root().is_object())
          return StrCat("must be a JSON object, is ", Name(document->root().kind()));
        variant.text = document->root().ToJson();
        return "";
      }
      default:
        return "";
    }
  }

  std::optional<std::size_t> Variant(std::string_view field, std::string_view name) {
    for (std::size_t i = 0; i < made_.variants_.size(); ++i) {
      if (made_.variants_[i].name == name) return i;
    }
    Fault(field, name.empty() ? std::string("must name a variant")
                              : StrCat("there is no variant \"", name.substr(0, 80), "\""));
    return std::nullopt;
  }

  template <class Repeated>
  std::vector<std::string> List(std::string_view field, const Repeated& entries) {
    if (entries.size() > kEntriesMax) Fault(field, StrCat("are more than ", kEntriesMax));
    for (int i = 0; i < std::min(entries.size(), kEntriesMax); ++i) {
      if (entries.Get(i).empty() || entries.Get(i).size() > 512)
        Fault(StrCat(field, "[", i, "]"), "must have 1 to 512 bytes");
    }
    return {entries.begin(), entries.end()};
  }

  CompiledFlag::Rule Rule(const std::string& at, v1::FlagRule& rule) {
    CompiledFlag::Rule made;
    made.principals = List(StrCat(at, ".principals"), rule.principals());
    made.tenants = List(StrCat(at, ".tenants"), rule.tenants());
    made.scopes = List(StrCat(at, ".scopes"), rule.scopes());
    Headers(at, rule, made);
    if (rule.variant().empty() == rule.split().empty()) {
      Fault(at, "must have either a variant or a split");
    } else if (rule.split().empty()) {
      made.variant = Variant(StrCat(at, ".variant"), rule.variant()).value_or(0);
    } else {
      Split(at, rule, made);
    }
    return made;
  }

  // Names of headers have no case: they are kept in lower case.
  void Headers(const std::string& at, v1::FlagRule& rule, CompiledFlag::Rule& made) {
    if (rule.headers_size() > kVariantsMax)
      return Fault(StrCat(at, ".headers"), StrCat("are more than ", kVariantsMax));
    for (const auto& [name, value] : rule.headers()) {
      if (!IsName(name) || value.size() > 512)
        Fault(StrCat(at, ".headers[\"", name.substr(0, 80), "\"]"),
              "must be a header's name and at most 512 bytes");
      made.headers.emplace_back(ToLower(name), value);
    }
    rule.clear_headers();
    for (const auto& [name, value] : made.headers) (*rule.mutable_headers())[name] = value;
  }

  void Split(const std::string& at, const v1::FlagRule& rule, CompiledFlag::Rule& made) {
    if (rule.split_size() > kVariantsMax)
      return Fault(StrCat(at, ".split"), StrCat("are more than ", kVariantsMax));
    std::vector<std::optional<std::size_t>> seen;
    for (int i = 0; i < rule.split_size(); ++i) {
      const v1::FlagShare& share = rule.split(i);
      const std::string here = StrCat(at, ".split[", i, "]");
      const auto variant = Variant(here + ".variant", share.variant());
      const bool usable = std::isfinite(share.weight()) && share.weight() >= 0;
      if (!usable) Fault(here + ".weight", "must be a number from 0");
      if (variant && std::find(seen.begin(), seen.end(), variant) != seen.end())
        Fault(here + ".variant", "stands in the split already");
      seen.push_back(variant);
      if (variant && usable && share.weight() > 0) made.split.push_back({*variant, share.weight()});
    }
    if (made.split.empty()) Fault(StrCat(at, ".split"), "must have a weight above 0");
  }

  const std::string path_;
  CompiledFlag made_;
  std::vector<FieldError> faults_;
};

Result<std::unique_ptr<const CompiledFlag>> CompiledFlag::Make(const v1::Flag& flag,
                                                               std::string_view path) {
  return FlagCompiler(flag, path).Run();
}

}  // namespace tessera
