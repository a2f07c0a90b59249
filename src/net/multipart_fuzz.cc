// A form, fed whole and in pieces: the parts must be the same, and stay within the limits.
#include <cstdint>
#include <string>

#include "net/multipart.h"

namespace {

std::string Read(std::string_view input, std::size_t piece) {
  tessera::MultipartLimits limits;
  limits.parts_max = 8;
  limits.part_head_bytes_max = 256;
  tessera::MultipartParser parser("b", limits);
  std::string seen;
  for (std::size_t at = 0; at <= input.size(); at += piece) {
    parser.Feed(input.substr(at, piece));
    while (true) {
      const auto step = parser.Next();
      if (!step.ok()) return seen + "!";
      using Kind = tessera::MultipartParser::Step::Kind;
      if (step->kind == Kind::kNeedMore) break;
      if (step->kind == Kind::kHead) seen.append("<").append(step->head.name).append(">");
      if (step->kind == Kind::kHead && step->head.file_name) {
        const std::string path = "/" + *step->head.file_name + "/";
        for (const char* bad : {"//", "/./", "/../", "\\"})
          CHECK(path.find(bad) == std::string::npos);
      }
      if (step->kind == Kind::kData) seen.append(step->data);
      if (step->kind == Kind::kPartEnd) seen.append("|");
      if (step->kind == Kind::kEnd) seen.append(".");
    }
  }
  return seen + (parser.Finish().ok() ? "" : "?");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = Read(input, input.size());
  const std::string pieces = Read(input, data[0] % 32 + 1);
  // An error may be seen before or after some bytes of the same part; what is accepted is the same.
  if (!whole.ends_with("!") && !pieces.ends_with("!")) CHECK(whole == pieces);
  return 0;
}
