// What an upstream server sends, cut anywhere: the events are the same however it is cut, text is
// UTF-8, and nothing follows the last event.
#include <cstdint>
#include <string>

#include "model/openai_call.h"
#include "model/openai_stream.h"

namespace tessera {
namespace {

class Pieces final : public Stream<std::string> {
 public:
  Pieces(std::string_view bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (bytes_.empty()) co_return std::nullopt;
    std::string next(bytes_.substr(0, piece_));
    bytes_.remove_prefix(next.size());
    co_return next;
  }

 private:
  std::string_view bytes_;
  const std::size_t piece_;
};

// The answer with its end, or the text before the error and the error's code.
std::string Read(std::string_view bytes, std::size_t piece) {
  const auto stream = ReadOpenAiStream("m", std::make_unique<Pieces>(bytes, piece));
  std::string seen;
  bool last = false;
  while (true) {
    const auto event = SyncWait(stream->Next(Ctx()));
    if (!event.ok()) {
      CHECK(!event.status().message().empty());
      return seen + "!" + std::to_string(static_cast<int>(event.status().code()));
    }
    if (!*event) break;
    CHECK(!last);
    last = (*event)->finish_reason() != v1::FINISH_REASON_UNSPECIFIED;
    seen += (*event)->text();
    std::string wire;
    CHECK((*event)->SerializeToString(&wire));
  }
  CHECK(last);
  return seen + ".";
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = tessera::Read(bytes, bytes.size() + 1);
  CHECK(whole == tessera::Read(bytes, data[0] % 32 + 1));
  const auto answer = tessera::ReadOpenAiAnswer("m", bytes);
  if (answer.ok()) CHECK(answer->finish_reason() != tessera::v1::FINISH_REASON_UNSPECIFIED);
  const std::string message = tessera::UpstreamMessage(bytes);
  CHECK(!message.empty() && message.size() <= 300);
  return 0;
}
