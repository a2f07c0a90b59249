// Bytes as an HTTP/2 peer sends them, cut in pieces as the first byte says, to a server's session
// and to a client's with calls open: nothing breaks, and what is kept stays within the limits.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "net/http2_session.h"

namespace {

using tessera::Http2Field;
using tessera::Http2Headers;
using tessera::Http2Limits;
using tessera::Http2Session;
using tessera::Http2StreamPtr;
using tessera::Http2User;

/// Answers what has a head, reads half of what comes, and never touches a stream after its end.
class Echo final : public Http2User {
 public:
  Echo(Http2StreamPtr stream, const Http2Limits& limits)
      : stream_(std::move(stream)), limits_(limits) {}
  void OnEvent() override {
    CHECK(!last_);
    if (stream_->closed()) {
      last_ = true;
      return;
    }
    CHECK(stream_->headers().bytes() <= limits_.header_bytes_max);
    CHECK(stream_->trailers().bytes() <= limits_.header_bytes_max);
    CHECK(stream_->body().size() <= limits_.stream_window_bytes);
    const std::size_t half = stream_->body().size() / 2;
    stream_->Drop(half);
    stream_->Consume(half);
    if (answered_ || !stream_->has_headers()) return;
    answered_ = true;
    const Http2Field head[] = {{":status", "200"}};
    stream_->SendHeaders(head, false);
    stream_->Write(std::string(100, 'x'));
    const Http2Field trailers[] = {{"grpc-status", "0"}};
    stream_->End(trailers);
  }

 private:
  const Http2StreamPtr stream_;
  const Http2Limits& limits_;
  bool answered_ = false;
  bool last_ = false;
};

/// Of a client: keeps nothing but what the stream keeps.
class Reader final : public Http2User {
 public:
  void OnEvent() override {}
};

void Run(std::string_view input, std::size_t piece, Http2Session::Side side) {
  Http2Limits limits;
  limits.streams_max = 8;
  limits.header_bytes_max = 2048;
  limits.stream_window_bytes = 4096;
  limits.control_frames_burst = 50;
  limits.control_frames_per_second = 1;
  const auto accept = [&limits](const Http2StreamPtr& stream) {
    return std::make_shared<Echo>(stream, limits);
  };
  Http2Session session(side, limits, accept,
                       {.want_flush = [] {}, .on_deadline = [](tessera::SteadyTime) {}});
  std::string out;
  if (side == Http2Session::Side::kClient) {
    for (int i = 0; i < 3; ++i) {
      const Http2Field head[] = {
          {":method", "POST"}, {":scheme", "http"}, {":path", "/a/B"}, {":authority", "localhost"}};
      const auto stream = session.Open(head, false, std::make_shared<Reader>());
      CHECK(stream.ok());
      (*stream)->Write("request");
      if (i > 0) (*stream)->End();
    }
    session.Produce(out, 1 << 16);
  }
  while (!input.empty()) {
    const std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    const bool ok = session.Feed(part).ok();
    session.RunEvents();
    CHECK(session.streams() <= 2 * limits.streams_max);
    out.clear();
    session.Produce(out, 1 << 16);
    session.RunEvents();
    if (!ok) break;
  }
  session.CloseAll(tessera::Http2Error::kCancel, "done");
  session.RunEvents();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = data[0] % 64 + 1;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Most inputs are frames: the preface is put before them, so that they are reached.
  const std::string server = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(input);
  Run(server, piece, Http2Session::Side::kServer);
  Run(input, 1 << 16, Http2Session::Side::kServer);
  Run(input, piece, Http2Session::Side::kClient);
  return 0;
}
