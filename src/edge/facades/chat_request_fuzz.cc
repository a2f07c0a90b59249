// The bodies of OpenAI's and OPEA's chats: what is accepted keeps its promises; how OPEA's streams
// spell bytes.
#include <cstdint>
#include <string>

#include "edge/facades/chat_request.h"
#include "edge/facades/python_bytes.h"

namespace tessera {
namespace {

void Check(const ChatRequest& chat) {
  CHECK(chat.n >= 1 && chat.n <= 16 && chat.stop.size() <= 16);
  CHECK(!chat.messages.empty() && chat.max_tokens <= 1 << 20);
  for (const std::string& stop : chat.stop) CHECK(!stop.empty());
  for (const v1::Message& message : chat.messages) CHECK(!message.role().empty());
  if (!chat.json_schema.empty()) CHECK(JsonDocument::Parse(chat.json_schema).ok());
  std::string wire;
  CHECK(ToGenerate(chat).SerializeToString(&wire));
  CHECK(ToRun(chat, "g", "c", "m").SerializeToString(&wire));
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto openai = ReadOpenAiChat(body);
  if (openai.ok()) Check(*openai);
  std::vector<std::pair<std::string, std::string>> parameters;
  const auto opea = ReadOpeaChat(body, {"summary_type", "chunk_size"}, &parameters);
  if (opea.ok()) Check(*opea);
  if (!opea.ok()) CHECK(absl::IsInvalidArgument(opea.status()));
  const std::string repr = PythonBytesRepr(body);
  CHECK(repr.size() >= size + 3 && repr.size() <= 4 * size + 3);
  for (const char c : repr) CHECK(c >= 0x20 && c < 0x7f);
  return 0;
}
