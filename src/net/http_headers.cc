#include "net/http_headers.h"

#include "base/str.h"

namespace tessera {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; }

void AppendClean(std::string& bytes, std::string_view text) {
  const std::size_t at = bytes.size();
  bytes.append(text);
  unsigned controls = 0;  // counted without a branch: the compiler makes vectors of it
  for (const char c : text) controls += IsControl(c) ? 1 : 0;
  if (controls == 0) [[likely]]
    return;
  for (std::size_t i = at; i < bytes.size(); ++i) {
    if (IsControl(bytes[i])) bytes[i] = ' ';
  }
}

}  // namespace

HttpHeaders::Field HttpHeaders::operator[](std::size_t index) const {
  const Entry& entry = fields_[index];
  const std::string_view bytes = bytes_;
  return {bytes.substr(entry.name_at, entry.name_size),
          bytes.substr(entry.value_at, entry.value_size)};
}

std::string_view HttpHeaders::Get(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name_size != name.size()) continue;
    const Field field = (*this)[i];
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return {};
}

bool HttpHeaders::Has(std::string_view name) const { return Count(name) > 0; }

std::size_t HttpHeaders::Count(std::string_view name) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name_size == name.size() && EqualsIgnoreCase((*this)[i].name, name)) ++count;
  }
  return count;
}

void HttpHeaders::Add(std::string_view name, std::string_view value) {
  if (bytes_.empty()) {
    bytes_.reserve(512);
    fields_.reserve(16);
  }
  Entry entry;
  entry.name_at = static_cast<std::uint32_t>(bytes_.size());
  entry.name_size = static_cast<std::uint32_t>(name.size());
  AppendClean(bytes_, name);
  bytes_.append(": ");
  entry.value_at = static_cast<std::uint32_t>(bytes_.size());
  entry.value_size = static_cast<std::uint32_t>(value.size());
  AppendClean(bytes_, value);
  bytes_.append("\r\n");
  fields_.push_back(entry);
}

void HttpHeaders::Set(std::string_view name, std::string_view value) {
  if (!Has(name) && bytes_.capacity() - bytes_.size() > name.size() + value.size() + 4) {
    Add(name, value);  // nothing moves that they could be views of
    return;
  }
  // Copies: both may be views into this object.
  const std::string own_name(name);
  const std::string own_value(value);
  if (Has(own_name)) Remove(own_name);
  Add(own_name, own_value);
}

void HttpHeaders::Remove(std::string_view name) {
  HttpHeaders kept;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const Field field = (*this)[i];
    if (!EqualsIgnoreCase(field.name, name)) kept.Add(field.name, field.value);
  }
  *this = std::move(kept);
}

}  // namespace tessera
