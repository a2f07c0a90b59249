// A model's bytes, cut in pieces: what is shown is UTF-8, holds no stop string, and is the same
// however it was cut. The input: piece length, two stop strings ended by NUL, the text.
#include <cstdint>
#include <string>

#include "base/status.h"
#include "model/text_filter.h"

namespace {

bool IsUtf8(std::string bytes) {
  std::string whole;
  const std::string before = bytes;
  tessera::MoveWholeCharacters(bytes, whole);
  return bytes.empty() && whole == before;
}

std::string Show(const std::vector<std::string>& stops, std::string_view text, std::size_t piece) {
  tessera::TextFilter filter(stops);
  std::string shown;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string out = filter.Push(text.substr(at, piece));
    CHECK(IsUtf8(out));
    shown += out;
  }
  const bool stopped = filter.stopped();
  const std::string rest = filter.Finish();
  CHECK(!stopped || rest.empty());
  return shown + rest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const std::size_t piece = data[0] % 16 + 1;
  rest.remove_prefix(1);
  std::vector<std::string> stops;
  for (int i = 0; i < 2; ++i) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    const std::string stop(rest.substr(0, end));
    if (IsUtf8(stop)) stops.push_back(stop);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const std::string shown = Show(stops, rest, piece);
  CHECK(IsUtf8(shown));
  for (const std::string& stop : stops) {
    if (!stop.empty()) CHECK(shown.find(stop) == std::string::npos);
  }
  if (stops.empty() || (stops[0].empty() && stops.back().empty())) {
    CHECK(shown == Show(stops, rest, rest.size() + 1));
  }
  return 0;
}
