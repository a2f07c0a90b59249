// What a server answers the command line, which may be any server: read, or refused with words.
#include <cstdint>
#include <string>

#include "app/api_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string json(reinterpret_cast<const char*>(data), size);
  const auto check = [](const auto& reply) {
    if (!reply.ok()) CHECK(!reply.status().message().empty());
  };
  check(ParseJob(json));
  check(ParseSearchReply(json));
  check(ParseSystem(json));
  check(ParseBackupReply(json));
  Answer answer;
  check(TakeChatChunk(json, answer));
  for (const int status : {400, 401, 404, 500, 503, 999}) CHECK(!ParseError(status, json).ok());
  return 0;
}
