// JSON to a message and back: what is accepted without errors is read back the same.
#include <cstdint>
#include <string>

#include "edge/proto_json.h"
#include "tessera/v1/retrieval.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const auto document = JsonDocument::Parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!document.ok()) return 0;
  v1::SearchRequest request;
  JsonErrors errors;
  ReadMessage(document->root(), "", errors, &request);
  if (!errors.ok()) return 0;
  const std::string json = MessageToJson(request);
  const auto again = JsonDocument::Parse(json);
  CHECK(again.ok());
  v1::SearchRequest second;
  ReadMessage(again->root(), "", errors, &second);
  CHECK(errors.ok());
  CHECK(MessageToJson(second) == json);
  return 0;
}
