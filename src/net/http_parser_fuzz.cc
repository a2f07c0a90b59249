// Bytes as a stream of requests, cut in pieces as the first byte says: however it is cut, the same
// messages must come out, and what the parser takes must be within its limits.
#include <algorithm>
#include <cstdint>
#include <string>

#include "net/http_parser.h"

namespace {

using tessera::HttpParser;

// What the parser makes of the input, as text.
std::string Read(std::string_view input, std::size_t piece, HttpParser::Side side) {
  HttpParser parser(side);
  std::string seen;
  std::string buffer;
  std::size_t fed = 0;
  int messages = 0;
  while (messages < 16) {
    const HttpParser::Progress progress = parser.Feed(buffer);
    CHECK(progress.used <= buffer.size());
    if (progress.step == HttpParser::Step::kBody) seen.append(progress.piece);
    buffer.erase(0, progress.used);
    switch (progress.step) {
      case HttpParser::Step::kHead:
        CHECK(parser.headers().size() <= 100);
        seen.append("<").append(parser.method()).append(" ").append(parser.target()).append(">");
        CHECK(parser.headers().Count("content-length") <= 1);
        CHECK(!parser.headers().Has("content-length") ||
              !parser.headers().Has("transfer-encoding"));
        break;
      case HttpParser::Step::kEnd:
        seen.append("|");
        ++messages;
        parser.Next();
        break;
      case HttpParser::Step::kError:
        CHECK(parser.error_status() >= 400);
        return seen + "!";
      case HttpParser::Step::kNeedMore:
        if (progress.used > 0) break;
        if (fed == input.size()) return seen;
        buffer.append(input.substr(fed, piece));
        fed = std::min(fed + piece, input.size());
        break;
      case HttpParser::Step::kBody:
        break;
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = data[0] % 64 + 1;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Whole and in pieces, a message that is accepted is the same; an error may show earlier.
  const std::string whole = Read(input, input.size(), HttpParser::Side::kRequests);
  const std::string pieces = Read(input, piece, HttpParser::Side::kRequests);
  CHECK(whole == pieces);
  Read(input, piece, HttpParser::Side::kResponses);
  return 0;
}
