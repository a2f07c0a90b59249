// Targets and URLs: what is accepted is normal, and stays the same when it is read again.
#include <cstdint>
#include <string>

#include "base/str.h"
#include "net/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto target = ParseTarget(input);
  if (target.ok()) {
    const std::string& path = target->path;
    CHECK(!path.empty() && path.front() == '/');
    CHECK(path.find('\0') == std::string::npos && path.find('\\') == std::string::npos);
    CHECK((path + "/").find("/../") == std::string::npos);
    CHECK((path + "/").find("/./") == std::string::npos);
    CHECK(path.find("//") == std::string::npos);
    const std::string again = PercentEncode(path, "/");
    const auto twice = ParseTarget(again);
    CHECK(twice.ok() && twice->path == path);
  }
  const auto decoded = PercentDecode(input);
  if (decoded.ok()) {
    const std::string encoded = PercentEncode(*decoded);
    CHECK(*PercentDecode(encoded) == *decoded);
  }
  const auto pairs = ParseQuery(input);
  if (pairs.ok()) CHECK(pairs->size() <= 256);
  const auto url = ParseUrl(input);
  if (url.ok()) {
    CHECK(!url->host.empty() && url->port != 0 && !url->target.empty());
    const auto same = ParseUrl(StrCat(url->scheme, "://", url->Authority(), url->target));
    CHECK(same.ok() && same->host == url->host && same->target == url->target);
    const auto resolved = ResolveUrl(*url, input);
    (void)resolved;
  }
  return 0;
}
