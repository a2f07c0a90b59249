// Peers that do not keep to the protocol, byte by byte: the server answers or hangs up, and goes on
// serving others; the client's call ends with an error, never silently.

#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_address.h"
#include "remote/remote_toy.h"

namespace tessera {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string Frame(int type, int flags, std::uint32_t stream, std::string_view payload) {
  std::string frame;
  const auto put = [&frame](std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) frame.push_back(static_cast<char>(value >> (8 * i)));
  };
  put(payload.size(), 3);
  put(static_cast<std::uint64_t>(type), 1);
  put(static_cast<std::uint64_t>(flags), 1);
  put(stream, 4);
  return frame.append(payload);
}

std::string Literal(std::string_view name, std::string_view value) {
  std::string field("\0", 1);
  field.push_back(static_cast<char>(name.size()));
  field.append(name);
  field.push_back(static_cast<char>(value.size()));
  return field.append(value);
}

std::string PingHead() {
  return StrCat("\x83\x86", Literal(":path", "/tessera.toy.Toy/Ping"),
                Literal(":authority", "localhost"), Literal("te", "trailers"),
                Literal("content-type", "application/grpc"));
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class HostileTest : public ::testing::Test {
 protected:
  HostileTest() {
    config_.listeners = {{.address = "127.0.0.1:0", .trusts_identity = true}};
    config_.http2.preface_timeout = std::chrono::milliseconds(300);
    server_ = std::make_unique<RemoteServer>(config_, loops_, cpu_);
    server_->Serve(Bind(static_cast<Toy&>(toy_)));
    EXPECT_TRUE(server_->Start().ok());
  }
  ~HostileTest() override {
    EXPECT_TRUE(Serves()) << "a bad peer must not hurt the others";
    EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
  }

  bool Serves() {
    RemoteChannel channel({.address = Address()}, loops_);
    ToyRemote toy(channel);
    const bool ok = SyncWait(toy.Ping(Ctx(), {})).ok();
    return SyncWait(channel.Close()).ok() && ok;
  }
  std::string Address() const { return StrCat("127.0.0.1:", server_->port()); }

  /// Sends all of it and reads until the server hangs up, at most ten seconds; nothing when it does
  /// not.
  std::optional<std::string> Exchange(std::string_view bytes) {
    const auto socket = SyncWait(Dial(loops_[0], Ctx(), *ParseStreamAddress(Address())));
    EXPECT_TRUE(socket.ok());
    std::string got;
    const SteadyTime end = Now() + std::chrono::seconds(10);
    bool closed = false;
    while (Now() < end && !closed) {
      pollfd poll{.fd = *socket, .events = POLLIN};
      if (!bytes.empty()) poll.events |= POLLOUT;
      ::poll(&poll, 1, 100);
      if ((poll.revents & POLLOUT) != 0 && !bytes.empty()) {
        const ssize_t sent = ::send(*socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : bytes.size());
      }
      if ((poll.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        char buffer[4096];
        const ssize_t size = ::recv(*socket, buffer, sizeof buffer, 0);
        if (size > 0) got.append(buffer, static_cast<std::size_t>(size));
        closed = size == 0 || (size < 0 && errno != EAGAIN);
      }
    }
    ::close(*socket);
    if (!closed) return std::nullopt;
    return got;
  }

  IoLoops loops_{2};
  ThreadPool cpu_{"cpu", 1};
  EchoToy toy_;
  RemoteServerConfig config_;
  std::unique_ptr<RemoteServer> server_;
};

TEST_F(HostileTest, WhatIsNotHttp2IsHungUpOn) {
  EXPECT_TRUE(Exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n").has_value());
  EXPECT_TRUE(Exchange(std::string(100'000, '\xff')).has_value());
}

TEST_F(HostileTest, SilenceIsHungUpOn) {
  EXPECT_TRUE(Exchange("").has_value());
  EXPECT_TRUE(Exchange(kPreface).has_value());
}

TEST_F(HostileTest, BrokenFramesAreHungUpOn) {
  const std::string begin = StrCat(kPreface, Frame(4, 0, 0, ""));
  for (const std::string& bad :
       {Frame(0, 0, 0, "data on stream 0"), Frame(1, 5, 1, "\xff\xff\xff\xff\xff"),
        Frame(1, 5, 2, PingHead()), Frame(9, 4, 1, "continuation of nothing"),
        Frame(4, 0, 0, "odd size"), Frame(8, 0, 0, std::string("\0\0\0\0", 4)),
        Frame(5, 4, 1, PingHead()), std::string("\xff\xff\xff\x00\x00\x00\x00\x00\x01", 9)}) {
    EXPECT_TRUE(Exchange(StrCat(begin, bad)).has_value()) << ::testing::PrintToString(bad);
  }
}

TEST_F(HostileTest, FloodsAreHungUpOn) {
  const std::string begin = StrCat(kPreface, Frame(4, 0, 0, ""));
  const auto flood = [&](const std::string& piece) {
    std::string bytes = begin;
    for (int i = 0; i < 20'000; ++i) bytes.append(piece);
    return Exchange(bytes).has_value();
  };
  EXPECT_TRUE(flood(Frame(6, 0, 0, "12345678"))) << "pings";
  EXPECT_TRUE(flood(Frame(4, 0, 0, ""))) << "settings";
  EXPECT_TRUE(flood(Frame(2, 0, 1, std::string("\0\0\0\0\x10", 5)))) << "priorities";
  std::string resets = begin;
  for (std::uint32_t i = 1; i < 20'000; i += 2) {
    resets.append(Frame(1, 5, i, PingHead()));
    resets.append(Frame(3, 0, i, std::string("\0\0\0\x08", 4)));
  }
  EXPECT_TRUE(Exchange(resets).has_value()) << "rapid reset";
  std::string continuations = StrCat(begin, Frame(1, 1, 1, PingHead()));
  for (int i = 0; i < 20'000; ++i) continuations.append(Frame(9, 0, 1, Literal("a", "b")));
  EXPECT_TRUE(Exchange(continuations).has_value()) << "continuations";
}

TEST_F(HostileTest, BrokenMessagesAreErrorsOfTheCall) {
  const std::string begin = StrCat(kPreface, Frame(4, 0, 0, ""), Frame(1, 4, 1, PingHead()));
  // A GOAWAY from the client makes the server hang up once it has answered.
  const std::string end = Frame(7, 0, 0, std::string(8, '\0'));
  const auto answer = [&](std::string_view body) {
    return Exchange(StrCat(begin, Frame(0, 1, 1, body), end)).value_or("no answer");
  };
  // Fields of replies that are not indexed come as literals, or as Huffman codes: the status is
  // told by its message's absence or presence, so look for END_STREAM headers only.
  for (const std::string_view body :
       {std::string_view("\x02\0\0\0\0", 5), std::string_view("\0\0\0\0\x05hel", 8),
        std::string_view("\0\xff\xff\xff\xff", 5), std::string_view("\0\0\0\0\x02\xff\xff", 7),
        std::string_view("\x01\0\0\0\x03xyz", 8), std::string_view("")}) {
    const std::string got = answer(body);
    EXPECT_NE(got.find(std::string("\x01\x05\0\0\0\x01", 6)), std::string::npos)
        << ::testing::PrintToString(got);
  }
  EXPECT_EQ(toy_.pings, 0);
}

/// Whether a client that has sent this has begun a call.
bool HasCall(std::string_view sent) {
  sent.remove_prefix(std::min(sent.size(), kPreface.size()));
  while (sent.size() >= 9) {
    const auto byte = [sent](std::size_t i) { return static_cast<unsigned char>(sent[i]); };
    if (byte(3) == 1) return true;
    const std::size_t size = 9U + (byte(0) << 16 | byte(1) << 8 | byte(2));
    sent.remove_prefix(std::min(sent.size(), size));
  }
  return false;
}

/// Says its script to whoever connects and calls, and then either hangs up or falls silent.
class ScriptedServer {
 public:
  ScriptedServer(IoLoop& loop, std::string script, bool hang_up)
      : script_(std::move(script)), hang_up_(hang_up) {
    listener_ = *StreamListener::Listen(*ParseStreamAddress("127.0.0.1:0"), loop, [this](int fd) {
      talks_.emplace_back([this, fd] { Talk(fd); });
    });
  }
  ~ScriptedServer() {
    SyncWait(Stop());
    stopping_ = true;
    for (std::thread& talk : talks_) talk.join();
  }
  std::string address() const { return StrCat("127.0.0.1:", listener_->port()); }

 private:
  Task<bool> Stop() {
    co_await listener_->Stop();
    co_return true;
  }

  void Talk(int fd) {
    std::string got;
    bool said = false;
    while (!stopping_) {
      pollfd poll{.fd = fd, .events = POLLIN};
      if (::poll(&poll, 1, 5) == 1) {
        char buffer[4096];
        const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
        if (size <= 0) break;
        got.append(buffer, static_cast<std::size_t>(size));
      }
      if (said || !HasCall(got)) continue;
      said = true;
      // A script fits into the socket's buffer.
      EXPECT_EQ(::send(fd, script_.data(), script_.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(script_.size()));
      if (hang_up_) ::shutdown(fd, SHUT_WR);
    }
    ::close(fd);
  }

  const std::string script_;
  const bool hang_up_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> talks_;
  std::unique_ptr<StreamListener> listener_;
};

class HostileServerTest : public ::testing::Test {
 protected:
  /// How a call and a stream end that are answered like this.
  void Expect(const std::string& script, absl::StatusCode code, bool hang_up = true) {
    for (const bool stream : {false, true}) {
      ScriptedServer server(loops_[1], script, hang_up);
      Http2Limits http2;
      http2.preface_timeout = std::chrono::milliseconds(200);
      http2.ping_after = http2.ping_timeout = std::chrono::milliseconds(100);
      RemoteChannel channel({.address = server.address(),
                             .send_identity = true,
                             .message_bytes_max = 1000,
                             .http2 = http2},
                            loops_);
      ToyRemote toy(channel);
      const Ctx ctx = SystemCtx().WithTimeout(std::chrono::seconds(10));
      const Status end =
          stream ? SyncWait(ReadAll(&toy, ctx)) : SyncWait(toy.Add(ctx, {})).status();
      EXPECT_EQ(end.code(), code) << (stream ? "stream: " : "unary: ") << end;
      EXPECT_TRUE(SyncWait(channel.Close()).ok());
    }
  }

  static Task<Status> ReadAll(Toy* toy, Ctx ctx) {
    CO_TRY(const auto stream, co_await toy->Tell(ctx, {}));
    while (true) {
      CO_TRY(const auto item, co_await stream->Next(ctx));
      if (!item) co_return absl::OkStatus();
    }
  }

  const std::string hello_ = Frame(4, 0, 0, "");
  // ":status: 200" is entry 8 of the static table.
  const std::string head_ =
      Frame(1, 4, 1, StrCat("\x88", Literal("content-type", "application/grpc")));
  const std::string empty_message_ = Frame(0, 0, 1, std::string(5, '\0'));
  const std::string ok_ = Frame(1, 5, 1, Literal("grpc-status", "0"));
  IoLoops loops_{2};
};

TEST_F(HostileServerTest, AGoodScriptIsUnderstood) {
  Expect(StrCat(hello_, head_, empty_message_, ok_), absl::StatusCode::kOk);
}

TEST_F(HostileServerTest, EndsWithoutAStatusAreErrors) {
  using Code = absl::StatusCode;
  Expect(StrCat(hello_, head_, empty_message_), Code::kUnavailable);
  Expect(StrCat(hello_, head_, Frame(0, 1, 1, std::string(5, '\0'))), Code::kUnknown);
  Expect(StrCat(hello_, head_, Frame(1, 5, 1, Literal("x", "y"))), Code::kUnknown);
  Expect(StrCat(hello_, head_, Frame(0, 0, 1, std::string("\0\0\0\0\x09half", 9)), ok_),
         Code::kInternal);
  Expect(hello_, Code::kUnavailable);
  Expect("", Code::kUnavailable);
}

TEST_F(HostileServerTest, OtherAnswersAreErrors) {
  using Code = absl::StatusCode;
  Expect("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Code::kUnavailable);
  Expect(StrCat(hello_, Frame(1, 5, 1, Literal(":status", "503"))), Code::kUnavailable);
  Expect(StrCat(hello_, Frame(1, 5, 1, Literal(":status", "404"))), Code::kUnimplemented);
  Expect(StrCat(hello_, Frame(1, 5, 1, "\x88")), Code::kUnknown);
  Expect(StrCat(hello_, head_, Frame(0, 0, 1, std::string("\0\xff\xff\xff\xff", 5))),
         Code::kResourceExhausted);
  Expect(StrCat(hello_, head_, Frame(0, 0, 1, std::string("\7\0\0\0\0", 5))), Code::kInternal);
  Expect(StrCat(hello_, head_, Frame(0, 0, 1, std::string("\0\0\0\0\2\xff\xff", 7)), ok_),
         Code::kInternal);
  Expect(StrCat(hello_, Frame(3, 0, 1, std::string("\0\0\0\x08", 4))), Code::kCancelled);
  // Refused again and again.
  Expect(StrCat(hello_, Frame(7, 0, 0, std::string(8, '\0'))), Code::kUnavailable);
}

TEST_F(HostileServerTest, SilenceIsNoticed) {
  Expect("", absl::StatusCode::kUnavailable, false);
  Expect(hello_, absl::StatusCode::kUnavailable, false);
  Expect(StrCat(hello_, head_, empty_message_), absl::StatusCode::kUnavailable, false);
}

}  // namespace
}  // namespace tessera
