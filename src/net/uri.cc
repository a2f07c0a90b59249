#include "net/uri.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/hex.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kPairsMax = 256;

bool IsUnreserved(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char first = byte(i);
    std::size_t tail = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (first < 0x80) {
      ++i;
      continue;
    }
    if (first >= 0xC2 && first <= 0xDF) {
      tail = 1;
    } else if (first >= 0xE0 && first <= 0xEF) {
      tail = 2;
      if (first == 0xE0) low = 0xA0;
      if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
      tail = 3;
      if (first == 0xF0) low = 0x90;
      if (first == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (i + tail >= text.size()) return false;
    if (byte(i + 1) < low || byte(i + 1) > high) return false;
    for (std::size_t k = 2; k <= tail; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    i += tail + 1;
  }
  return true;
}

// True when every byte of the path stands for itself: nothing to decode or check further.
bool IsPlain(std::string_view path) {
  char previous = 0;
  for (const char c : path) {
    if (!IsUnreserved(c) && c != '/') return false;
    if (previous == '/' && (c == '.' || c == '/')) return false;
    previous = c;
  }
  return true;
}

Status CheckSegments(std::string_view path) {
  std::size_t at = 1;
  while (at <= path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment == "." || segment == "..") {
      return absl::InvalidArgumentError("the path holds a '.' or '..' segment");
    }
    if (segment.empty() && end < path.size()) {
      return absl::InvalidArgumentError("the path holds an empty segment ('//')");
    }
    at = end + 1;
  }
  return absl::OkStatus();
}

Result<std::string> DecodePath(std::string_view raw) {
  if (IsPlain(raw)) return std::string(raw);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto c = static_cast<unsigned char>(raw[i]);
    if (c <= 0x20 || c >= 0x7F || c == '\\' || c == '#' || c == '"' || c == '<' || c == '>') {
      return absl::InvalidArgumentError("the path holds a character that must be percent-encoded");
    }
    if (c == '%' && i + 2 < raw.size()) {
      const int value = HexDigit(raw[i + 1]) * 16 + HexDigit(raw[i + 2]);
      if (value == '/' || value == '\\') {
        return absl::InvalidArgumentError("the path holds an encoded slash");
      }
      if (value < 0x20 || value == 0x7F) {
        return absl::InvalidArgumentError("the path holds an encoded control character");
      }
    }
  }
  TRY(std::string path, PercentDecode(raw));
  if (!IsUtf8(path)) return absl::InvalidArgumentError("the path is not UTF-8");
  TRY(CheckSegments(path));
  return path;
}

Result<std::uint16_t> ParsePort(std::string_view text) {
  std::uint32_t port = 0;
  if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != text.npos ||
      !absl::SimpleAtoi(AbslView(text), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError("the URL's port is not a number between 1 and 65535");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      if (i + 2 >= text.size()) return absl::InvalidArgumentError("an escape (%XX) is cut short");
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) {
        return absl::InvalidArgumentError("an escape (%XX) is not hexadecimal");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return absl::InvalidArgumentError("the text holds a NUL");
    out.push_back(c);
  }
  return out;
}

std::string PercentEncode(std::string_view text, std::string_view keep) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || keep.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

Result<Target> ParseTarget(std::string_view target) {
  if (target.empty()) return absl::InvalidArgumentError("the request has no target");
  if (target.front() != '/') {
    // Absolute form (RFC 9112 §3.2.2): what a proxy's client sends.
    const std::size_t scheme = target.find("://");
    if (scheme > 5) {  // or npos
      return absl::InvalidArgumentError("the request's target does not begin with '/'");
    }
    const std::size_t path = target.find_first_of("/?", scheme + 3);
    if (path == std::string_view::npos) {
      Target root;
      root.path = "/";
      return root;
    }
    target.remove_prefix(path);
    if (target.front() == '?') {
      Target root;
      root.path = "/";
      root.query = target.substr(1);
      return root;
    }
  }
  Target parsed;
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos) parsed.query = target.substr(question + 1);
  if (parsed.query.find('#') != std::string_view::npos) {
    return absl::InvalidArgumentError("the request's target holds a fragment ('#')");
  }
  TRY(parsed.path, DecodePath(target.substr(0, question)));
  return parsed;
}

Result<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (pairs.size() >= kPairsMax) {
      return absl::InvalidArgumentError("the query string has more than 256 parameters");
    }
    const std::size_t equals = pair.find('=');
    TRY(std::string name, PercentDecode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      TRY(value, PercentDecode(pair.substr(equals + 1), true));
    }
    pairs.emplace_back(std::move(name), std::move(value));
  }
  return pairs;
}

std::string Url::Authority() const {
  const std::string name = host_is_ipv6 ? StrCat("[", host, "]") : host;
  const bool standard = (scheme == "http" && port == 80) || (scheme == "https" && port == 443);
  return standard ? name : StrCat(name, ":", port);
}

Result<Url> ParseUrl(std::string_view url) {
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '\\') {
      return absl::InvalidArgumentError("the URL holds a space, backslash or control character");
    }
  }
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) {
    return absl::InvalidArgumentError("the URL has no scheme; give http://… or https://…");
  }
  Url parsed;
  parsed.scheme = ToLower(url.substr(0, colon));
  if (parsed.scheme != "http" && parsed.scheme != "https") {
    return absl::InvalidArgumentError(
        StrCat("the scheme ", parsed.scheme.substr(0, 20), " is not allowed; only http and https"));
  }
  parsed.port = parsed.scheme == "http" ? 80 : 443;
  std::string_view rest = url.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (authority.find('@') != std::string_view::npos) {
    return absl::InvalidArgumentError("the URL holds a user name; that is not allowed");
  }
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) {
      return absl::InvalidArgumentError("the URL's IPv6 address has no ']'");
    }
    parsed.host_is_ipv6 = true;
    parsed.host = ToLower(authority.substr(1, close - 1));
    authority.remove_prefix(close + 1);
    if (!authority.empty()) {
      if (authority.front() != ':')
        return absl::InvalidArgumentError("the URL's host is malformed");
      TRY(parsed.port, ParsePort(authority.substr(1)));
    }
  } else {
    const std::size_t port = authority.find(':');
    parsed.host = ToLower(authority.substr(0, port));
    if (port != std::string_view::npos) {
      TRY(parsed.port, ParsePort(authority.substr(port + 1)));
    }
    for (const char c : parsed.host) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') {
        return absl::InvalidArgumentError("the URL's host holds a character that is not allowed");
      }
    }
  }
  if (parsed.host.empty()) return absl::InvalidArgumentError("the URL has no host");
  rest = rest.substr(0, rest.find('#'));
  if (rest.empty() || rest.front() == '?') parsed.target = "/";
  parsed.target.append(rest);
  return parsed;
}

Result<Url> ResolveUrl(const Url& base, std::string_view location) {
  if (location.find("://") != std::string_view::npos &&
      location.find("://") < location.find_first_of("/?#")) {
    return ParseUrl(location);
  }
  const std::string origin = StrCat(base.scheme, "://", base.Authority());
  if (location.starts_with("//")) return ParseUrl(StrCat(base.scheme, ":", location));
  if (location.starts_with("/")) return ParseUrl(StrCat(origin, location));
  const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
  if (location.starts_with("?")) return ParseUrl(StrCat(origin, path, location));
  return ParseUrl(StrCat(origin, path.substr(0, path.rfind('/') + 1), location));
}

}  // namespace tessera
