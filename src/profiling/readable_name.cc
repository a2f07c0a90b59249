// Short names of functions.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include <cxxabi.h>

#include "base/str.h"
#include "profiling/modules.h"

namespace tessera {
namespace {

constexpr std::size_t kNameMax = 300;
constexpr std::string_view kAnonymous = "(anonymous namespace)::";
constexpr std::string_view kOperator = "operator";

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool EndsWithOperator(std::string_view text) {
  if (!text.ends_with(kOperator)) return false;
  return text.size() == kOperator.size() || !IsWord(text[text.size() - kOperator.size() - 1]);
}

// Past the end of what opens at `at`.
std::size_t AfterGroup(std::string_view text, std::size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
    if (c == '>' && at > 0 && text[at - 1] == '-') continue;  // an arrow
    if (c == ')' || c == '>' || c == '}' || c == ']') {
      if (--depth == 0) return at + 1;
    }
  }
  return text.size();
}

// Symbols of operators are kept: "operator()", "operator<<".
std::size_t AfterOperator(std::string_view text, std::size_t at) {
  if (text.substr(at).starts_with("()") || text.substr(at).starts_with("[]")) return at + 2;
  while (at < text.size() &&
         std::string_view("<>=-+*/%&|^!~,").find(text[at]) != std::string_view::npos)
    ++at;
  return at;
}

std::string WithoutDetails(std::string_view full) {
  std::string name;
  std::size_t at = 0;
  while (at < full.size()) {
    const std::string_view rest = full.substr(at);
    if (EndsWithOperator(name) && !IsWord(full[at]) && full[at] != ' ') {
      const std::size_t next = AfterOperator(full, at);
      if (next > at) {
        name += full.substr(at, next - at);
        at = next;
        continue;
      }
    }
    if (rest.starts_with(kAnonymous)) {
      at += kAnonymous.size();
    } else if (full[at] == '(' || full[at] == '[') {
      at = AfterGroup(full, at);
    } else if (rest.starts_with(" <")) {
      ++at;
    } else if (full[at] == '<') {
      name += "<>";
      at = AfterGroup(full, at);
    } else if (full[at] == '{') {
      name += rest.starts_with("{lambda") ? "{lambda}" : "{}";
      at = AfterGroup(full, at);
    } else {
      name.push_back(full[at++]);
    }
  }
  return name;
}

// What is returned stands before the last space, unless that belongs to the name.
std::string_view WithoutReturned(std::string_view name) {
  for (const std::string_view end : {" const", " volatile", " &", " &&", "&"}) {
    if (name.ends_with(end)) name.remove_suffix(end.size());
  }
  std::size_t start = 0;
  for (std::size_t at = name.find(' '); at != std::string_view::npos; at = name.find(' ', at + 1)) {
    if (EndsWithOperator(name.substr(0, at))) break;
    start = at + 1;
  }
  return name.substr(start);
}

}  // namespace

std::string ReadableName(std::string_view linker_name) {
  const std::string whole(linker_name.substr(0, linker_name.find('.')));
  const std::string_view clone = linker_name.substr(std::min(whole.size(), linker_name.size()));
  int failed = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(whole.c_str(), nullptr, nullptr, &failed), &std::free);
  if (failed != 0 || !demangled) return whole.substr(0, kNameMax);
  const std::string detailed = WithoutDetails(demangled.get());
  std::string name(WithoutReturned(detailed).substr(0, kNameMax));
  if (clone.starts_with(".destroy") || clone.starts_with(".cleanup")) name += " [destroy]";
  return name;
}

}  // namespace tessera
