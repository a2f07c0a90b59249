// Bytes as the pieces of gRPC's protocol that a peer chooses: times, encodings, statuses, callers,
// messages. Nothing breaks; what is read and written again is the same.
#include <cstdint>
#include <string>

#include "google/rpc/status.pb.h"
#include "remote/message_frame.h"
#include "remote/wire_ctx.h"
#include "remote/wire_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string input(reinterpret_cast<const char*>(data), size);

  const auto timeout = ParseTimeout(input);
  CHECK(!timeout || *timeout >= Duration::zero());
  CHECK(DecodeField(EncodeField(input)) == input);
  CHECK(DecodeField(EncodeMessage(input)) == input);
  DecodeField(input);

  Http2Headers trailers;
  trailers.Add("grpc-status", input.substr(0, 2));
  trailers.Add("grpc-message", input);
  trailers.Add("grpc-status-details-bin", input.substr(std::min<std::size_t>(2, size)));
  const Status status = StatusOfTrailers(trailers);
  const StatusTrailers again(status);
  Http2Headers second;
  for (const Http2Field& field : again.fields()) second.Add(field.name, field.value);
  // Long messages are cut.
  if (status.message().size() < 4000) CHECK(StatusOfTrailers(second).code() == status.code());

  Http2Headers headers;
  for (const char* name : {"grpc-timeout", "traceparent", "x-request-id", "authorization",
                           "tessera-principal", "tessera-scopes", "tessera-tenant"}) {
    headers.Add(name, input);
  }
  const auto caller = ReadCaller(headers, true);
  if (caller.ok()) {
    const Ctx ctx(caller->info, {});
    const CallHeaders out("tessera.toy.Toy.Ping", ctx, {.send_identity = true});
    CHECK(out.fields().size() >= 6);
  }

  google::rpc::Status message;
  for (const bool compressed : {false, true}) {
    const Status parsed = ParseMessage({input, compressed}, 1 << 16, &message);
    CHECK(parsed.ok() || parsed.code() == absl::StatusCode::kInternal ||
          parsed.code() == absl::StatusCode::kResourceExhausted);
  }
  return 0;
}
