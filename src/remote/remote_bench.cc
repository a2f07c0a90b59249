// What a call costs by where its callee is: a plain virtual call, the router, the remote door over
// a Unix socket and over TCP, and a bare HTTP/1.1 JSON hop of our own beside them. One JSON line a
// figure. CPU is of the whole process: both sides of a call run in it, each on its own loop.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "base/json.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "remote/cluster.h"
#include "remote/remote_toy.h"
#include "remote/tls_toy.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

constexpr int kSerialCalls = 3000;
constexpr int kConcurrent = 32;
constexpr int kCallsEach = 400;
constexpr int kStreams = 300;
constexpr int kItems = 64;
constexpr int kRounds = 5;

double CpuMicros() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

/// One way to reach the service.
struct Way {
  std::string name;
  std::function<Task<bool>(std::uint64_t)> call;  ///< 1 KB there and back
  std::function<Task<int>(int)> read_streams;     ///< as many; the number of items that came
  Executor* caller = nullptr;                     ///< where the calls are made
  double p50_us = 1e9, cpu32_us = 1e9, rate32 = 0, item_us = 1e9, item_cpu_us = 1e9;
};

Task<bool> CallToy(Toy* toy, const std::string* text, std::uint64_t id) {
  toy::AddRequest request;
  request.set_id(id);
  request.set_text(*text);
  const auto reply = co_await toy->Ping(SystemCtx(), std::move(request));
  co_return reply.ok() && reply->id() == id && reply->text().size() == text->size();
}

Task<bool> CallHttp(HttpClient* client, const std::string* url, const std::string* text) {
  HttpClientRequest request;
  request.method = HttpMethod::kPost;
  request.url = *url;
  request.body = StrCat("{\"id\":1,\"text\":\"", *text, "\"}");
  auto reply = co_await client->Send(Ctx(), std::move(request));
  if (!reply.ok() || reply->status != 200) co_return false;
  const auto body = co_await ReadAll(Ctx(), std::move(reply->body), 1 << 20);
  co_return body.ok() && body->size() > text->size();
}

Task<int> Repeat(Executor* loop, Way* way, int calls, std::vector<double>* micros) {
  co_await SwitchTo(*loop);
  int failed = 0;
  for (int i = 0; i < calls; ++i) {
    const SteadyTime start = Now();
    const bool ok = co_await way->call(static_cast<std::uint64_t>(i));
    if (!ok) ++failed;
    if (micros != nullptr) {
      micros->push_back(std::chrono::duration<double, std::micro>(Now() - start).count());
    }
  }
  co_return failed;
}

Task<int> ReadToyStreams(Toy* toy, int streams) {
  int items = 0;
  for (int i = 0; i < streams; ++i) {
    toy::TellRequest request;
    request.set_count(kItems);
    request.set_text_bytes(100);
    const auto stream = co_await toy->Tell(SystemCtx(), std::move(request));
    if (!stream.ok()) co_return 0;
    while (true) {
      const auto item = co_await (*stream)->Next(SystemCtx());
      if (!item.ok() || !item->has_value()) break;
      ++items;
    }
  }
  co_return items;
}

// The same number of events with the same text, as JSON in a text/event-stream.
Task<int> ReadHttpStreams(HttpClient* client, const std::string* url, int streams) {
  int items = 0;
  for (int i = 0; i < streams; ++i) {
    HttpClientRequest request;
    request.method = HttpMethod::kPost;
    request.url = *url;
    request.body = R"({"count":64})";
    auto reply = co_await client->Send(Ctx(), std::move(request));
    if (!reply.ok() || reply->status != 200) co_return 0;
    SseReader events;
    while (true) {
      const auto piece = co_await reply->body->Next(Ctx());
      if (!piece.ok() || !piece->has_value()) break;
      CHECK(events.Feed(**piece).ok());
      while (const auto event = events.Next()) {
        CHECK(JsonDocument::Parse(event->data).ok());
        ++items;
      }
    }
  }
  co_return items;
}

Task<int> ReadStreamsOn(Executor* loop, Way* way, int streams) {
  co_await SwitchTo(*loop);
  co_return co_await way->read_streams(streams);
}

void Measure(Way& way) {
  Executor& loop = *way.caller;
  std::vector<double> micros;
  CHECK(SyncWait(Repeat(&loop, &way, kSerialCalls, &micros)) == 0);
  std::nth_element(micros.begin(), micros.begin() + kSerialCalls / 2, micros.end());
  way.p50_us = std::min(way.p50_us, micros[kSerialCalls / 2]);

  std::vector<Task<int>> callers;
  for (int i = 0; i < kConcurrent; ++i) callers.push_back(Repeat(&loop, &way, kCallsEach, nullptr));
  const SteadyTime start = Now();
  const double cpu = CpuMicros();
  for (const int failed : SyncWait(WhenAll(std::move(callers)))) CHECK(failed == 0);
  constexpr double kCalls = kConcurrent * kCallsEach;
  way.cpu32_us = std::min(way.cpu32_us, (CpuMicros() - cpu) / kCalls);
  way.rate32 = std::max(way.rate32, kCalls / std::chrono::duration<double>(Now() - start).count());

  const SteadyTime begin = Now();
  const double stream_cpu = CpuMicros();
  CHECK(SyncWait(ReadStreamsOn(&loop, &way, kStreams)) == kStreams * kItems);
  constexpr double kAll = kStreams * kItems;
  way.item_cpu_us = std::min(way.item_cpu_us, (CpuMicros() - stream_cpu) / kAll);
  way.item_us = std::min(way.item_us,
                         std::chrono::duration<double, std::micro>(Now() - begin).count() / kAll);
}

class EchoEvents final : public Stream<std::string> {
 public:
  Task<Result<std::optional<std::string>>> Next(Ctx) override {
    if (sent_ == kItems) co_return std::nullopt;
    ++sent_;
    co_return SseEvent(StrCat("{\"id\":", sent_, ",\"text\":\"", std::string(100, 'x'), "\"}"));
  }

 private:
  int sent_ = 0;
};

/// The bare HTTP/1.1 hop: JSON in, parsed, JSON out; or a stream of events out.
class EchoHttp final : public HttpService {
 public:
  Admission Admit(HttpRequest&) override {
    Admission admission;
    admission.body = BodyKind::kBuffered;
    admission.body_max = 1 << 20;
    return admission;
  }
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    const Result<JsonDocument> document = JsonDocument::Parse(request.body);
    CHECK(document.ok());
    if (request.path == "/events") co_return HttpReply::EventStream(std::make_unique<EchoEvents>());
    co_return HttpReply::Json(200, std::move(request.body));
  }
  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }
};

void Print(const Way& way, const char* what, double value, const char* unit, double baseline,
           const char* goal, bool met) {
  std::printf(
      "{\"name\":\"%s: %s\",\"value\":%.2f,\"unit\":\"%s\",\"baseline\":%.2f,\"ratio\":%.2f,"
      "\"goal\":\"%s\",\"met\":%s,\"how\":\"best of %d alternating rounds; 1 KB each way, both "
      "sides "
      "in this process, one loop a side; baseline: a bare HTTP/1.1 JSON hop of ours, same run\"}\n",
      way.name.c_str(), what, value, unit, baseline, baseline > 0 ? value / baseline : 0, goal,
      met ? "true" : "false", kRounds);
}

int Run() {
  IoLoops server_loops(1);
  IoLoops client_loops(1);
  ThreadPool cpu("cpu", 1);
  const std::string text(1000, 'x');
  auto service = std::make_shared<EchoToy>();
  RouteTable table;
  ToyRouter router(table);
  table.Set(router.route().id(), {{MakeInstance<Toy>("toy", service), 1}});

  const std::string path = StrCat("unix:/tmp/tessera_bench_", ::getpid(), ".sock");
  const std::string tls_path = StrCat("unix:/tmp/tessera_bench_", ::getpid(), "_tls.sock");
  const ToyAuthority authority;
  const std::shared_ptr<TlsContext> server_tls = authority.ContextFor("server");
  const std::shared_ptr<TlsContext> client_tls = authority.ContextFor("client");
  RemoteServerConfig config;
  config.listeners = {{.address = path, .trusts_identity = true},
                      {.address = "127.0.0.1:0", .trusts_identity = true},
                      {.address = tls_path, .trusts_identity = true, .tls = server_tls},
                      {.address = "127.0.0.1:0", .trusts_identity = true, .tls = server_tls}};
  RemoteServer server(config, server_loops, cpu);
  server.Serve(Bind(static_cast<Toy&>(router)));
  CHECK(server.Start().ok());
  RemoteChannel over_unix({.address = path, .send_identity = true}, client_loops);
  RemoteChannel over_tcp({.address = StrCat("127.0.0.1:", server.port(1)), .send_identity = true},
                         client_loops);
  RemoteChannel over_unix_tls({.address = tls_path, .send_identity = true, .tls = client_tls},
                              client_loops);
  RemoteChannel over_tcp_tls(
      {.address = StrCat("127.0.0.1:", server.port(3)), .send_identity = true, .tls = client_tls},
      client_loops);
  ToyRemote unix_tls_toy(over_unix_tls);
  ToyRemote tcp_tls_toy(over_tcp_tls);
  ToyRemote unix_toy(over_unix);
  ToyRemote tcp_toy(over_tcp);

  EchoHttp echo;
  HttpServerConfig http_config;
  http_config.port = 0;
  HttpServer http(http_config, echo, server_loops, cpu);
  CHECK(http.Start().ok());
  HttpClientConfig client_config;
  client_config.policy.allow_private = true;
  client_config.idle_connections_max = 64;
  std::optional<HttpClient> client;
  client.emplace(client_config, client_loops);
  const std::string url = StrCat("http://127.0.0.1:", http.port(), "/echo");

  // A second server, so that there is something to choose from.
  const std::string second_path = StrCat("unix:/tmp/tessera_bench_", ::getpid(), "_b.sock");
  RemoteServerConfig second_config;
  second_config.listeners = {{.address = second_path, .trusts_identity = true}};
  RemoteServer second(second_config, server_loops, cpu);
  second.Serve(Bind(static_cast<Toy&>(router)));
  CHECK(second.Start().ok());
  ClusterConfig cluster_config;
  cluster_config.name = "bench";
  cluster_config.channel.send_identity = true;
  cluster_config.endpoints = {{.address = path}, {.address = second_path}};
  Cluster cluster(cluster_config, client_loops);
  ToyRemote cluster_toy(cluster);

  // Client and server on one loop: as near to gRPC's in-process channel as the remote door comes.
  const std::string inside_path = StrCat("unix:/tmp/tessera_bench_", ::getpid(), "_in.sock");
  RemoteServerConfig inside_config;
  inside_config.listeners = {{.address = inside_path, .trusts_identity = true}};
  RemoteServer inside(inside_config, client_loops, cpu);
  inside.Serve(Bind(static_cast<Toy&>(router)));
  CHECK(inside.Start().ok());
  RemoteChannel over_inside({.address = inside_path, .send_identity = true}, client_loops);
  ToyRemote inside_toy(over_inside);
  const std::string events_url = StrCat("http://127.0.0.1:", http.port(), "/events");

  std::vector<Way> ways(10);
  for (Way& way : ways) way.caller = &client_loops[0];
  ThreadPool elsewhere("caller", 1);
  const auto toy_way = [&](Way& way, const char* name, Toy& toy) {
    way.name = name;
    way.read_streams = [toy = &toy](int streams) { return ReadToyStreams(toy, streams); };
    way.call = [toy = &toy, &text](std::uint64_t id) { return CallToy(toy, &text, id); };
  };
  ways[0].name = "HTTP/1.1 JSON hop";
  ways[0].call = [&](std::uint64_t) { return CallHttp(&*client, &url, &text); };
  ways[0].read_streams = [&](int streams) {
    return ReadHttpStreams(&*client, &events_url, streams);
  };
  toy_way(ways[1], "plain virtual call", *service);
  toy_way(ways[2], "routed local call", router);
  toy_way(ways[3], "remote, Unix socket", unix_toy);
  toy_way(ways[4], "remote, TCP", tcp_toy);
  // The caller is no loop of the channel's: each call goes to a loop and back.
  toy_way(ways[5], "remote, Unix socket, from another thread", unix_toy);
  ways[5].caller = &elsewhere;
  toy_way(ways[6], "remote, cluster of 2, Unix socket", cluster_toy);
  toy_way(ways[7], "remote, Unix socket, mutual TLS", unix_tls_toy);
  toy_way(ways[8], "remote, TCP, mutual TLS", tcp_tls_toy);
  toy_way(ways[9], "remote, in process (Unix socket, one loop for both sides)", inside_toy);
  for (int round = 0; round < kRounds; ++round) {
    for (Way& way : ways) Measure(way);
  }
  const Way& hop = ways[0];
  for (const Way& way : ways) {
    const bool local = &way - ways.data() == 1 || &way - ways.data() == 2;
    const bool over = &way - ways.data() == 3;
    Print(way, "1 KB call, serial, p50", way.p50_us, "us", hop.p50_us, over ? "<= 90 us" : "",
          !over || way.p50_us <= 90);
    Print(way, "1 KB call, CPU of both sides, 32 in flight", way.cpu32_us, "us", hop.cpu32_us,
          over ? "<= 25 us" : "", !over || way.cpu32_us <= 25);
    if (!local)
      Print(way, "1 KB calls a second, 32 in flight", way.rate32, "1/s", hop.rate32, "", true);
    Print(way, "item of a 64-item stream", way.item_us, "us", hop.item_us, "", true);
    Print(way, "item of a 64-item stream, CPU of both sides", way.item_cpu_us, "us",
          hop.item_cpu_us, "", true);
  }
  CHECK(SyncWait(cluster.Close()).ok() && SyncWait(second.Drain(Ctx())).ok());

  for (RemoteChannel* channel :
       {&over_unix, &over_tcp, &over_unix_tls, &over_tcp_tls, &over_inside}) {
    CHECK(SyncWait(channel->Close()).ok());
  }
  client.reset();
  CHECK(SyncWait(inside.Drain(Ctx())).ok());
  CHECK(SyncWait(server.Drain(Ctx())).ok() && SyncWait(http.Drain(Ctx())).ok());
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Run(); }
