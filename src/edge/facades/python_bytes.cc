#include "edge/facades/python_bytes.h"

namespace tessera {

std::string PythonBytesRepr(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const bool single = bytes.find('\'') != std::string_view::npos;
  const bool both = single && bytes.find('"') != std::string_view::npos;
  const char quote = single && !both ? '"' : '\'';
  std::string repr = "b";
  repr.push_back(quote);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      repr.push_back('\\');
      repr.push_back(c);
    } else if (c == '\t') {
      repr += "\\t";
    } else if (c == '\n') {
      repr += "\\n";
    } else if (c == '\r') {
      repr += "\\r";
    } else if (byte < 0x20 || byte >= 0x7f) {
      repr += "\\x";
      repr.push_back(kDigits[byte >> 4]);
      repr.push_back(kDigits[byte & 15]);
    } else {
      repr.push_back(c);
    }
  }
  repr.push_back(quote);
  return repr;
}

}  // namespace tessera
