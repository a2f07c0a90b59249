// The server with real sockets on loopback.
#include "net/http_server.h"

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "net/compress.h"
#include "net/http_error.h"
#include "net/test_client.h"
#include "runtime/thread_pool.h"
#include "runtime/waiter.h"

namespace tessera {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A latch that tests wait on, with a limit instead of a sleep.
class Signal {
 public:
  void Set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return set_; });
  }
  bool is_set() {
    std::lock_guard lock(mutex_);
    return set_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

/// Gives `count` pieces of `size` bytes; counts what was asked for.
class Pieces final : public Stream<std::string> {
 public:
  Pieces(int count, std::size_t size, std::atomic<int>& asked, Signal* dropped)
      : left_(count), size_(size), asked_(asked), dropped_(dropped) {}
  ~Pieces() override {
    if (dropped_ != nullptr) dropped_->Set();
  }
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    CO_TRY(ctx.Check());
    if (left_-- == 0) co_return std::nullopt;
    ++asked_;
    co_return std::string(size_, 'x');
  }

 private:
  int left_;
  const std::size_t size_;
  std::atomic<int>& asked_;
  Signal* dropped_;
};

/// Gives two pieces, waits at a gate, gives another and fails.
class HeldPieces final : public Stream<std::string> {
 public:
  HeldPieces(std::optional<WaiterHandle>* gate, Signal* ready) : gate_(gate), ready_(ready) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    ++asked_;
    if (asked_ == 1) co_return "ab";
    if (asked_ == 2) co_return "cd";
    if (asked_ > 3) co_return absl::AbortedError("cut here");
    Waiter waiter(ctx);
    *gate_ = waiter.handle();
    ready_->Set();
    CO_TRY(co_await waiter);
    co_return "ef";
  }

 private:
  std::optional<WaiterHandle>* const gate_;
  Signal* const ready_;
  int asked_ = 0;
};

class TestService final : public HttpService {
 public:
  Admission Admit(HttpRequest& request) override {
    Admission admission;
    if (request.path == "/refused") admission.refusal = HttpReply::Text(403, "no");
    if (request.method == HttpMethod::kPost) {
      admission.body = request.path == "/stream" ? BodyKind::kStreamed : BodyKind::kBuffered;
      admission.body_max = 100'000;
    }
    return admission;
  }

  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    if (request.path == "/wait") co_return co_await WaitForCancel(std::move(ctx));
    if (request.path == "/slow") co_return co_await WaitForGate(std::move(ctx));
    if (request.path == "/pieces") {
      co_return HttpReply::EventStream(
          std::make_unique<Pieces>(pieces, piece_size, asked, &dropped));
    }
    if (request.path == "/held") {
      co_return HttpReply::Streamed(200, "text/plain",
                                    std::make_unique<HeldPieces>(&gate, &gate_ready));
    }
    if (request.path == "/file") {
      HttpReply reply;
      reply.body = FileBody{file_path, 2, 5};
      co_return reply;
    }
    if (request.path == "/big") co_return HttpReply::Text(200, std::string(3'000'000, 'b'));
    if (request.path == "/stream")
      co_return co_await CountStream(std::move(ctx), std::move(request));
    if (request.path == "/elsewhere") {
      const auto where = [] { return std::string("from the pool"); };
      std::string text = co_await RunOn(*pool, where);
      co_await SwitchTo(*pool);  // ends on a foreign thread on purpose
      co_return HttpReply::Text(200, std::move(text));
    }
    HttpReply reply = HttpReply::Text(200, StrCat(Name(request.method), " ", request.path, "?",
                                                  request.query, " ", request.body));
    co_return reply;
  }

  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view detail) override {
    return HttpReply::Text(status, std::string(detail));
  }

  Signal waiting;
  Signal cancelled;
  Signal slow_begun;
  Signal gate_ready;
  std::optional<WaiterHandle> gate;
  std::string cancel_reason;
  std::atomic<int> asked{0};
  Signal dropped;
  int pieces = 3;
  std::size_t piece_size = 5;
  std::string file_path;
  ThreadPool* pool = nullptr;

 private:
  Task<HttpReply> WaitForCancel(Ctx ctx) {
    Waiter waiter(ctx);
    waiting.Set();
    const Status status = co_await waiter;
    cancel_reason = StrCat(StdView(status.message()));
    cancelled.Set();
    co_return HttpReply::Text(200, "never seen");
  }
  Task<HttpReply> WaitForGate(Ctx ctx) {
    Waiter waiter(ctx);
    gate = waiter.handle();
    slow_begun.Set();
    const Status ignored = co_await waiter;
    co_return HttpReply::Text(200, "slow done");
  }
  Task<HttpReply> CountStream(Ctx ctx, HttpRequest request) {
    std::size_t bytes = 0;
    while (true) {
      const auto piece = co_await request.stream->Next(ctx);
      if (!piece.ok()) {
        co_return HttpReply::Text(HttpStatusOf(piece.status()),
                                  std::string(StdView(piece.status().message())));
      }
      if (!*piece) break;
      bytes += (*piece)->size();
    }
    co_return HttpReply::Text(200, std::to_string(bytes));
  }
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpServerConfig config = {}) {
    config.port = 0;
    service_.pool = &pool_;
    server_ = std::make_unique<HttpServer>(config, service_, loops_, pool_);
    ASSERT_TRUE(server_->Start().ok());
  }
  void TearDown() override {
    if (server_)
      EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(5)))).ok());
  }
  std::string Once(std::string_view bytes) {
    RawClient client(server_->port());
    EXPECT_TRUE(client.Send(bytes));
    return client.ReadToEnd();
  }

  IoLoops loops_{2};
  ThreadPool pool_{"test", 2};
  TestService service_;
  std::unique_ptr<HttpServer> server_;
};

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Start();
  RawClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    const std::string reply = client.Ask(kGet);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(reply, HasSubstr("\r\nx-request-id: "));
    EXPECT_THAT(reply, HasSubstr("\r\ndate: "));
    EXPECT_EQ(BodyOf(reply), "GET /a? ");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(server_->port());
  std::string all;
  for (int i = 0; i < 50; ++i) StrAppend(&all, "GET /", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(BodyOf(client.ReadReply()), StrCat("GET /", i, "? "));
}

TEST_F(HttpServerTest, PipelinedBehindASlowOneWaits) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(StrCat("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", kGet)));
  ASSERT_TRUE(service_.slow_begun.Wait());
  service_.gate->Complete(absl::OkStatus());
  EXPECT_EQ(BodyOf(client.ReadReply()), "slow done");
  EXPECT_EQ(BodyOf(client.ReadReply()), "GET /a? ");
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Start();
  RawClient client(server_->port());
  for (const char c :
       std::string_view("POST /p?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")) {
    ASSERT_TRUE(client.Send({&c, 1}));
  }
  EXPECT_EQ(BodyOf(client.ReadReply()), "POST /p?q=1 abc");
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  Start();
  RawClient client(server_->port());
  const std::string reply = client.Ask(
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: dropped\r\n\r\n");
  EXPECT_EQ(BodyOf(reply), "POST /p? abcde");
  EXPECT_EQ(BodyOf(client.Ask(kGet)), "GET /a? ");
}

TEST_F(HttpServerTest, AsksForTheBodyOfACautiousClient) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send(
      "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  EXPECT_EQ(BodyOf(client.Ask("ab")), "POST /p? ab");
}

TEST_F(HttpServerTest, RefusesBeforeTheBodyIsSent) {
  Start();
  const std::string reply = Once(
      "POST /refused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n");
  EXPECT_EQ(StatusOf(reply), 403);
  EXPECT_THAT(reply, HasSubstr("connection: close"));
}

TEST_F(HttpServerTest, UndoesContentEncodingWithALimit) {
  Start();
  const std::string zipped = Compress(Coding::kGzip, "hello");
  RawClient client(server_->port());
  EXPECT_EQ(BodyOf(client.Ask(
                StrCat("POST /p HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: ",
                       zipped.size(), "\r\n\r\n", zipped))),
            "POST /p? hello");
  // NOLINTNEXTLINE(bugprone-string-constructor): large is the point
  const std::string bomb = Compress(Coding::kZstd, std::string(50'000'000, 'a'));
  ASSERT_LT(bomb.size(), 100'000U);
  EXPECT_EQ(StatusOf(Once(
                StrCat("POST /p HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\nContent-Length: ",
                       bomb.size(), "\r\n\r\n", bomb))),
            413);
  EXPECT_EQ(StatusOf(Once("POST /p HTTP/1.1\r\nHost: x\r\nContent-Encoding: lzma\r\n"
                          "Content-Length: 1\r\n\r\nx")),
            415);
}

struct BadCase {
  const char* name;
  const char* request;
  int status;
};

class HttpServerBadTest : public HttpServerTest, public ::testing::WithParamInterface<BadCase> {};

TEST_P(HttpServerBadTest, IsRefusedAndClosed) {
  Start();
  const std::string reply = Once(GetParam().request);
  EXPECT_EQ(StatusOf(reply), GetParam().status) << reply;
  EXPECT_THAT(reply, HasSubstr("connection: close"));
  EXPECT_EQ(reply.find("\r\ndate: "), reply.rfind("\r\ndate: ")) << "a second reply was sent";
}

INSTANTIATE_TEST_SUITE_P(
    Smuggling, HttpServerBadTest,
    ::testing::Values(
        BadCase{
            "LengthAndChunked",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\nG",
            400},
        BadCase{
            "ChunkedAndLength",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n"
            "0\r\n\r\nG",
            400},
        BadCase{"TwoLengths",
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                400},
        BadCase{"TwoEqualLengths",
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
                400},
        BadCase{"LengthList", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400},
        BadCase{"SignedLength", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400},
        BadCase{"NegativeLength", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na", 400},
        BadCase{"HugeLength",
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na", 400},
        BadCase{"FoldedHeader", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
        BadCase{"FoldedCoding",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
                400},
        BadCase{"BareLineFeed", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400},
        BadCase{"SpaceBeforeColon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na",
                400},
        BadCase{"OtherCoding",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                501},
        BadCase{"ObscuredCoding",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        BadCase{"TwoCodings",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
                400},
        BadCase{"CodingInHttp10",
                "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        BadCase{"BadChunkSize",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
                400},
        BadCase{"PrefixedChunkSize",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                "chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
                400},
        BadCase{"HugeChunkSize",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "fffffffffffffffff\r\nabc\r\n",
                400},
        BadCase{"ChunkWithoutEnd",
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
                400}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Heads, HttpServerBadTest,
    ::testing::Values(BadCase{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
                      BadCase{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
                      BadCase{"NotHttp", "hello\r\n\r\n", 400},
                      BadCase{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
                      BadCase{"UnknownMethod", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
                      BadCase{"DotSegments", "GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
                      BadCase{"EncodedSlash", "GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", 400},
                      BadCase{"EncodedDots", "GET /%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
                      BadCase{"Nul", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
                      BadCase{"Expectation", "GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n",
                              417}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(HttpServerTest, RefusesWhatIsTooLarge) {
  Start();
  EXPECT_EQ(StatusOf(Once(
                StrCat("GET / HTTP/1.1\r\nHost: x\r\nA: ", std::string(20'000, 'a'), "\r\n\r\n"))),
            431);
  std::string fields = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 120; ++i) StrAppend(&fields, "A", i, ": b\r\n");
  EXPECT_EQ(StatusOf(Once(fields + "\r\n")), 431);
  EXPECT_EQ(
      StatusOf(Once(StrCat("GET /", std::string(9'000, 'a'), " HTTP/1.1\r\nHost: x\r\n\r\n"))),
      414);
  EXPECT_EQ(StatusOf(Once("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")), 413);
  EXPECT_EQ(
      StatusOf(Once(StrCat("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                           "30000\r\n", std::string(0x30000, 'a'), "\r\n0\r\n\r\n"))),
      413);
}

TEST_F(HttpServerTest, GivesUpOnSlowHeadsAndBodies) {
  HttpServerConfig config;
  config.head_timeout = std::chrono::milliseconds(100);
  config.body_stall_timeout = std::chrono::milliseconds(100);
  Start(config);
  EXPECT_EQ(StatusOf(Once("GET / HTTP/1.1\r\nHost:")), 408);
  EXPECT_EQ(StatusOf(Once("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")), 408);
  EXPECT_EQ(Once(""), "");  // nothing was said: closed without a word
}

TEST_F(HttpServerTest, CancelsTheHandlerWhenTheClientLeaves) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(service_.waiting.Wait());
  EXPECT_FALSE(service_.cancelled.is_set());
  client.Close();
  ASSERT_TRUE(service_.cancelled.Wait());
  EXPECT_EQ(service_.cancel_reason, "the client left");
}

TEST_F(HttpServerTest, StreamsInChunks) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send("GET /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, HasSubstr("content-type: text/event-stream"));
  EXPECT_EQ(Dechunk(BodyOf(reply)), "xxxxxxxxxxxxxxx");
  const std::string old = Once("GET /pieces HTTP/1.0\r\n\r\n");
  EXPECT_EQ(BodyOf(old), "xxxxxxxxxxxxxxx");
}

TEST_F(HttpServerTest, ASlowReaderStopsTheProducerAndALeavingOneEndsIt) {
  service_.pieces = 1'000'000;
  service_.piece_size = 10'000;
  Start();
  RawClient client(server_->port());
  client.ShrinkReceiveBuffer();
  ASSERT_TRUE(client.Send("GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  // The producer stops when the socket's buffers are full: it is asked no more while nobody reads.
  int before = -1;
  while (before != service_.asked.load()) {
    before = service_.asked.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_LT(before, 10'000);
  client.ReadBytes(20'000'000);
  EXPECT_GT(service_.asked.load(), before);
  EXPECT_FALSE(service_.dropped.is_set());
  client.Close();
  EXPECT_TRUE(service_.dropped.Wait());
  EXPECT_LT(service_.asked.load(), 1'000'000);
}

TEST_F(HttpServerTest, WhatIsReadyOfAStreamGoesOutWhenTheStreamWaits) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(service_.gate_ready.Wait());
  const std::string first = client.ReadSome();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(first, EndsWith("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n")) << "out while the stream waits";
  EXPECT_TRUE(service_.gate->Complete(absl::OkStatus()));
  EXPECT_EQ(client.ReadToEnd(), "2\r\nef\r\n") << "what came before an error, and no proper end";
}

TEST_F(HttpServerTest, StreamedBodiesArriveInPieces) {
  Start();
  RawClient client(server_->port());
  EXPECT_EQ(
      BodyOf(client.Ask(StrCat("POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n",
                               std::string(90'000, 'z')))),
      "90000");
  EXPECT_EQ(BodyOf(client.Ask(kGet)), "GET /a? ");
}

TEST_F(HttpServerTest, SendsFilesAndBigBodies) {
  service_.file_path = ::testing::TempDir() + "http_server_test_file";
  std::ofstream(service_.file_path) << "0123456789";
  Start();
  RawClient client(server_->port());
  EXPECT_EQ(BodyOf(client.Ask("GET /file HTTP/1.1\r\nHost: x\r\n\r\n")), "23456");
  EXPECT_EQ(BodyOf(client.Ask("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")).size(), 3'000'000U);
  ASSERT_TRUE(client.Send("HEAD /big HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("content-length: 3000000"));
  EXPECT_EQ(BodyOf(client.Ask("GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n")), "from the pool");
}

TEST_F(HttpServerTest, TakesOverRequestIdsThatAreOnes) {
  Start();
  RawClient client(server_->port());
  EXPECT_THAT(client.Ask("GET /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n"),
              HasSubstr("x-request-id: abc-1\r\n"));
  EXPECT_THAT(client.Ask("GET /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n\r\n"),
              Not(HasSubstr("a b")));
}

TEST_F(HttpServerTest, RefusesMoreConnectionsThanAllowed) {
  HttpServerConfig config;
  config.connections_max = 1;
  Start(config);
  RawClient first(server_->port());
  EXPECT_EQ(StatusOf(first.Ask(kGet)), 200);
  RawClient second(server_->port());
  const std::string refusal = second.ReadToEnd();
  EXPECT_EQ(StatusOf(refusal), 503);
  EXPECT_THAT(refusal, HasSubstr(StrCat("content-length: ", BodyOf(refusal).size(), "\r\n")));
}

// Clients that connect anew for each request, while the listening sockets go from server to server.
TEST_F(HttpServerTest, ASuccessorTakesTheSocketsAndNobodyNotices) {
  Start();
  const std::uint16_t port = server_->port();
  std::atomic<bool> over{false};
  std::atomic<int> answered{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!over.load()) {
        RawClient client(port);
        const bool good = client.connected() && client.Send(kGet) &&
                          client.ReadReply().starts_with("HTTP/1.1 200");
        (good ? answered : wrong).fetch_add(1);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const Result<std::vector<int>> sockets = server_->HandOver();
    ASSERT_TRUE(sockets.ok());
    auto next = std::make_unique<HttpServer>(HttpServerConfig{.adopted = *sockets}, service_,
                                             loops_, pool_);
    ASSERT_TRUE(next->Start().ok());
    EXPECT_EQ(next->port(), port);
    server_->Accept(false);
    if (i % 3 == 0) {  // called off
      server_->Accept(true);
      std::swap(server_, next);
    }
    const Ctx ctx = Ctx().WithTimeout(std::chrono::seconds(10));
    EXPECT_TRUE(SyncWait(server_->Leave(ctx)).ok());
    EXPECT_TRUE(SyncWait(server_->Drain(ctx)).ok());
    server_ = std::move(next);
  }
  over.store(true);
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(answered.load(), 100);
}

TEST_F(HttpServerTest, WhoLeavesAnswersOnceMoreOnConnectionsThatAreKept) {
  Start({.leave_idle_timeout = std::chrono::milliseconds(300)});
  RawClient kept(server_->port());
  EXPECT_EQ(StatusOf(kept.Ask(kGet)), 200);
  RawClient idle(server_->port());
  EXPECT_EQ(StatusOf(idle.Ask(kGet)), 200);
  Signal left;
  Spawn(server_->Leave(Ctx().WithTimeout(std::chrono::seconds(10))), [&](Status status) {
    EXPECT_TRUE(status.ok());
    left.Set();
  });
  ASSERT_TRUE(kept.Send(kGet));
  const std::string reply = kept.ReadToEnd();
  EXPECT_EQ(BodyOf(reply), "GET /a? ");
  EXPECT_THAT(reply, HasSubstr("connection: close"));
  EXPECT_EQ(idle.ReadToEnd(), "");
  ASSERT_TRUE(left.Wait());
}

TEST_F(HttpServerTest, DrainsGracefully) {
  Start();
  RawClient idle(server_->port());
  EXPECT_EQ(StatusOf(idle.Ask(kGet)), 200);
  RawClient busy(server_->port());
  ASSERT_TRUE(busy.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(service_.slow_begun.Wait());
  Signal drained;
  Status result;
  Spawn(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(10))), [&](Status status) {
    result = status;
    drained.Set();
  });
  EXPECT_EQ(idle.ReadToEnd(), "");  // the idle one is closed
  EXPECT_FALSE(drained.is_set());
  RawClient late(server_->port());
  late.Send(kGet);
  EXPECT_EQ(late.ReadToEnd(), "");  // refused, or cut while the other loop closes its door
  service_.gate->Complete(absl::OkStatus());
  const std::string reply = busy.ReadToEnd();
  EXPECT_EQ(BodyOf(reply), "slow done");
  EXPECT_THAT(reply, HasSubstr("connection: close"));
  ASSERT_TRUE(drained.Wait());
  EXPECT_TRUE(result.ok());
  server_.reset();
}

TEST_F(HttpServerTest, CutsWhatDoesNotEndInTime) {
  Start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(service_.waiting.Wait());
  const Status status = SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::milliseconds(50))));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(service_.cancelled.Wait());
  server_.reset();
}

TEST_F(HttpServerTest, RefusesAPortThatIsTaken) {
  Start();
  HttpServerConfig config;
  config.port = server_->port();
  HttpServer second(config, service_, loops_, pool_);
  EXPECT_THAT(std::string(StdView(second.Start().message())), HasSubstr("another program has it"));
}

}  // namespace
}  // namespace tessera
