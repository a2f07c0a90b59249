#include "telemetry/redact.h"

#include <algorithm>
#include <array>
#include <utility>

#include "re2/re2.h"

namespace tessera {
namespace {

using re2::RE2;
using re2::StringPiece;

constexpr std::size_t kShortest = 6;
constexpr char kHidden[] = "***";

struct Rule {
  RE2 pattern;
  std::string replacement;
};

const std::array<Rule, 7>& Rules() {
  static const auto* rules = new std::array<Rule, 7>{{
      {RE2(R"((?i)(\b(?:bearer|basic|apikey)\s+)[a-z0-9._~+/=-]{6,})"), R"(\1***)"},
      {RE2(R"((://)[^/@\s"']+@)"), R"(\1***@)"},
      {RE2(R"((?i)([?&][a-z0-9_.-]*(?:key|token|secret|password|signature)[a-z0-9_.-]*=)[^&\s"']+)"),
       R"(\1***)"},
      {RE2(R"re((?i)("[a-z0-9_.-]*(?:api_?key|token|secret|password|authorization)"\s*:\s*")[^"]+)re"),
       R"(\1***)"},
      {RE2(R"(\b(?:sk|pk|rk|tsr)[-_][A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,})"
           R"(|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bA(?:KIA|SIA)[0-9A-Z]{16}\b|\bhf_[A-Za-z0-9]{20,})"),
       kHidden},
      {RE2(R"(\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"), kHidden},
      {RE2(R"((?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))"),
       kHidden},
  }};
  return *rules;
}

void ReplaceAll(std::string& text, const std::string& what) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + sizeof kHidden - 1))
    text.replace(at, what.size(), kHidden);
}

// Luhn: every second digit from the right counts double.
bool IsCard(std::string_view text) {
  int sum = 0;
  int digits = 0;
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    if (*at < '0' || *at > '9') continue;
    const int value = (*at - '0') * (digits++ % 2 == 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  }
  return digits >= 13 && digits <= 19 && sum % 10 == 0;
}

// ISO 13616: the first four characters go to the end, letters count from 10; the rest by 97 is 1.
bool IsIban(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain.push_back(c);
  }
  if (plain.size() < 15 || plain.size() > 34) return false;
  std::rotate(plain.begin(), plain.begin() + 4, plain.end());
  int rest = 0;
  for (const char c : plain) {
    const bool digit = c >= '0' && c <= '9';
    rest = digit ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (c - 'A' + 10)) % 97;
  }
  return rest == 1;
}

void ReplaceWhere(std::string& text, const RE2& pattern, bool (*holds)(std::string_view)) {
  std::string out;
  std::size_t from = 0;
  StringPiece found;
  while (from < text.size() && pattern.Match(text, from, text.size(), RE2::UNANCHORED, &found, 1) &&
         !found.empty()) {
    const auto at = static_cast<std::size_t>(found.data() - text.data());
    const std::string_view one(found.data(), found.size());
    out.append(text, from, at - from);
    out.append(holds(one) ? std::string_view(kHidden) : one);
    from = at + found.size();
  }
  if (from == 0) return;
  out.append(text, from);
  text = std::move(out);
}

// Length of the UTF-8 sequence at the front; 0: there is none.
std::size_t SequenceAt(std::string_view text) {
  const auto byte = [text](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90))
    return 0;
  return size;
}

}  // namespace

struct Redactor::Patterns {
  RE2 email{R"([A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"};
  RE2 phone{
      R"((?:\+|\b00)[1-9][0-9 ()./-]{6,18}[0-9]\b|\b0[1-9][0-9]{1,4}[ /-][0-9][0-9 -]{4,}[0-9]\b)"};
  RE2 iban{R"(\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)"};
  RE2 card{R"(\b[0-9](?:[ -]?[0-9]){12,18}\b)"};
  std::vector<std::unique_ptr<RE2>> own;
};

bool NamesSecret(std::string_view name) {
  static const RE2 pattern("(?i)key|token|secret|passw|credential|auth");
  return RE2::PartialMatch(StringPiece(name.data(), name.size()), pattern);
}

bool HoldsSecret(std::string_view name, std::string_view value) {
  static const RE2 pattern(
      "(?i)(?:api|access|private|owner|signing)_?key|token|secret|passw|credential|authorization|"
      "cookie");
  if (value.find_first_not_of("0123456789.") == std::string_view::npos) return false;
  return RE2::PartialMatch(StringPiece(name.data(), name.size()), pattern);
}

Status CheckPatterns(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    const RE2 compiled(pattern, RE2::Quiet);
    if (!compiled.ok())
      return absl::InvalidArgumentError(
          StrCat("patterns: \"", pattern, "\" is no regular expression: ", compiled.error()));
  }
  return absl::OkStatus();
}

std::string ValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = SequenceAt(text);
    out.append(size == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, size));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

Redactor::Redactor(std::vector<std::string> secrets, RedactionRules rules)
    : secrets_(std::move(secrets)), rules_(std::move(rules)), patterns_([this] {
        auto patterns = std::make_unique<Patterns>();
        for (const std::string& pattern : rules_.patterns)
          patterns->own.push_back(std::make_unique<RE2>(pattern, RE2::Quiet));
        return patterns;
      }()) {
  std::erase_if(secrets_, [](const std::string& secret) { return secret.size() < kShortest; });
  // The longest first: one may be a part of another.
  std::ranges::sort(secrets_, [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

Redactor::~Redactor() = default;

std::string Redactor::Redact(std::string_view text) const {
  std::string clean(text);
  for (const std::string& secret : secrets_) ReplaceAll(clean, secret);
  for (const Rule& rule : Rules()) RE2::GlobalReplace(&clean, rule.pattern, rule.replacement);
  if (rules_.iban) ReplaceWhere(clean, patterns_->iban, IsIban);
  if (rules_.card) ReplaceWhere(clean, patterns_->card, IsCard);
  if (rules_.email) RE2::GlobalReplace(&clean, patterns_->email, kHidden);
  if (rules_.phone) RE2::GlobalReplace(&clean, patterns_->phone, kHidden);
  for (const auto& pattern : patterns_->own) {
    if (pattern->ok()) RE2::GlobalReplace(&clean, *pattern, kHidden);
  }
  return clean;
}

}  // namespace tessera
