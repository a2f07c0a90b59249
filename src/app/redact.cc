#include "app/redact.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "re2/re2.h"

namespace tessera {
namespace {

constexpr std::size_t kShortest = 6;
constexpr char kHidden[] = "***";

struct Rule {
  re2::RE2 pattern;
  std::string replacement;
};

const std::array<Rule, 4>& Rules() {
  static const auto* rules = new std::array<Rule, 4>{{
      {re2::RE2(R"((?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{6,})"), R"(\1***)"},
      {re2::RE2(R"((://)[^/@\s"']+@)"), R"(\1***@)"},
      {re2::RE2(
           R"((?i)([?&][a-z0-9_.-]*(?:key|token|secret|password|signature)[a-z0-9_.-]*=)[^&\s"']+)"),
       R"(\1***)"},
      {re2::RE2(
           R"re((?i)("[a-z0-9_.-]*(?:api_?key|token|secret|password|authorization)"\s*:\s*")[^"]+)re"),
       R"(\1***)"},
  }};
  return *rules;
}

void ReplaceAll(std::string& text, const std::string& what) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + sizeof kHidden - 1))
    text.replace(at, what.size(), kHidden);
}

}  // namespace

bool NamesSecret(std::string_view name) {
  static const re2::RE2 pattern("(?i)key|token|secret|passw|credential|auth");
  return re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), pattern);
}

Redactor::Redactor(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const std::string& secret) { return secret.size() < kShortest; });
  // The longest first: one may be a part of another.
  std::ranges::sort(secrets_, [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Redactor::Redact(std::string_view text) const {
  std::string clean(text);
  for (const std::string& secret : secrets_) ReplaceAll(clean, secret);
  for (const Rule& rule : Rules()) re2::RE2::GlobalReplace(&clean, rule.pattern, rule.replacement);
  return clean;
}

}  // namespace tessera
