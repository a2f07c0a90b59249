#include "net/http2.h"

namespace tessera {

void Http2Headers::Add(std::string_view name, std::string_view value) {
  if (entries_.empty()) {
    entries_.reserve(12);
    text_.reserve(384);
  }
  const auto begin = static_cast<std::uint32_t>(text_.size());
  text_.append(name);
  const auto middle = static_cast<std::uint32_t>(text_.size());
  text_.append(value);
  entries_.push_back({begin, middle, static_cast<std::uint32_t>(text_.size())});
}

std::string_view Http2Headers::name(std::size_t i) const {
  const Entry& entry = entries_[i];
  return std::string_view(text_).substr(entry.begin, entry.value_begin - entry.begin);
}

std::string_view Http2Headers::value(std::size_t i) const {
  const Entry& entry = entries_[i];
  return std::string_view(text_).substr(entry.value_begin, entry.end - entry.value_begin);
}

std::optional<std::string_view> Http2Headers::Find(std::string_view wanted) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (name(i) == wanted) return value(i);
  }
  return std::nullopt;
}

}  // namespace tessera
