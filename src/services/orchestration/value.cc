#include "services/orchestration/value.h"

#include <cctype>

namespace tessera {

const Value& Variables::Get(std::string_view name) const {
  static const Value nothing;
  const auto found = values_.find(name);
  return found == values_.end() ? nothing : found->second;
}

void Variables::Set(std::string name, Value value) {
  if (forked_) written_.insert(name);
  values_[std::move(name)] = std::move(value);
}

Variables Variables::Fork() const {
  Variables fork = *this;
  fork.written_.clear();
  fork.forked_ = true;
  return fork;
}

void Variables::Merge(const Variables& fork) {
  for (const std::string& name : fork.written_) Set(name, fork.Get(name));
}

std::size_t SizeOf(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return texts->size();
  if (const auto* passages = std::get_if<Passages>(&value)) return passages->size();
  return 0;
}

bool Truthy(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<double>(&value)) return *number != 0;
  return SizeOf(value) > 0;
}

std::string ToText(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return StrCat(*number);
  std::string joined;
  for (const std::string& text : ToTexts(value)) {
    if (!joined.empty()) joined += "\n\n";
    joined += text;
  }
  return joined;
}

std::vector<std::string> ToTexts(const Value& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return *texts;
  std::vector<std::string> texts;
  if (const auto* passages = std::get_if<Passages>(&value)) {
    for (const v1::Hit& hit : *passages) texts.push_back(hit.chunk().text());
  } else if (Truthy(value)) {
    texts.push_back(ToText(value));
  }
  return texts;
}

Result<Template> Template::Parse(std::string_view text) {
  Template parsed;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) parsed.pieces_.push_back({false, std::exchange(literal, {})});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' && text[i] != '}') {
      literal.push_back(text[i]);
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == text[i]) {
      literal.push_back(text[i++]);
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (text[i] == '}' || end == std::string_view::npos) {
      return absl::InvalidArgumentError(StrCat("template: a lone '", text.substr(i, 1),
                                               "' at character ", i + 1,
                                               "; write it twice to mean the character itself"));
    }
    const std::string_view name = text.substr(i + 1, end - i - 1);
    for (const char c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') {
        return absl::InvalidArgumentError(
            StrCat("template: \"{", name, "}\" is no variable; write {{ and }} for braces"));
      }
    }
    flush();
    parsed.pieces_.push_back({true, std::string(name)});
    i = end;
  }
  flush();
  return parsed;
}

std::string Template::Fill(const Variables& variables) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.is_name ? ToText(variables.Get(piece.text)) : piece.text;
  }
  return text;
}

std::vector<std::string> Template::Names() const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.is_name) names.push_back(piece.text);
  }
  return names;
}

}  // namespace tessera
