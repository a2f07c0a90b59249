#include "extract/table_rows.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"

namespace tessera {
namespace {

bool IsNumber(std::string_view text) {
  bool digit = false;
  for (const char c : text) {
    digit = digit || absl::ascii_isdigit(static_cast<unsigned char>(c));
    if (absl::ascii_isalpha(static_cast<unsigned char>(c)) || (c & 0x80) != 0) return false;
  }
  return digit;
}

}  // namespace

std::string RowText(const std::vector<std::string>& header, const std::vector<std::string>& cells) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view cell = TrimSpaces(cells[i]);
    if (cell.empty()) continue;
    const std::string_view name = i < header.size() ? TrimSpaces(header[i]) : std::string_view();
    if (!out.empty()) out.append(header.empty() ? " | " : "; ");
    if (!name.empty()) StrAppend(&out, name, EndsWith(name, ":") ? " " : ": ");
    out.append(cell);
  }
  return out;
}

bool LooksLikeHeader(const std::vector<std::string>& cells) {
  if (cells.size() < 2) return false;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view cell = TrimSpaces(cells[i]);
    if ((cell.empty() && i > 0) || cell.size() > 100 || IsNumber(cell)) return false;
  }
  return true;
}

}  // namespace tessera
